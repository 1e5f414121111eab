"""The stage that draws maps: from the command line, the same bytes again, ancestors that are all that could be seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from radgen.cli import main
from radgen.errors import CohortError, ConfigError, InputError
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.semantic.maps.schema import read_schema, write_schema
from radgen.semantic.maps.settings import DrawnMapsSettings
from radgen.stages.semantic_maps import run
from tests.semantic.maps.toys import SCHEMA, discs, rows_for, write_maps, write_pairs


@pytest.fixture
def index(tmp_path: Path) -> Path:
    maps = discs(24)
    maps[[1, 12]] = 0
    write_pairs(tmp_path / "set", maps)
    write_schema(tmp_path / "schema.json", SCHEMA)
    return tmp_path / "set" / "index.parquet"


def test_maps_are_drawn_from_the_command_line(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "drawn"
    words = ["--images", str(index), "--schema", str(tmp_path / "schema.json"), "--name", "drawn", "--out", str(out)]
    assert main(["semantic-maps", *words, "--count", "9", "--settings", '{"drawn": {"mix": 1.0}}']) == 0
    maps = ImageSet(out / "index.parquet")
    assert (len(maps), maps.has_images, maps.mask_shape) == (9, False, (32, 32))
    assert all((np.unique(one) > 0).any() for one in maps.masks(range(9)))
    parents = pq.read_table(out / "parents.parquet").to_pylist()
    assert {row["base_patient"] for row in parents} <= {"p0", "p1", "p2", "p4", "p5"}  # p3 validates
    saw = saw_patients_of(out / "manifest.json")
    assert saw.masks == {"train": frozenset({"p0", "p1", "p2", "p4", "p5"})}
    assert not saw.unknown
    assert read_schema(out / "labels.json").labels == SCHEMA.labels
    assert read_manifest(out / "manifest.json")["what"]["settings"]["drawn"]["mix"] == 1.0


def test_fewer_maps_are_the_first_of_many_and_a_second_run_gives_the_same_bytes(index: Path, tmp_path: Path) -> None:
    options = {"images": index, "schema": tmp_path / "schema.json", "name": "drawn", "drawn": DrawnMapsSettings()}
    for name, count in (("few", 4), ("many", 9), ("again", 9), ("again", 9)):
        run(out=tmp_path / name, count=count, **options)  # type: ignore[arg-type]
    few, many = (ImageSet(tmp_path / name / "index.parquet") for name in ("few", "many"))
    assert np.array_equal(few.masks(range(4)), many.masks(range(4)))
    names = sorted(path.name for path in (tmp_path / "many").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in set(names) - {"manifest.json"}:
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert len({json.dumps(read_manifest(tmp_path / n / "manifest.json")["what"]) for n in ("many", "again")}) == 1


def test_maps_of_maps_without_patients_rest_on_all_that_their_set_saw(tmp_path: Path) -> None:
    write_maps(tmp_path / "set", discs(8), rows_for(8, patient=None, split="synthetic"))
    write_schema(tmp_path / "schema.json", SCHEMA)
    seen = SawPatients(pixels={"train": frozenset({"a"})}, masks={"annotator": frozenset({"b"})})
    what = what_part(stage="pairs", version=1, settings={}, inputs={})
    write_manifest(tmp_path / "set" / "manifest.json", what=what, outputs={}, saw_patients=seen)
    options = {"images": tmp_path / "set" / "index.parquet", "schema": tmp_path / "schema.json", "name": "drawn"}
    still = {"count": 2, "split": ("synthetic",)}
    run(out=tmp_path / "drawn", drawn=DrawnMapsSettings(mix=0), **still, **options)  # type: ignore[arg-type]
    assert saw_patients_of(tmp_path / "drawn" / "manifest.json") == seen
    (tmp_path / "set" / "manifest.json").unlink()
    run(out=tmp_path / "drawn", drawn=DrawnMapsSettings(mix=0), **still, **options)  # type: ignore[arg-type]
    assert saw_patients_of(tmp_path / "drawn" / "manifest.json").unknown == {"label maps without a patient: drawn"}


def test_what_cannot_be_drawn_is_refused(index: Path, tmp_path: Path) -> None:
    options = {"images": index, "schema": tmp_path / "schema.json", "out": tmp_path / "drawn"}
    options |= {"drawn": DrawnMapsSettings()}
    with pytest.raises(ConfigError, match="--count 0: no map is asked for; give 1 or more"):
        run(name="drawn", count=0, **options)  # type: ignore[arg-type]
    with pytest.raises(CohortError, match=r"the set of maps to draw from is empty: .* it holds 20 of train, 4 of val"):
        run(name="drawn", count=2, split=("test",), **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="--name 'real': give small letters"):
        run(name="real", count=2, **options)  # type: ignore[arg-type]
    strange = write_maps(tmp_path / "strange", np.full((4, 32, 32), 5, np.uint8))
    with pytest.raises(
        InputError, match=r"map s0-0000 and 3 others of 4 hold id 5 .* but .*schema\.json knows 0, 3, 9"
    ):
        run(name="drawn", count=2, **(options | {"images": strange.folder / "index.parquet"}))  # type: ignore[arg-type]
