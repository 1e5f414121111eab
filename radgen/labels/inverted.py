"""Held-out slices inverted into the generator, and what the heads paint there: the truth is known for these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.errors import CohortError
from radgen.gan.latent.inversion import invert, likeness, nearest_start, psnr_db
from radgen.gan.latent.settings import InversionSettings
from radgen.gan.sampling import Sampler, to_grey
from radgen.imageset.core import ImageSet
from radgen.labels.painting import doubt, paint
from radgen.labels.settings import CalibrationSettings
from radgen.seeds import random_generator


@dataclass(frozen=True)
class Inverted:
    """Some slices found again in the generator.

    Attributes
    ----------
    images
        The pictures of the styles found, uint8 [n, C, H, W].
    masks
        The heads' masks of them, uint8 [n, H, W].
    expected_errors
        1 - Dice that the heads expect, float64 [n].
    disagreements
        Of the heads, in nats, float64 [n].
    psnr_db
        Between slices and pictures, float64 [n].
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    expected_errors: NDArray[np.float64]
    disagreements: NDArray[np.float64]
    psnr_db: NDArray[np.float64]


def held_out_rows(images: ImageSet, class_names: tuple[str, ...], settings: CalibrationSettings) -> NDArray[np.int64]:
    """Choose slices of the split at random, in equal shares of the classes: positions int64 [n], ascending.

    Raises
    ------
    CohortError
        The split has no slices with masks.
    """
    share = -(-settings.images // len(class_names))
    chosen = []
    for name in class_names:
        rows = images.rows_where(split=settings.split, class_name=name)
        order = random_generator("calibration", "rows", settings.seed, name).permutation(len(rows))
        chosen.append(rows[order[:share]])
    found = np.sort(np.concatenate(chosen))[: settings.images] if images.has_masks else np.zeros(0, dtype=np.int64)
    if len(found) < 2:
        msg = (
            f"{images.folder}: {len(found)} slices with masks of split {settings.split}, at least 2 are needed; "
            "name another split in calibration.split, or leave labels_calibration out"
        )
        raise CohortError(msg)
    return found


def invert_rows(
    sampler: Sampler,
    heads: Any,  # noqa: ANN401 - what `load_heads` returns
    images: ImageSet,
    rows: NDArray[np.int64],
    settings: CalibrationSettings,
) -> Inverted:
    """Find the style per layer of each slice from its pixels alone, and let the heads paint the picture of it.

    Parameters
    ----------
    sampler, heads
        The generator and its label heads.
    images, rows
        Real slices.
    settings
        Steps and rate of the search.
    """
    generator = sampler.generator
    search = InversionSettings(
        candidates=settings.candidates,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        feature_weight=0.0,
        seed=settings.seed,
    )
    real, classes = images.images(rows), images.column("class_name")[rows].tolist()
    pictures, masks = np.empty_like(real), np.empty((len(rows), *real.shape[2:]), dtype=np.uint8)
    errors, apart, psnr = np.empty((3, len(rows)))
    for place, (image, name) in enumerate(zip(real, classes, strict=True)):
        class_id = sampler.class_names.index(name)
        near = likeness(generator, image, None, search)
        style = invert(generator, near, nearest_start(generator, near, [class_id], search), search)
        with torch.no_grad():
            picture, features = generator.synthesise(style.w[None], style.noise[None])
        pictures[place] = to_grey(picture)[0]
        maps = {scale: values.float() for scale, values in features.items()}
        painted, expected = paint(heads, maps, class_id)
        masks[place], errors[place], apart[place] = painted[0], expected[0], doubt(heads, maps, class_id)[0]
        psnr[place] = psnr_db(pictures[place], image)
    return Inverted(pictures, masks, errors, apart, psnr)
