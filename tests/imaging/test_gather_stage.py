from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, read_manifest
from radgen.stages import gather
from tests.imaging.archives import Archive
from tests.imaging.toys import SLICES


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def gathered(out: Path, *shards: str) -> Path:
    gather.run(
        parts=tuple(out / f"{shard}.index.parquet" for shard in shards),
        part_manifests=tuple(out / f"{shard}.manifest.json" for shard in shards),
        side_parts=tuple(out / f"{shard}.rejects.parquet" for shard in shards),
        index=out / "index.parquet",
        side=out / "rejects.parquet",
        manifest=out / "manifest.json",
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
    there = {"part_manifests": manifests, "index": out / "index.parquet", "manifest": out / "manifest.json"}
    with pytest.raises(InputError, match="--side-parts names 1 tables and --side none; give both or neither"):
        gather.run(parts=part, side_parts=part, **there)
    pq.write_table(pa.table({"reason": ["x"]}), tmp_path / "other.parquet")
    sides = (out / "shard-000.rejects.parquet", tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet: has columns reason, but .*shard-000\.rejects\.parquet has"):
        gather.run(parts=part, side_parts=sides, side=out / "side.parquet", **there)
