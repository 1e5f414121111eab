"""Tables that users bring: text as it stands, comments only where a line starts with #."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.cohort.csv_tables import read_csv, read_pairs
from radgen.errors import InputError


@pytest.mark.parametrize("start", ["", "\ufeff", "# exported\n#,,\n"])
def test_only_a_line_that_starts_with_a_hash_is_a_comment(tmp_path: Path, start: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(f"{start}file,patient\nscan#1.nii, p#1\n#scan2.nii,p2\n'a#b',001 # first\n", encoding="utf-8")
    assert read_pairs(table, "file", "patient") == {"scan#1.nii": "p#1", "'a#b'": "001 # first"}


@pytest.mark.parametrize("content", [b"", b"# nothing but a comment\n", b"file,patient\n\xff\xfe,p1\n"])
def test_what_is_no_table_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "patients.csv"
    table.write_bytes(content)
    with pytest.raises(InputError, match=r"patients\.csv: not a readable CSV table"):
        read_csv(table)
