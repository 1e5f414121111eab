from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.errors import InputError
from radgen.imaging.source_masks import SOURCE_MASKS_SCHEMA, SourceMask, SourceMaskWriter, read_source_masks


def some(series: str, split: str, seed: int) -> SourceMask:
    labels = np.random.default_rng(seed).integers(0, 4, (3, 5 + seed, 7)).astype(np.uint8)
    return SourceMask(series, split, f"p{seed}", (3.0, 0.5, 0.7), labels)


def test_masks_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "volumes.parquet"
    written = [some("a", "val", 0), some("b", "test", 1), some("c", "test", 2)]
    with SourceMaskWriter(path) as writer:
        for mask in written:
            writer.append(mask)
    for before, after in zip(written, read_source_masks(path), strict=True):
        assert np.array_equal(before.labels, after.labels)
        assert (before.series, before.split, before.patient) == (after.series, after.split, after.patient)
        assert before.spacing_mm == after.spacing_mm
    assert [mask.series for mask in read_source_masks(path, "test")] == ["b", "c"]
    assert pq.read_table(path).schema.equals(SOURCE_MASKS_SCHEMA)


def test_a_file_without_series_is_valid(tmp_path: Path) -> None:
    with SourceMaskWriter(tmp_path / "volumes.parquet"):
        pass
    assert list(read_source_masks(tmp_path / "volumes.parquet")) == []


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with SourceMaskWriter(tmp_path / "volumes.parquet") as writer:
            writer.append(some("a", "val", 0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "volumes.parquet"
    with pytest.raises(InputError, match=r"volumes\.parquet: not a readable table of source masks"):
        list(read_source_masks(path))
    path.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="run the slices stage that writes it"):
        list(read_source_masks(path))
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="columns a are not those of source masks"):
        list(read_source_masks(path))
