"""PNG bytes of images and masks, whose text chunks say where they come from."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from radgen.annotation.schema import Label, palette
from radgen.errors import InputError
from radgen.export.examples import Example


def image_png(example: Example) -> bytes:
    """Return the image as 8-bit grey or RGB.

    Raises
    ------
    InputError
        It has neither 1 nor 3 channels.
    """
    return _png(Image.fromarray(picture_array(example)), example)


def picture_array(example: Example) -> NDArray[np.uint8]:
    """Return uint8 [H, W] or [H, W, 3].

    Raises
    ------
    InputError
        The image has neither 1 nor 3 channels.
    """
    channels = example.image.shape[0]
    if channels not in (1, 3):
        msg = (
            f"image {example.image_id} has {channels} channels, but pictures and DICOM hold 1 or 3; "
            "export to nifti or nnunet, which write a file for each channel"
        )
        raise InputError(msg)
    return np.ascontiguousarray(example.image[0] if channels == 1 else example.image.transpose(1, 2, 0))


def mask_png(example: Example, labels: Sequence[Label]) -> bytes | None:
    """Return the mask as an indexed PNG, whose numbers are the label ids and whose palette their colours."""
    if example.mask is None:
        return None
    picture = Image.fromarray(example.mask)
    picture.putpalette(palette(labels))
    return _png(picture, example)


def _png(picture: Image.Image, example: Example) -> bytes:
    notes = PngImagePlugin.PngInfo()
    said = {"synthetic": "yes" if example.origin.is_synthetic else "no", "Comment": example.origin.notice}
    for key, value in (said | {"Software": "radgen"} | example.facts()).items():
        notes.add_text(key, value)
    out = io.BytesIO()
    picture.save(out, format="PNG", pnginfo=notes)
    return out.getvalue()
