"""Changed bytes of a mask end in words or in a whole mask, never in another error; reading stays small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.importers import format_of, formats
from radgen.annotation.pictures import write_nifti
from radgen.errors import AnnotationError
from tests.annotation.test_array_formats import coloured, dicom_image, dicom_seg, make_pack_without_dicom, slicer_file
from tests.annotation.toys import LABELS, SHAPE, save_indexed, toy_mask

MUTANTS = 60
NAME = "main_normal_000001"
SIZES = {NAME: SHAPE}
Write = Callable[[Path, NDArray[np.uint8]], None]

WRITERS: dict[str, Write] = {
    "indexed.png": save_indexed,
    "colour.png": lambda path, mask: Image.fromarray(coloured(mask, 255)).save(path),
    "nii": lambda path, mask: nibabel.save(_nifti(path, mask), path),
    "nii.gz": lambda path, mask: write_nifti(path, mask, (1.0, 1.0)),
    "seg.nrrd": lambda path, mask: slicer_file(path, [mask], [("liver", 1, 0), ("lesion", 2, 0)]),
    "binary.dcm": lambda path, mask: dicom_seg(path, dicom_image(), mask[None], ["liver", "lesion"], "BINARY"),
    "labelmap.dcm": lambda path, mask: dicom_seg(path, dicom_image(), mask[None], ["liver", "lesion"], "LABELMAP"),
}


def _nifti(path: Path, mask: NDArray[np.uint8]) -> nibabel.Nifti1Image:
    affine = nibabel.load(path.parent.parent / "nifti" / f"{NAME}.nii.gz").affine
    return nibabel.Nifti1Image(mask.T[:, :, None], affine)


def mutant(data: bytes, number: int) -> bytes:
    """Cut the file short, or change one to eight bytes, half of the time among the first ones: the header."""
    random = np.random.default_rng(number)
    if number % 6 == 0:
        return data[: random.integers(len(data))]
    changed = bytearray(data)
    end = len(data) if number % 2 else min(len(data), 400)
    for at in random.integers(end, size=random.integers(1, 9)):
        changed[at] = random.choice([0, 255, changed[at] ^ 1, changed[at] ^ 128, random.integers(256)])
    return bytes(changed)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.filterwarnings("ignore")
def test_changed_files_end_in_words(tmp_path: Path, kind: str) -> None:
    make_pack_without_dicom(tmp_path)
    path = tmp_path / "masks" / f"{NAME}.{kind}"
    WRITERS[kind](path, toy_mask())
    good = path.read_bytes()
    known = formats(tmp_path)
    refused = []
    for number in range(MUTANTS):
        path.write_bytes(mutant(good, number))
        try:
            for returned in format_of(path, known).read(path, SIZES, LABELS):
                assert all(layer.inside.shape == SHAPE for layer in returned.layers)
        except AnnotationError as error:
            refused.append(str(error))
    assert len(refused) > MUTANTS // 10
    assert all(text.startswith(f"{path.name}: ") for text in refused)
