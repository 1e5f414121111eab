"""BIDS in miniature: sessions, suffixes, participants, and label maps among derivatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.settings import StructureSettings
from tests.cohort.layouts_toys import take
from tests.cohort.toys import stored_volume, write_nifti

TWO = StructureSettings(names=("white", "grey"))


def labels(*, value: int = 1) -> NDArray[np.uint8]:
    made = np.zeros((4, 6, 5), dtype=np.uint8)
    made[2, 1:4, 0] = value
    return made


def image(folder: Path, path: str) -> Path:
    return write_nifti(folder / path, stored_volume())


def test_anatomical_images_are_series_of_their_subject(tmp_path: Path) -> None:
    folder = tmp_path / "ds000001"
    for path in (
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/func/sub-01_task-rest_bold.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_run-1_FLAIR.nii.gz",
        "sub-02/ses-b/pet/sub-02_ses-b_pet.nii.gz",
        "derivatives/fmriprep/sub-01/anat/sub-01_desc-preproc_T1w.nii.gz",
    ):
        image(folder, path)
    (folder / "participants.tsv").write_text("participant_id\tage\tgroup\nsub-01\t20\tPatient\nsub-02\t30\tn/a\n")
    (folder / "dataset_description.json").write_text("{}")
    found = take(folder, "bids")
    assert found.patients == {
        "sub-01/anat/sub-01_T1w.nii.gz": "sub-01",
        "sub-02/ses-a/anat/sub-02_ses-a_run-1_FLAIR.nii.gz": "sub-02",
        "sub-02/ses-b/pet/sub-02_ses-b_pet.nii.gz": "sub-02",
    }
    assert [row["class_value"] for _, row in sorted(found.series.items())] == ["MR/T1w/patient", "MR/FLAIR", "PT/pet"]
    assert set(found.rejects.values()) == {"side-file"}
    assert len(found.rejects) == 4


@pytest.mark.parametrize(
    ("maps", "used"),
    [
        (("dseg",), "dseg"),
        (("space-T2w_dseg",), None),
        (("space-MNI152NLin2009cAsym_dseg",), None),
        (("space-orig_dseg", "desc-brain_mask"), "space-orig_dseg"),
        (("desc-aseg_dseg", "desc-aparc_dseg", "dseg"), "dseg"),
        (("desc-aseg_dseg", "desc-aparc_dseg"), None),
    ],
)
def test_one_label_map_of_the_t1_is_used(tmp_path: Path, maps: tuple[str, ...], used: str | None) -> None:
    folder = tmp_path / "set"
    for suffix in ("T1w", "T2w"):
        image(folder, f"sub-01/ses-1/anat/sub-01_ses-1_acq-x_{suffix}.nii.gz")
    for name in maps:
        where = f"derivatives/any/sub-01/ses-1/anat/sub-01_ses-1_acq-x_{name}.nii.gz"
        write_nifti(folder / where, labels(value=1 + (name == used)))
    found = take(folder, "bids")
    mask = found.mask("sub-01/ses-1/anat/sub-01_ses-1_acq-x_T1w.nii.gz", TWO)
    if used is None:
        assert mask is None
    else:
        np.testing.assert_array_equal(mask, labels(value=2))
    of_t2 = found.mask("sub-01/ses-1/anat/sub-01_ses-1_acq-x_T2w.nii.gz", TWO)
    assert (of_t2 is not None) == (maps == ("space-T2w_dseg",))
    assert set(found.rejects.values()) <= {"side-file"}


def test_a_mask_shows_the_structure_of_its_name(tmp_path: Path) -> None:
    image(tmp_path / "set", "sub-7/anat/sub-7_T1w.nii.gz")
    for number, name in ((1, "desc-white"), (1, "label-grey")):
        made = np.roll(labels(value=number), 1 if "grey" in name else 0, axis=0)
        write_nifti(tmp_path / "set" / "derivatives" / "m" / "sub-7" / f"sub-7_{name}_mask.nii.gz", made)
    found = take(tmp_path / "set", "bids")
    expected = labels(value=1) + np.roll(labels(value=2), 1, axis=0)
    np.testing.assert_array_equal(found.mask("sub-7/anat/sub-7_T1w.nii.gz", TWO), expected)
