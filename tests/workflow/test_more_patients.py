"""Ten patients join an archive: shards that none of them was dealt to are published again, not computed again."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.workflow.runs import TINY, Folder

pytestmark = pytest.mark.slow

BEFORE, AFTER = 8, 18
# More shards than patients join, so that some are sure to stay as they were.
SHARDS = 14


def _manifests(folder: Folder) -> dict[str, dict[str, dict[str, object]]]:
    slices = folder.path / "results" / "tiny" / "slices"
    return {path.name: json.loads(path.read_text()) for path in sorted(slices.glob("shard-*.manifest.json"))}


def _grown(folder: Folder, patients: int) -> None:
    phantom = f"phantom={{patients: {patients}, slices_per_patient: 2, size_px: 64, views: 45, broken_files: 0}}"
    words = (phantom, f"inventory={{shards: {SHARDS}}}", "cohort={min_patients: 1, min_images: 1, annotator: 0.2}")
    # As far as the shards: so few patients are not enough for every class in every split, as slices_gather would say.
    done = folder.snakemake("slices", "--until", "slices_shard", config=words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ten_patients_more_leave_unchanged_shards_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path, TINY)
    _grown(folder, BEFORE)
    before = _manifests(folder)
    _grown(folder, AFTER)
    after = _manifests(folder)
    series = pq.read_table(tmp_path / "results" / "tiny" / "cohort" / "series.parquet").to_pylist()
    assert len({row["patient_key"] for row in series}) == AFTER

    assert len(before) == SHARDS
    same = {name for name in after if after[name]["what"] == before[name]["what"]}
    assert len(same) >= SHARDS - (AFTER - BEFORE)
    assert len(same) < SHARDS
    for name, manifest in after.items():
        assert manifest["run"]["reused"] is (name in same), name
