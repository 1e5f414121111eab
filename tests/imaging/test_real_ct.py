"""Body masks of real CT: the couch is gone and no organ is touched. Pictures of these patients are never written."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from radgen.cohort.dicom_volumes import read_volume
from radgen.imaging.body import find_body
from radgen.imaging.settings import BodySettings
from radgen.imaging.volume import Volume, canonical

pytestmark = pytest.mark.realdata

THRESHOLD_HU = -400
HUMERI = (69, 70)  # label numbers of the two upper arm bones


@pytest.fixture(scope="module")
def abdomen(data_root: Path) -> tuple[Volume, NDArray[np.integer]]:
    """Twenty JPEG 2000 slices with table, blanket and both arms, and 31 organ labels on their grid."""
    folder = data_root / "totalsegmentator_ref" / "tests" / "reference_files"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    volume, turn = canonical(read_volume(sorted((folder / "example_ct_dicom").iterdir())))
    mask = nib.load(folder / "example_seg_dicom.nii.gz")
    labels = canonical(Volume(np.asanyarray(mask.dataobj), mask.affine))[0]
    assert turn.apply(canonical(volume)[0]).array.shape == labels.array.shape
    assert np.abs(volume.affine - labels.affine).max() < 1e-3
    return volume, labels.array


def body_of(volume: Volume, arms: str) -> NDArray[np.bool_]:
    body = find_body(volume.array, volume.spacing_mm, "CT", BodySettings(arms=arms))
    assert body is not None
    return body


def below_the_table_top(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark what lies under the curved upper surface of this scanner's table: a parabola read off the pictures."""
    rows, cols = np.mgrid[: shape[1], : shape[2]]
    return np.asarray(np.broadcast_to(rows > 440 - 0.00123 * (cols - 258) ** 2, shape))


def test_no_organ_voxel_is_lost_and_the_couch_is_gone(abdomen: tuple[Volume, NDArray[np.integer]]) -> None:
    volume, labels = abdomen
    body = body_of(volume, "keep")
    assert len(np.unique(labels)) == 32
    assert not (~body & (labels > 0)).any()
    couch = below_the_table_top(volume.array.shape)
    assert (volume.array[couch] > THRESHOLD_HU).sum() > 50_000  # the table is there to be removed
    assert not body[couch].any()


def test_no_organ_of_a_coarse_nifti_is_lost(data_root: Path) -> None:
    """Thirty slices of 3 mm with 41 labels."""
    folder = data_root / "totalsegmentator_ref" / "tests" / "reference_files"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    image, mask = (nib.load(folder / name) for name in ("example_ct_sm.nii.gz", "example_seg.nii.gz"))
    volume, turn = canonical(Volume(np.asanyarray(image.dataobj), image.affine))
    labels = turn.apply(Volume(np.asanyarray(mask.dataobj), mask.affine)).array
    assert labels.shape == volume.array.shape
    body = body_of(volume, "keep")
    assert not (~body & (labels > 0)).any()


def test_dropping_the_arms_takes_the_humeri_and_nothing_else(abdomen: tuple[Volume, NDArray[np.integer]]) -> None:
    volume, labels = abdomen
    body = body_of(volume, "drop")
    humeri = np.isin(labels, HUMERI)
    assert not body[humeri].any()
    assert body[(labels > 0) & ~humeri].all()


def test_couches_of_fifteen_patients_and_two_vendors(data_root: Path) -> None:
    """On single slices the body is one whole piece whose lower edge is skin, not a table's long thin shell."""
    files = sorted((data_root / "tcga_luad_ct_dicom").glob("*.dcm"))
    if not files:
        pytest.skip("no tcga_luad_ct_dicom")
    for file in files:
        volume, _ = canonical(read_volume([file]))
        body = body_of(volume, "keep")[0]
        tissue = volume.array[0] > THRESHOLD_HU
        kept = (body & tissue).sum() / tissue.sum()
        assert 0.85 < kept <= 1, file.name[:7]
        assert _thinnest_share(body, volume.spacing_mm[1]) < 0.005, file.name[:7]
        removed = tissue & ~body
        # Skin that was cut off would touch the mask, or lie near it as a thick piece; sheets and couches do neither.
        assert (removed & ndimage.binary_dilation(body)).sum() < 64, file.name[:7]
        thick = ndimage.binary_opening(removed, iterations=max(1, round(2.5 / volume.spacing_mm[1])))
        assert (thick & ndimage.binary_dilation(body, iterations=round(15 / volume.spacing_mm[1]))).sum() < 32
        assert body_of(volume, "drop")[0][body].mean() > 0.999, file.name[:7]  # no arm stands free here: nothing is cut


def _thinnest_share(body: NDArray[np.bool_], pixel_mm: float) -> float:
    """Share of the body in vertical runs of at most 5 mm: what a table's shell would be made of."""
    padded = np.pad(body, ((1, 1), (0, 0))).astype(np.int8).T
    edges = np.diff(padded, axis=1)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    return float(lengths[lengths * pixel_mm <= 5].sum() / max(body.sum(), 1))
