"""Tables written block by block have the bytes of those written at once, up to a group of rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.errors import InputError
from radgen.imageset.blocks import GROUP_ROWS, read_blocks, write_blocks
from radgen.imageset.core import write_table


@pytest.mark.parametrize("rows", [0, 1, 1000, GROUP_ROWS])
def test_blocks_give_the_bytes_of_the_whole(tmp_path: Path, rows: int) -> None:
    table = pa.table(
        {"key": [f"{number % 977:x}" for number in range(rows)], "ids": [["a", str(n)] for n in range(rows)]}
    )
    schema = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("ids", pa.list_(pa.string()))])
    table = table.cast(schema)
    write_table(tmp_path / "whole.parquet", table.combine_chunks())
    for step in (300, GROUP_ROWS):
        blocks = [table.slice(start, step) for start in range(0, rows, step)]
        assert write_blocks(tmp_path / "blocks.parquet", blocks, schema) == rows
        assert (tmp_path / "blocks.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_longer_table_is_cut_into_groups(tmp_path: Path) -> None:
    table = pa.table({"number": range(2 * GROUP_ROWS + 5)})
    write_blocks(tmp_path / "a.parquet", [table.slice(0, 5), table.slice(5)], table.schema)
    found = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [found.row_group(group).num_rows for group in range(found.num_row_groups)] == [GROUP_ROWS, GROUP_ROWS, 5]
    assert pa.concat_tables(read_blocks(tmp_path / "a.parquet", ["number"])) == table


def test_damage_behind_the_first_block_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"{number:032x}" for number in range(2 * GROUP_ROWS)]})
    write_blocks(path, [table], table.schema)
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3 : len(data) * 2 // 3 + 4000] = b"\xff" * 4000
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.parquet: not a readable table .*; run the stage that writes it"):
        for _ in read_blocks(path, ["text"]):
            pass
