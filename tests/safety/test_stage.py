"""The audit stage: verdicts by the policy, the same bytes again, small studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from radgen.metrics.settings import MetricsSettings
from radgen.provenance import digest_file, read_manifest
from radgen.safety.settings import ReleaseSettings
from radgen.safety.tables import IMAGES_SCHEMA, MEASURES_SCHEMA
from radgen.stages import audit as audit_stage
from tests.features.toys import JudgedStudy, write_toy

QUICK = {"planted": 8, "resamples": 50}


def run_audit(judged: JudgedStudy, samples: Path, folder: Path, **policy: Any) -> dict[str, Any]:
    """Run the stage and return the verdict."""
    audit_stage.run(
        slices=judged.slices,
        slices_manifest=judged.slices.parent / "manifest.json",
        judge_weights=judged.weights,
        judge_manifest=judged.manifest,
        image_set=samples,
        images=folder / "main.images.parquet",
        measures=folder / "main.measures.parquet",
        verdict=folder / "main.verdict.json",
        closest=folder / "main.closest.png",
        manifest=folder / "main.manifest.json",
        release=ReleaseSettings(**(QUICK | policy)),
        metrics=MetricsSettings(),
        device="cpu",
    )
    return dict(json.loads((folder / "main.verdict.json").read_text()))


# Toy people have fresh noise in every slice, so their other slices cannot be found.
LENIENT = {"planted_found": 0.3, "membership_auc": 0.9, "near_copies": 0.2}


def test_the_verdict_follows_the_policy(judged: JudgedStudy, tmp_path: Path) -> None:
    samples = write_toy(tmp_path / "samples", source="main", count=20)
    verdict = run_audit(judged, samples, tmp_path / "one", **LENIENT)
    assert verdict["passed"], verdict
    assert verdict["sentence"].startswith("may leave: ")
    strict = run_audit(judged, samples, tmp_path / "two", **LENIENT, min_patients_per_class=100)
    assert not strict["passed"]
    assert "class plain rests on 28 training patients, the policy asks for 100" in strict["sentence"]
    far = run_audit(judged, samples, tmp_path / "three", **LENIENT, distances={"judge": 1e6})
    assert far["dropped"] == far["images"] == 40
    assert not far["passed"]
    why = pq.read_table(tmp_path / "three" / "main.images.parquet").column("why").to_pylist()
    assert all("is nearer than 1e+06" in text for text in why)


def test_tables_and_bytes(judged: JudgedStudy, tmp_path: Path) -> None:
    samples = write_toy(tmp_path / "samples", source="main", count=20)
    for folder in ("one", "two"):
        run_audit(judged, samples, tmp_path / folder)
    assert pq.read_schema(tmp_path / "one" / "main.images.parquet") == IMAGES_SCHEMA
    assert pq.read_schema(tmp_path / "one" / "main.measures.parquet") == MEASURES_SCHEMA
    for name in ("images.parquet", "measures.parquet", "verdict.json", "closest.png"):
        assert digest_file(tmp_path / "one" / f"main.{name}") == digest_file(tmp_path / "two" / f"main.{name}")
    what = read_manifest(tmp_path / "one" / "main.manifest.json")["what"]
    assert {"images", "images/shard-000", "judge", "slices"} <= set(what["inputs"])
    assert len(what["saw_patients"]["pixels"]["by_split"]["train"]) == 24


def test_every_image_is_looked_up_and_some_are_asked_about_the_set(judged: JudgedStudy, tmp_path: Path) -> None:
    samples = write_toy(tmp_path / "samples", source="main", count=20)
    run_audit(judged, samples, tmp_path, images=15)
    rows = pq.read_table(tmp_path / "main.measures.parquet").to_pylist()
    counts = {(row["measure"], row["role"]): row["n"] for row in rows}
    assert counts["near_copies", "synthetic"] == counts["nearest", "synthetic"] == 40
    assert counts["authentic", "synthetic"] == counts["duplicates", "synthetic"] == 15
    assert counts["authentic", "control"] == counts["near_copies", "control"] == 15
