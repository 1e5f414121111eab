"""The metrics stage scores honest samples near the floor, poor ones far from it, and tells what it read."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from radgen.cohort.settings import LowSettings
from radgen.metrics.audit import NEAREST_SCHEMA
from radgen.metrics.class_agreement import METRIC as CLASS_ACCURACY
from radgen.metrics.names import JUDGES
from radgen.metrics.quality import AUDITS, QUALITY_SCHEMA
from radgen.metrics.settings import MetricsSettings
from radgen.provenance import digest_file, read_manifest, saw_patients_of
from radgen.sources import SourceSettings
from radgen.stages import metrics as metrics_stage
from radgen.training.devices import choose_device
from tests.features.toys import CLASSES, JudgedStudy, write_toy


def _run(
    judged: JudgedStudy, samples: Path, folder: Path, train_on: str = "train", device: str = "cpu"
) -> dict[tuple[str, str, str], float]:
    metrics_stage.run(
        slices=judged.slices,
        slices_manifest=judged.slices.parent / "manifest.json",
        judge_weights=judged.weights,
        judge_manifest=judged.manifest,
        samples=samples,
        samples_manifest=samples.parent / "manifest.json",
        source="main",
        quality=folder / "main.quality.parquet",
        nearest=folder / "main.nearest.parquet",
        manifest=folder / "main.manifest.json",
        metrics=MetricsSettings(kid_subsets=20),
        source_settings=SourceSettings(train_on=train_on),
        low=LowSettings(fraction=0.25),
        classes=CLASSES,
        work=folder / "work",
        device=device,
    )
    rows = pq.read_table(folder / "main.quality.parquet").to_pylist()
    return {(row["class_name"], row["metric"], row["role"]): row["value"] for row in rows}


def test_honest_samples_lie_near_the_floor_and_black_ones_do_not(judged: JudgedStudy, tmp_path: Path) -> None:
    honest = _run(judged, write_toy(tmp_path / "honest", source="main", count=90), tmp_path / "one")
    black = _run(judged, write_toy(tmp_path / "black", source="main", count=90, blank=True), tmp_path / "two")
    distance = "all", "judge_fd", "synthetic"
    assert honest[distance] < 5 * honest["all", "judge_fd", "floor"]
    assert black[distance] > 50 * black["all", "judge_fd", "floor"]
    assert black["all", "recall", "synthetic"] == 0
    assert honest["all", "recall", "synthetic"] > 0.5
    assert {metric for _, metric, _ in honest} == {*JUDGES, "radiomics_fd", *AUDITS, CLASS_ACCURACY}
    assert pq.read_schema(tmp_path / "one" / "main.quality.parquet") == QUALITY_SCHEMA


def test_the_manifest_tells_the_device_that_was_chosen(judged: JudgedStudy, tmp_path: Path) -> None:
    _run(judged, write_toy(tmp_path / "samples", source="main", count=20), tmp_path / "out", device="auto")
    assert read_manifest(tmp_path / "out" / "main.manifest.json")["run"]["device"] == choose_device("auto")[0].type


def test_the_same_inputs_give_the_same_bytes(judged: JudgedStudy, tmp_path: Path) -> None:
    samples = write_toy(tmp_path / "samples", source="main", count=40)
    for folder in ("one", "two"):
        _run(judged, samples, tmp_path / folder)
    for name in ("main.quality.parquet", "main.nearest.parquet"):
        assert digest_file(tmp_path / "one" / name) == digest_file(tmp_path / "two" / name)


def test_copies_are_looked_for_among_the_patients_the_source_saw(judged: JudgedStudy, tmp_path: Path) -> None:
    _run(judged, write_toy(tmp_path / "samples", source="main", count=20), tmp_path / "out", train_on="generator")
    table = pq.read_table(tmp_path / "out" / "main.nearest.parquet")
    assert table.schema == NEAREST_SCHEMA
    assert {key[:9] for key in table.column("nearest_patient").to_pylist()} == {"generator"}
    kinds = table.column("kind").to_pylist()
    assert (kinds.count("synthetic"), kinds.count("control")) == (40, 192)
    saw = saw_patients_of(tmp_path / "out" / "main.manifest.json")
    assert set(saw.pixels) == {"train", "val", "test", "generator"}
