"""The table between the data side and the networks: written, read, refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from radgen.errors import CohortError, InputError
from radgen.radiogenomic.expression import GENES_KEY, Expression, load_expression, save_expression

TABLE = Expression(("a", "b"), ("G1", "G2", "G3"), np.arange(6, dtype=np.float32).reshape(2, 3), "seen")


def test_what_is_written_is_read_and_has_the_same_bytes(tmp_path: Path) -> None:
    save_expression(tmp_path / "one.parquet", TABLE)
    found = load_expression(tmp_path / "one.parquet")
    save_expression(tmp_path / "two.parquet", found)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert (found.patients, found.genes, found.caption) == (TABLE.patients, TABLE.genes, "seen")
    np.testing.assert_array_equal(found.of(["b", "a", "b"]), TABLE.values[[1, 0, 1]])


def test_patients_without_rna_are_counted_and_not_named() -> None:
    with pytest.raises(CohortError, match="1 of 2 patients asked for have no RNA among the 2") as caught:
        TABLE.of(["secret", "a", "secret"])
    assert "secret" not in str(caught.value)


def test_another_table_and_changed_genes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.parquet: not a table of standardised expression"):
        load_expression(tmp_path / "none.parquet")
    save_expression(tmp_path / "rna.parquet", TABLE)
    table = pq.read_table(tmp_path / "rna.parquet")
    changed = dict(table.schema.metadata) | {GENES_KEY: b'["G2", "G1", "G3"]'}
    pq.write_table(table.replace_schema_metadata(changed), tmp_path / "rna.parquet")
    with pytest.raises(InputError, match="2 patients and 3 genes that do not fit its digest"):
        load_expression(tmp_path / "rna.parquet")
