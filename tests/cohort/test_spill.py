"""What is kept on disk comes back as it was and in order, and leaves no file, not even when its process is killed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from radgen.cohort.spill import Dealt, Rejects, RowsByName
from radgen.cohort.tables import REJECTS_SCHEMA, in_order, read_rows, write_rows
from radgen.errors import InputError, StorageError
from radgen.imageset.blocks import write_blocks


def reject(stage: str, reason: str, file_id: str, number: int) -> dict[str, Any]:
    row = {"file_id": file_id, "series_key": None, "stage": stage, "reason": reason, "refused": number % 2 == 0}
    return row | {"figure": number / 3, "unit": "mm", "sentence": f"№ {number}"}


@pytest.mark.parametrize("count", [0, 1, 40, 400])
def test_rejects_come_in_their_order(tmp_path: Path, count: int) -> None:
    path = tmp_path / "rejects.parquet"
    draw = random.Random(count)  # noqa: S311 - texts, no secrets
    texts = ["", "a", "ab", "é", "z", "𝔸", "\n", "'"]
    names = [
        (draw.choice(["cohort", "inventory"]), draw.choice(["a", "a b", "b"]), draw.choice(texts)) for _ in range(count)
    ]
    rows = [reject(*name, number) for number, name in enumerate(names)]
    rejects = Rejects(path, rows)
    in_their_order = sorted(rows, key=lambda row: (row["stage"], row["reason"], row["file_id"]))
    assert list(rejects) == list(rejects) == in_their_order
    assert len(rejects) == len(rows)
    write_blocks(path, rejects.blocks(REJECTS_SCHEMA), REJECTS_SCHEMA)
    straight = path.with_name("straight.parquet")
    write_rows(straight, in_their_order, REJECTS_SCHEMA)
    assert path.read_bytes() == straight.read_bytes()
    assert read_rows(path, REJECTS_SCHEMA) == in_their_order


def test_rejects_are_counted_by_what_is_asked(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.parquet")
    for number, stage in enumerate(("cohort", "inventory", "inventory", "inventory")):
        rejects.add(reject(stage, "ab"[number % 2], str(number), number // 2))
    assert rejects.by_reason() == {"a": 2, "b": 2}
    assert rejects.by_reason(stage="inventory") == {"b": 2, "a": 1}
    assert rejects.by_reason(refused=True) == {"a": 1, "b": 1}


def test_rows_are_found_by_their_name(tmp_path: Path) -> None:
    table = pa.table(
        {"file_id": ["c", "a", "é", "a'b\n"], "path": ["1", None, "3\0", "4"], "more": [[], ["x"], None, []]}
    )
    write_blocks(tmp_path / "files.parquet", [table], table.schema)
    rows = RowsByName(tmp_path / "files.parquet", table.schema, "file_id")
    assert {name: dict(row) for name, row in rows.items()} == {row["file_id"]: row for row in table.to_pylist()}
    assert len(rows) == 4
    for absent in ("", "b", "zz"):
        assert absent not in rows
    assert [path.name for path in tmp_path.iterdir()] == ["files.parquet"]


def test_rows_are_dealt_to_their_shards(tmp_path: Path) -> None:
    shards = np.random.default_rng(0).integers(0, 5, 200)
    table = pa.table(
        {"shard": shards, "name": [str(number) for number in range(200)], "ids": [[str(n)] for n in shards]}
    )
    dealt = Dealt(tmp_path / "a.parquet")
    assert pa.concat_tables(dealt.passing([table.slice(0, 90), table.slice(90)])) == table
    for shard in range(6):
        found = [row for part in dealt.of(shard) for row in part.to_pylist()]
        assert found == [row for row in table.to_pylist() if row["shard"] == shard]
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_by_one_that_is_killed(tmp_path: Path) -> None:
    words = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from radgen.cohort.spill import Dealt, Rejects
dealt, rejects = Dealt(Path(sys.argv[1])), Rejects(Path(sys.argv[1]))
dealt.add(pa.table({"shard": [0] * 100_000}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", words, str(tmp_path / "a.parquet")], check=False)
    assert done.returncode < 0
    assert not list(tmp_path.iterdir())


def test_series_out_of_order_are_told(tmp_path: Path) -> None:
    blocks = [pa.table({"patient_key": keys, "series_key": ["a"] * len(keys)}) for keys in (["a", "b"], ["b", "c"])]
    assert pa.concat_tables(in_order(tmp_path, blocks)) == pa.concat_tables(blocks)
    with pytest.raises(InputError, match="not in the order of patient_key and series_key; run the inventory again"):
        list(in_order(tmp_path, reversed(blocks)))


def test_a_full_disk_is_told_with_the_remedy(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "rejects.parquet")
    rejects._database.execute("PRAGMA max_page_count = 20")
    row = reject("cohort", "a", "b", 0) | {"sentence": "long " * 100_000}
    with pytest.raises(StorageError, match=r"rejects.parquet: its rows cannot be kept .* full\); mend space or rights"):
        rejects.add(row)
