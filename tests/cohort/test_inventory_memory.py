"""What the inventory holds of each file, so that an archive of a million of them fits a job's memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from radgen.cohort import tables
from radgen.cohort.settings import InventorySettings, PatientKeySettings
from radgen.stages import inventory
from tests.cohort.toys import picture, write_picture

FEW, MANY = 200, 800
# Headers, series and look-ups by path; 950 bytes when this was written, 2,400 with all rows in memory.
MOST_BYTES = 1_600


def peak_bytes(folder: Path, files: int) -> int:
    """Return the most that Python held while an archive of so many pictures was listed."""
    first = write_picture(folder / "archive" / "p000" / "normal" / "image-00000.png", picture(0))
    for number in range(1, files):
        path = folder / "archive" / f"p{number // 10:03d}" / "normal" / f"image-{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(first.read_bytes() + bytes([number % 256, number // 256]))
    tracemalloc.start()
    try:
        inventory.run(
            archive=(str(folder / "archive"),),
            index=folder / "index.parquet",
            rejects=folder / "rejects.parquet",
            files=folder / "private" / "files.parquet",
            manifest=folder / "manifest.json",
            inventory=InventorySettings(patient_from="regex", patient_regex="^([^/]+)/", modality="CT"),
            archives={},
            patient_key=PatientKeySettings(public="for tests"),
            work=folder / "work",
        )
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_file_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK_ROWS", 50)
    peak_bytes(tmp_path / "warm", 20)
    few, many = (peak_bytes(tmp_path / str(files), files) for files in (FEW, MANY))
    assert 0 < (many - few) / (MANY - FEW) < MOST_BYTES
