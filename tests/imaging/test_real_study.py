"""A real CT archive from files to stored slices: inventory, cohort, slices. Its pictures stay in a temporary folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    LimitSettings,
    PatientKeySettings,
    StructureSettings,
)
from radgen.imageset.core import ImageSet
from radgen.imaging.settings import SlicesSettings, WindowSettings
from radgen.stages import cohort, inventory, slices
from tests.imaging.test_real_ct import below_the_table_top

pytestmark = pytest.mark.realdata

# Every tissue, fat included, is above grey 0; only air and what was removed is black.
WIDE = WindowSettings(ct_center_hu=0.0, ct_width_hu=2000.0)
PRESENT = (1, 5, 6, 7, 8, 20, 32, 33, 52, 63, 64, 69, 70, 79, 86, 87, 97, 98, 99, 100, 101, 102, 103)
NAMES = tuple(f"organ {number}" for number in PRESENT)


@pytest.fixture(scope="module")
def study(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Run the three stages on copies of the DICOM series and its NIfTI mask."""
    source = data_root / "totalsegmentator_ref" / "tests" / "reference_files"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    root = tmp_path_factory.mktemp("study")
    patient = root / "archive" / "patient"
    patient.mkdir(parents=True)
    shutil.copytree(source / "example_ct_dicom", patient / "CT")
    shutil.copy(source / "example_seg_dicom.nii.gz", patient / "labels.nii.gz")
    structures = StructureSettings(
        names=NAMES, map={name: (n,) for name, n in zip(NAMES, PRESENT, strict=True)}, others="background"
    )
    classes = ClassSettings(by="position", names=("lower", "upper"))
    files = root / "private" / "files.parquet"
    inventory.run(
        archive=(str(root / "archive"),),
        index=root / "index.parquet",
        rejects=root / "rejects.parquet",
        files=files,
        manifest=root / "manifest.json",
        inventory=InventorySettings(shards=1, patient_from="regex", patient_regex="^([^/]+)/"),
        patient_key=PatientKeySettings(public="test"),
        archives={},
        work=root / "work",
    )
    cohort.run(
        inventory=root / "index.parquet",
        inventory_rejects=root / "rejects.parquet",
        inventory_manifest=root / "manifest.json",
        files=files,
        series=root / "cohort" / "series.parquet",
        rejects=root / "cohort" / "rejects.parquet",
        counts=root / "cohort" / "counts.parquet",
        page=root / "cohort" / "index.html",
        shards=(root / "cohort" / "shard-000.parquet",),
        manifest=root / "cohort" / "manifest.json",
        cohort=CohortSettings(val=0.0, test=0.0, min_patients=1, min_images=1),
        classes=classes,
        structures=structures,
        limit=LimitSettings(),
    )
    out = root / "slices"
    slices.run(
        series=root / "cohort" / "shard-000.parquet",
        cohort_manifest=root / "cohort" / "manifest.json",
        files=files,
        archive=(str(root / "archive"),),
        images=out / "shard-000.images.arrow",
        masks=out / "shard-000.masks.arrow",
        index=out / "shard-000.index.parquet",
        rejects=out / "shard-000.rejects.parquet",
        volumes=out / "shard-000.volumes.parquet",
        qc=out / "shard-000.qc.parquet",
        manifest=out / "shard-000.manifest.json",
        slices=SlicesSettings(size_px=512, window=WIDE),
        classes=classes,
        structures=structures,
        archives={},
        work=root / "work",
    )
    return ImageSet(out / "shard-000.index.parquet")


def test_every_slice_arrives_with_every_organ(study: ImageSet, data_root: Path) -> None:
    assert len(study) == 20
    reference = nib.load(data_root / "totalsegmentator_ref/tests/reference_files/example_seg_dicom.nii.gz")
    wanted = np.bincount(np.asanyarray(reference.dataobj).astype(int).ravel(), minlength=118)
    found = np.bincount(study.masks(range(20)).ravel(), minlength=len(NAMES) + 1)
    assert found[1:].tolist() == wanted[list(PRESENT)].tolist()


def test_no_organ_is_black_and_nothing_is_left_below_the_table_top(study: ImageSet) -> None:
    images, masks = study.images(range(20))[:, 0], study.masks(range(20))
    tissue = masks > 0
    assert (images[tissue] == 0).mean() < 1e-3  # gas in the stomach alone is as dark as air
    assert not images[below_the_table_top(images.shape)].any()
    assert (images > 0).mean() > 0.2
