from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.cohort.settings import CohortSettings
from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, read_manifest
from radgen.stages import gather, slices_gather
from tests.imaging.archives import Archive
from tests.imaging.toys import SLICES


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def gathered(out: Path, *shards: str, **cohort: Any) -> Path:
    slices_gather.run(
        parts=tuple(out / f"{shard}.index.parquet" for shard in shards),
        part_manifests=tuple(out / f"{shard}.manifest.json" for shard in shards),
        rejects_parts=tuple(out / f"{shard}.rejects.parquet" for shard in shards),
        index=out / "index.parquet",
        rejects=out / "rejects.parquet",
        manifest=out / "manifest.json",
        cohort=CohortSettings(**({"max_refused_fraction": 0.5} | cohort)),
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
    assert set(what["outputs"]) == {"index.parquet", "rejects.parquet"}
    assert len(what["inputs"]) == 6
    before = {name: (out / name).read_bytes() for name in ("index.parquet", "rejects.parquet")}
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
    there |= {"rejects_parts": sides, "rejects": out / "rejects.parquet", "cohort": CohortSettings()}
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
