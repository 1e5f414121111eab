"""Real T1 slabs with tissue maps, from files to batches of pairs and back to volumes; people kept in one split.

Eight scans of four people: which scans are one person is said by the data set's notes, and goes in as `group_table`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest

from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    LimitSettings,
    PatientKeySettings,
    StructureSettings,
)
from radgen.cohort.tables import SERIES_SCHEMA, read_rows
from radgen.imageset.core import ImageSet
from radgen.imaging.reassemble import SourceGrid, reassemble
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.volume import Volume
from radgen.semantic.maps.batches import PairBatches, UnpairedBatches
from radgen.semantic.maps.counts import check_labels, count_labels, rarest_classes, with_structures
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.maps.sides import check_one_split, check_others, rows_of
from radgen.stages import cohort, inventory, slices

pytestmark = pytest.mark.realdata

PEOPLE = ((1, 2), (3,), (4, 5), (6, 7, 8))
TISSUES = StructureSettings(names=("tissue_1", "tissue_2", "tissue_3", "tissue_4"))
CLASSES = ClassSettings(by="position", names=("all",))
SCHEMA = MapSchema.of_structures(TISSUES.names)


@dataclass(frozen=True)
class Study:
    """The stored slices, the file of each series, and which person each patient key is."""

    images: ImageSet
    scan_of: dict[str, int]
    source: Path


@pytest.fixture(scope="module")
def study(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Run inventory, cohort and slices on copies of the scans in the layout of nnU-Net."""
    source = data_root / "ants_jlf_brain_tissue" / "data" / "JLF"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    root = tmp_path_factory.mktemp("brains")
    for folder in ("imagesTr", "labelsTr"):
        (root / "archive" / folder).mkdir(parents=True)
    for scan in range(1, 9):
        shutil.copy(source / f"ilist{scan}.nii.gz", root / "archive" / "imagesTr" / f"scan_{scan}_0000.nii.gz")
        shutil.copy(source / f"slist{scan}.nii.gz", root / "archive" / "labelsTr" / f"scan_{scan}.nii.gz")
    lines = [f"{scan},person {number}" for number, scans in enumerate(PEOPLE) for scan in scans]
    (root / "people.csv").write_text("\n".join(["patient,group", *lines]) + "\n")
    files = root / "private" / "files.parquet"
    key = PatientKeySettings(public="test")
    inventory.run(
        archive=(str(root / "archive"),),
        index=root / "index.parquet",
        rejects=root / "rejects.parquet",
        files=files,
        manifest=root / "manifest.json",
        inventory=InventorySettings(shards=1, patient_from="regex", patient_regex=r"scan_(\d+)", modality="MR"),
        patient_key=key,
        archives={},
        work=root / "work",
    )
    cohort.run(
        inventory=root / "index.parquet",
        inventory_rejects=root / "rejects.parquet",
        inventory_manifest=root / "manifest.json",
        files=files,
        group_table=root / "people.csv",
        series=root / "cohort" / "series.parquet",
        rejects=root / "cohort" / "rejects.parquet",
        counts=root / "cohort" / "counts.parquet",
        page=root / "cohort" / "index.html",
        shards=(root / "cohort" / "shard-000.parquet",),
        manifest=root / "cohort" / "manifest.json",
        cohort=CohortSettings(val=0.25, test=0.25, exact=True),
        classes=CLASSES,
        structures=TISSUES,
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
        slices=SlicesSettings(size_px=224, field_of_view_mm=224, background="none"),
        classes=CLASSES,
        structures=TISSUES,
        archives={},
        work=root / "work",
    )
    names = {row["file_id"]: row["path"] for row in pq.read_table(files).to_pylist()}
    scan_of = {
        row["series_key"]: int(names[row["file_ids"][0]].rpartition("scan_")[2][0])
        for row in read_rows(root / "cohort" / "series.parquet", SERIES_SCHEMA)
    }
    return Study(ImageSet(out / "shard-000.index.parquet"), scan_of, source)


def test_scans_of_one_person_are_in_one_split(study: Study) -> None:
    check_one_split(study.images)
    person_of = {scan: number for number, scans in enumerate(PEOPLE) for scan in scans}
    splits: dict[int, set[str]] = {}
    for series, split in zip(study.images.column("series"), study.images.column("split"), strict=True):
        splits.setdefault(person_of[study.scan_of[series]], set()).add(split)
    assert [len(splits[person]) for person in range(4)] == [1, 1, 1, 1]
    assert sorted(split for (split,) in splits.values()) == ["test", "train", "train", "val"]


def test_every_labelled_voxel_is_in_a_map(study: Study) -> None:
    wanted = np.zeros(5, dtype=np.int64)
    for scan in range(1, 9):
        labels = np.asanyarray(nibabel.load(study.source / f"slist{scan}.nii.gz").dataobj)
        wanted += np.bincount(labels.astype(np.int64).ravel(), minlength=5)
    table = check_labels(count_labels(study.images, range(len(study.images))), SCHEMA, study.images).to_pylist()
    assert [row["pixels"] for row in table][1:] == wanted[1:].tolist()
    assert len(study.images) == 8 * 14  # of each scan's 18 slices four are blank


def test_pairs_and_sides_of_different_people_come_in_batches(study: Study) -> None:
    images = study.images
    counts = count_labels(images, rows_of(images, ["train"], "pairs"))
    rows = with_structures(counts, SCHEMA, images, empty="drop")
    batches = PairBatches(images, rows, SCHEMA, seed=0, balance=rarest_classes(count_labels(images, rows), SCHEMA))
    maps, greys = batches.batch(0, 8)
    assert maps.shape == (8, 224, 224)
    assert greys.shape == (8, 1, 224, 224)
    means = [float(greys[:, 0][maps == tissue].mean()) for tissue in (0, 1, 3)]
    assert means[0] < means[1] < means[2]  # T1: outside is dark, fluid darker than white matter
    other = rows_of(images, ["val"], "side B (images)")
    check_others(images, rows, images, other)
    assert len(UnpairedBatches(images, rows, images, other, SCHEMA, seed=0).batch(0, 4)[0]) == 4


def test_maps_go_back_into_the_scans_they_were_cut_from(study: Study) -> None:
    for series, scan in list(study.scan_of.items())[:2]:
        file = nibabel.load(study.source / f"slist{scan}.nii.gz")
        labels = np.asanyarray(file.dataobj)
        places = study.images.rows_where(series=series).tolist()
        back = reassemble(study.images, places, SourceGrid.of(series, Volume(labels, file.affine)), kind="masks")
        np.testing.assert_array_equal(back.array, labels)
        np.testing.assert_array_equal(back.affine, file.affine)
