"""A pack goes out, each tool's own empty file is painted, and the mask comes back pixel for pixel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from radgen.annotation.check import collect
from radgen.annotation.pack import read_pack, write_pack
from tests.annotation.test_array_formats import dicom_seg
from tests.annotation.toys import LABELS, pack_images, toy_mask

NAME = "main_normal_000001"
Mask = NDArray[np.uint8]


def itksnap(pack: Path, mask: Mask) -> None:
    empty = nibabel.load(pack / "itksnap" / f"{NAME}.nii.gz")
    painted = nibabel.Nifti1Image(mask.T[:, :, None].astype(np.uint16), empty.affine, empty.header)
    nibabel.save(painted, pack / "masks" / f"{NAME}.nii.gz")


def slicer(pack: Path, mask: Mask) -> None:
    voxels, header = nrrd.read(str(pack / "slicer" / f"{NAME}.seg.nrrd"))
    assert not voxels.any()
    nrrd.write(str(pack / "masks" / f"{NAME}.seg.nrrd"), mask.T[:, :, None], header)


def workstation(pack: Path, mask: Mask) -> None:
    """Paint the empty segmentation itself: one frame of bits for each structure."""
    dataset = pydicom.dcmread(pack / "dicom" / f"{NAME}.seg.dcm")
    bits = np.concatenate([(mask == label.id).ravel() for label in LABELS[1:]])
    data = np.packbits(bits, bitorder="little").tobytes()
    dataset.PixelData = data + bytes(len(data) % 2)
    dataset.save_as(pack / "masks" / f"{NAME}.seg.dcm")


def highdicom(pack: Path, mask: Mask) -> None:
    """Paint anew on the pack's picture, under a name of the workstation's own."""
    image = pydicom.dcmread(pack / "dicom" / f"{NAME}.dcm")
    dicom_seg(pack / "masks" / "export-0001.dcm", image, mask[None], ["liver", "lesion"], "LABELMAP")


@pytest.mark.parametrize("paint", [itksnap, slicer, workstation, highdicom])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0), (0.7, 1.3)])
def test_what_is_painted_on_a_packs_own_files_comes_back(
    tmp_path: Path, paint: Callable[[Path, Mask], None], spacing_mm: tuple[float, float]
) -> None:
    path = tmp_path / "pack.parquet"
    write_pack(path, pack_images(), LABELS, generator="g", truncation=0.7, sampler_seed=1, spacing_mm=spacing_mm)
    paint(tmp_path, toy_mask())
    masks = collect(tmp_path, read_pack(path)).masks
    assert list(masks) == [NAME]
    assert np.array_equal(masks[NAME], toy_mask())
