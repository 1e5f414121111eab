import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.cohort.settings import CohortSettings, LimitSettings
from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, read_manifest
from radgen.stages import gather, slices_gather
from tests.imaging.archives import CLASSES, Archive
from tests.imaging.toys import SLICES

LENIENT = {"max_refused_fraction": 0.5, "min_images": 0, "val": 0.0, "test": 0.0}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def gathered(out: Path, *shards: str, limit: int | None = None, **cohort: Any) -> Path:
    slices_gather.run(
        parts=tuple(out / f"{shard}.index.parquet" for shard in shards),
        part_manifests=tuple(out / f"{shard}.manifest.json" for shard in shards),
        rejects_parts=tuple(out / f"{shard}.rejects.parquet" for shard in shards),
        qc_parts=tuple(out / f"{shard}.qc.parquet" for shard in shards),
        index=out / "index.parquet",
        rejects=out / "rejects.parquet",
        qc=out / "qc.parquet",
        near_duplicates=out / "near_duplicates.parquet",
        manifest=out / "manifest.json",
        cohort=CohortSettings(**(LENIENT | cohort)),
        classes=CLASSES,
        limit=LimitSettings(patients=limit),
    )
    return out / "index.parquet"


def test_gather_joins_shards_rejects_and_ancestry(archive: Archive) -> None:
    archive.add("a", "train")
    archive.add("b", "train", image=b"not a volume")
    out = archive.run("shard-000")
    archive.rows.clear()
    archive.run("shard-001")  # empty
    archive.add("c", "test")
    archive.run("shard-002")
    images = ImageSet(gathered(out, "shard-000", "shard-001", "shard-002"))
    assert set(images.column("series")) == {"a", "c"}
    assert images.images(range(len(images))).shape == (2 * SLICES, 1, 40, 40)
    assert pq.read_table(out / "rejects.parquet")["series_key"].to_pylist() == ["b"]
    what = read_manifest(out / "manifest.json")["what"]
    assert SawPatients.from_json(what["saw_patients"]).patients("masks") == {"patient-a", "patient-c"}
    assert set(what["outputs"]) == {"index.parquet", "rejects.parquet", "qc.parquet", "near_duplicates.parquet"}
    assert len(what["inputs"]) == 12
    before = {name: (out / name).read_bytes() for name in what["outputs"]}
    gathered(out, "shard-000", "shard-001", "shard-002")
    assert {name: (out / name).read_bytes() for name in before} == before


def test_gather_refuses_what_does_not_fit(archive: Archive, tmp_path: Path) -> None:
    archive.add("a", "train")
    out = archive.run()
    part = (out / "shard-000.index.parquet",)
    manifests = (out / "shard-000.manifest.json",)
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(InputError, match="lies outside"):
        gather.run(parts=part, part_manifests=manifests, index=elsewhere / "i.parquet", manifest=elsewhere / "m.json")
    there: dict[str, Any] = {
        "part_manifests": manifests,
        "index": out / "index.parquet",
        "manifest": out / "manifest.json",
    }
    pq.write_table(pa.table({"reason": ["x"]}), tmp_path / "other.parquet")
    sides = (out / "shard-000.rejects.parquet", tmp_path / "other.parquet")
    there |= {
        "qc_parts": (),
        "qc": out / "qc.parquet",
        "near_duplicates": out / "near_duplicates.parquet",
        "rejects_parts": sides,
        "rejects": out / "rejects.parquet",
        "cohort": CohortSettings(),
    }
    there |= {"classes": CLASSES, "limit": LimitSettings()}
    with pytest.raises(InputError, match=r"other\.parquet: has columns reason, but .*shard-000\.rejects\.parquet has"):
        slices_gather.run(parts=part, **there)


def test_too_many_unreadable_series_are_summed_up_by_reason(archive: Archive) -> None:
    for name in "abcdefg":
        archive.add(name, "train")
    archive.add("h", "test", image=b"not a volume")
    out = archive.run("shard-000")
    archive.rows.clear()
    whole = (archive.root / "archive" / "a-image.nii").read_bytes()
    for name in "ij":
        archive.add(name, "train", image=whole[: len(whole) // 2])
    archive.run("shard-001")
    words = r"3 of 10 series \(30\.0%\) cannot be read, but max_refused_fraction is 20\.0%: truncated 2, foreign 1; see"
    with pytest.raises(CohortError, match=words):
        gathered(out, "shard-000", "shard-001", max_refused_fraction=0.2)
    assert not (out / "index.parquet").exists()
    assert len(ImageSet(gathered(out, "shard-000", "shard-001", max_refused_fraction=0.3))) == 7 * SLICES


def test_slices_refused_for_their_quality_are_no_damage(archive: Archive) -> None:
    archive.add("a", "train")
    archive.add("b", "train")
    image = nib.load(archive.root / "archive" / "b-image.nii")
    nib.save(
        nib.Nifti1Image(np.zeros_like(np.asanyarray(image.dataobj)), image.affine),
        archive.root / "archive" / "b-image.nii",
    )
    out = archive.run()
    assert len(ImageSet(gathered(out, "shard-000", max_refused_fraction=0.0))) == SLICES
    assert set(pq.read_table(out / "rejects.parquet")["series_key"].to_pylist()) == {"b"}


@pytest.fixture
def two_classes(archive: Archive) -> Path:
    """One well and two ill patients in train, one of each in val, an ill one in test; four slices each."""
    for name, split, mask_value in [
        ("a", "train", 1),
        ("b", "train", 2),
        ("c", "train", 2),
        ("d", "val", 1),
        ("e", "val", 2),
        ("f", "test", 2),
    ]:
        archive.add(name, split, mask_value=mask_value)
    return archive.run()


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        (
            {"min_images": SLICES + 1},
            "class 'normal' has 4 images in split train, at least 5 needed; add patients or choose another "
            "cohort.seed, or lower cohort.min_images",
        ),
        (
            {"min_images": SLICES, "val": 0.2, "test": 0.2},
            "class 'normal' has 0 images in split test, at least 1 needed; add patients or choose another cohort.seed",
        ),
        (
            {"min_images": SLICES, "ranges": {"train": (0, 3), "test": (3, 6)}},
            "class 'normal' has 0 images in split test, at least 1 needed",
        ),
    ],
)
def test_a_class_by_mask_with_too_few_images_is_named(two_classes: Path, cohort: dict[str, Any], words: str) -> None:
    with pytest.raises(CohortError, match=re.escape(words)):
        gathered(two_classes, "shard-000", **cohort)
    assert not (two_classes / "index.parquet").exists()


@pytest.mark.parametrize(
    ("limit", "cohort"),
    [(None, {"min_images": SLICES, "val": 0.2}), (4, {"min_images": SLICES + 1, "val": 0.2, "test": 0.2})],
)
def test_splits_a_study_has_not_and_limited_cohorts_need_no_minimum(
    two_classes: Path, limit: int | None, cohort: dict[str, Any]
) -> None:
    assert len(ImageSet(gathered(two_classes, "shard-000", limit=limit, **cohort))) == 6 * SLICES
