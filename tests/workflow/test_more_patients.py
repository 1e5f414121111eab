"""Ten patients join an archive: shards that none of them was dealt to are published again, not computed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.workflow.runs import TINY, Folder

pytestmark = pytest.mark.slow

BEFORE, AFTER = 8, 18
# More shards than patients join, so that some are sure to stay as they were.
SHARDS = 14
# As far as the shards: so few patients are not enough for every class in every split, as slices_gather would say.
LAST = ("slices", "--until", "slices_shard")


def _grown(folder: Folder, patients: int) -> None:
    phantom = f"phantom={{patients: {patients}, slices_per_patient: 2, size_px: 64, views: 45, broken_files: 0}}"
    words = (phantom, f"inventory={{shards: {SHARDS}}}", "cohort={min_patients: 1, min_images: 1, annotator: 0.2}")
    done = folder.snakemake(*LAST, config=words)
    assert done.returncode == 0, done.stdout + done.stderr


def _study(folder: Folder) -> Path:
    return folder.path / "results" / "tiny"


def _manifests(folder: Folder) -> dict[str, dict[str, Any]]:
    found = sorted((_study(folder) / "slices").glob("shard-*.manifest.json"))
    return {path.name.partition(".")[0]: json.loads(path.read_text()) for path in found}


def _dealt(folder: Folder) -> dict[str, str]:
    """Return the digest of every shard's table of series, as the cohort's manifest has it."""
    outputs: Mapping[str, str] = json.loads((_study(folder) / "cohort" / "manifest.json").read_text())["what"][
        "outputs"
    ]
    return {Path(name).stem: digest for name, digest in outputs.items() if name.startswith("shard-")}


def _splits(folder: Folder) -> dict[str, str]:
    series = pq.read_table(_study(folder) / "cohort" / "series.parquet").to_pylist()
    return {row["patient_key"]: row["split"] for row in series}


def _computed(folder: Folder) -> dict[str, int]:
    """Return when each shard's result was computed, in ns: its record in the work folder is written then only."""
    records = (folder.path / "work" / "tiny" / "slices").glob("*/final.finished.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in records}


def test_ten_patients_more_leave_unchanged_shards_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path, TINY)
    _grown(folder, BEFORE)
    before, dealt_before, splits, computed = _manifests(folder), _dealt(folder), _splits(folder), _computed(folder)
    assert len(before) == len(dealt_before) == len(computed) == SHARDS
    assert not any(manifest["run"]["reused"] for manifest in before.values())

    _grown(folder, AFTER)
    after, dealt_after = _manifests(folder), _dealt(folder)
    grown = _splits(folder)
    assert (len(splits), len(grown)) == (BEFORE, AFTER)
    assert {patient: grown[patient] for patient in splits} == splits

    # A shard is unchanged when it was dealt the same series; that decides alone what is computed again.
    unchanged = {name for name in dealt_after if dealt_after[name] == dealt_before[name]}
    assert SHARDS - (AFTER - BEFORE) <= len(unchanged) < SHARDS
    assert {name for name in after if after[name]["what"] == before[name]["what"]} == unchanged
    assert {name for name in after if after[name]["run"]["reused"]} == unchanged
    again = _computed(folder)
    assert len(again) == SHARDS + len(set(dealt_after) - unchanged)
    assert {key: again[key] for key in computed} == computed
