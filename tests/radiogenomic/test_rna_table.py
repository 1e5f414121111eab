"""Expression tables: the published layout and others, which way round, and what is refused in which words."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from radgen.errors import CohortError, InputError
from radgen.radiogenomic import rna_bytes
from radgen.radiogenomic.rna_join import join
from radgen.radiogenomic.rna_table import RnaTable, read_rna

# The head of the published file: no cell above the genes, NA where nothing was called.
PUBLISHED = "\tR01-023\tR01-024\tR01-006\nA1BG\t2.5\tNA\t0\nTP53\t10\t0.25\t7\nEGFR\t1e2\t3\tNA\nALK\t0\t0\t1\n"
IDS = ("R01-023", "R01-024", "R01-006")


def write(folder: Path, text: str, name: str = "rna.txt") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def check_published(table: RnaTable) -> None:
    assert table.patients == IDS
    assert table.genes == ("A1BG", "TP53", "EGFR", "ALK")
    expected = [[2.5, 10, 100, 0], [np.nan, 0.25, 3, 0], [0, 7, np.nan, 1]]
    np.testing.assert_array_equal(table.values, expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rna.txt", PUBLISHED),
        ("rna.txt.gz", PUBLISHED),
        ("rna.tsv", PUBLISHED.replace("\tR01-023", "R01-023", 1)),  # as R writes it
        ("rna.csv", "gene" + PUBLISHED.replace("\t", ",").replace("\n", "\r\n")),
        ("rna.csv.gz", "\ufeffgene" + PUBLISHED.replace("\t", ",").replace("NA", "")),
    ],
)
@pytest.mark.parametrize("orientation", ["auto", "genes-in-rows"])
def test_one_table_in_many_clothes(tmp_path: Path, name: str, text: str, orientation: str) -> None:
    check_published(read_rna(write(tmp_path, text, name), "raw", orientation, IDS))


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_parquet_either_way_round(tmp_path: Path, index: bool, turned: bool) -> None:
    frame = pd.read_csv(write(tmp_path, PUBLISHED), sep="\t", index_col=0, keep_default_na=True)
    frame = frame.T if turned else frame
    frame.index.name = "name"
    (frame if index else frame.reset_index()).to_parquet(tmp_path / "rna.parquet", index=index)
    check_published(read_rna(tmp_path / "rna.parquet", "raw", "auto", IDS))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PUBLISHED.replace("0.25", "low"), "rna.txt: row 3 ('TP53'), column 3 holds 'low', which is no finite number"),
        (PUBLISHED.replace("0.25", "1_0"), "holds '1_0', which is no finite number"),
        (PUBLISHED.replace("0.25", "inf"), "holds 'inf', which is no finite number"),
        (PUBLISHED.replace("0.25", "-0.25"), "1 values below 0, the first -0.25 (gene 'TP53'), but rna.scale is raw"),
        (PUBLISHED.replace("ALK", "TP53"), "rows 3 and 5 are the same gene ('TP53'); keep one"),
        (PUBLISHED.replace("R01-006", "R01-023"), "columns 2 and 4 are the same patient; keep one"),
        (PUBLISHED.replace("R01-006", " "), "column 4 names no patient"),
        (PUBLISHED.replace("\t0.25", ""), "row 3 has 3 cells where the row of names makes it 4"),
        ("A1BG\n", "a table needs a row of names and a column of names"),
        (PUBLISHED.replace("A1BG", 'A"1'), ""),
    ],
)
def test_what_is_no_expression_is_refused_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    if not sentence:
        assert read_rna(write(tmp_path, text), "raw", "auto", IDS).genes[0] == 'A"1'
        return
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        read_rna(write(tmp_path, text), "raw", "genes-in-rows", IDS)
    assert "R01-" not in str(caught.value)


def test_a_table_the_wrong_way_round_is_refused_by_what_the_cohort_knows(tmp_path: Path) -> None:
    path = write(tmp_path, PUBLISHED)
    with pytest.raises(InputError, match=r"0 of its 4 rows and 3 of its 3 columns are patients.*; state genes-in-rows"):
        read_rna(path, "raw", "patients-in-rows", IDS)
    with pytest.raises(InputError, match="4 patients and 3 genes, which looks like the wrong way round"):
        read_rna(path, "raw", "patients-in-rows")
    with pytest.raises(InputError, match="cannot be told"):
        read_rna(path, "raw", "auto", ("someone",))


def test_z_scores_of_a_cohort_are_taken_by_their_name_alone(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(5, 2, (6, 12))
    values = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    frame = pd.DataFrame(values.T, [f"G{n}" for n in range(12)], [f"P{n}" for n in range(6)])
    frame.to_csv(tmp_path / "z.csv")
    with pytest.raises(
        InputError, match=r"mean 0 and deviation 1 over all 6 patients, but rna.scale is log; state zscore"
    ):
        read_rna(tmp_path / "z.csv", "log", "genes-in-rows")
    assert read_rna(tmp_path / "z.csv", "zscore", "genes-in-rows").caption == "statistics saw all patients"
    (frame + 1).to_csv(tmp_path / "shifted.csv")
    assert read_rna(tmp_path / "shifted.csv", "log", "genes-in-rows").caption == ""


def test_a_gzip_bomb_ends_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rna_bytes, "MOST_BYTES", 1 << 16)
    path = write(tmp_path, "0" * (1 << 24), "rna.txt.gz")
    assert path.stat().st_size < 1 << 15
    with pytest.raises(InputError, match="more than 65536 bytes of text"):
        read_rna(path, "raw", "genes-in-rows")


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, PUBLISHED, "rna.txt.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-12])
    with pytest.raises(InputError, match="end early"):
        read_rna(path, "raw", "auto", IDS)
    path.write_bytes(whole[:-6] + b"\0\0" + whole[-4:])
    with pytest.raises(InputError, match="damaged"):
        read_rna(path, "raw", "auto", IDS)


def test_the_join_says_who_has_what(tmp_path: Path) -> None:
    table = read_rna(write(tmp_path, PUBLISHED), "raw", "auto", IDS)
    joined = join(table, {"R01-023": "train", "R01-006": "test", "R01-999": "train"})
    assert joined.both == ("R01-006", "R01-023")
    assert joined.of_split("train") == ("R01-023",)
    assert joined.line == "2 patients have genes and images, 1 genes alone, 1 images alone"
    rows = {row["patient"]: (row["split"], row["has_rna"], row["has_images"]) for row in joined.table.to_pylist()}
    assert rows["R01-024"] == ("", True, False)
    assert rows["R01-999"] == ("train", False, True)
    with pytest.raises(CohortError, match="look like 'A99-999', those of the cohort like 'A99_999'"):
        join(table, {"R01_023": "train", "R01_006": "test"})
    with pytest.raises(CohortError, match="1 of 2 patients asked for have no RNA in this table of 3"):
        table.of(["R01-023", "R01-999"])


@pytest.mark.realdata
def test_the_real_z_scores_are_read(data_root: Path) -> None:
    path = data_root / "nsclc_radiogenomics_rna" / "data" / "df_zscore.csv"
    table = read_rna(path, "zscore", "genes-in-rows")
    assert table.values.shape == (130, 1000)
    assert int(np.isnan(table.values).sum()) == 4519
    with pytest.raises(InputError, match="state zscore"):
        read_rna(path, "log", "genes-in-rows")
    with pytest.raises(InputError, match="values below 0"):
        read_rna(path, "raw", "genes-in-rows")
