"""Damaged expression tables end as a table or as an InputError, and never in anything else."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.errors import InputError
from radgen.radiogenomic import rna_bytes
from radgen.radiogenomic.rna_table import read_rna

TEXT = "\t".join(["", *(f"P{n}" for n in range(5))]) + "\n"
TEXT += "".join("\t".join([f"G{g}", *(f"{g * 1.5 + n:g}" for n in range(5))]) + "\n" for g in range(12))


def write_good(path: Path) -> None:
    if path.suffix == ".parquet":
        columns = {"gene": [f"G{g}" for g in range(12)]} | {f"P{n}": np.arange(12.0) + n for n in range(5)}
        pq.write_table(pa.table(columns), path)
    else:
        path.write_bytes(gzip.compress(TEXT.encode(), mtime=0) if path.suffix == ".gz" else TEXT.encode())


@pytest.mark.parametrize("name", ["rna.txt", "rna.txt.gz", "rna.parquet"])
def test_mutants_are_read_or_refused(tmp_path: Path, name: str) -> None:
    path, rng = tmp_path / name, np.random.default_rng(11)
    write_good(path)
    good = path.read_bytes()
    assert read_rna(path, "raw", "genes-in-rows").values.shape == (5, 12)
    sentences = []
    for _ in range(300):
        data = bytearray(good)
        for place in rng.integers(len(data), size=int(rng.integers(1, 5))):
            data[place] = int(rng.integers(256))
        path.write_bytes(bytes(data[: int(rng.integers(1, len(data) + 1))] if rng.random() < 0.2 else data))
        try:
            table = read_rna(path, "raw", "genes-in-rows")
        except InputError as error:
            sentences.append(str(error))
        else:
            assert table.values.shape == (len(table.patients), len(table.genes))
            assert not np.isinf(table.values).any()
    assert len(sentences) > 50
    assert all(sentence.startswith(name) for sentence in sentences)


def test_a_parquet_of_too_many_cells_or_bytes_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rna.parquet"
    pq.write_table(pa.table({"gene": ["G"] * 200_000, "P0": np.zeros(200_000)}), path, compression="zstd")
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(rna_bytes, "MOST_CELLS", 300_000)
    with pytest.raises(InputError, match="400000 cells, and a table may have 300000"):
        read_rna(path, "raw", "genes-in-rows")
    long = pa.table({"gene": ["G" * (1 << 20) for _ in range(8)], "P0": np.zeros(8)})
    pq.write_table(long, path, compression="zstd", use_dictionary=False)
    monkeypatch.setattr(rna_bytes, "MOST_BYTES", 1 << 20)
    with pytest.raises(InputError, match="bytes when decompressed"):
        read_rna(path, "raw", "genes-in-rows")
