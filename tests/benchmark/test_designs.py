"""The two study designs of 2023 that ship as configurations, on miniatures in the layouts of their data sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from radgen.benchmark.settings import BenchmarkSettings
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.settings import LowSettings, StructureSettings
from radgen.config import read_config
from radgen.imageset.core import gather_index
from radgen.provenance import ASPECTS
from radgen.stages import benchmark, benchmark_summary, import_images, source_images
from radgen.study import Study
from tests.cohort.layout_study import LayoutStudy, texture
from tests.cohort.test_layout_tdid import SQUARE, case
from tests.cohort.toys import write_picture
from tests.conftest import REPOSITORY

TRAINING = ArmTrainingSettings(
    max_steps=2, eval_every=2, val_images=16, classifier_channels=(4, 4, 4, 4), segmenter_channels=(4, 4)
)
COUNT = 40  # exams or cases


def mrnet(root: Path) -> LayoutStudy:
    made = LayoutStudy(root, "mrnet", ("normal", "acl"))
    for exam in range(COUNT):
        path = made.archive / "train" / "sagittal" / f"{exam:04d}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, texture(exam, (2, 24, 24)))
        torn = exam % 2
        for name, value in (("abnormal", torn), ("acl", torn), ("meniscus", 0)):
            with (made.archive / f"train-{name}.csv").open("a") as table:
                table.write(f"{exam:04d},{value}\n")
    return made


def tdid(root: Path) -> LayoutStudy:
    made = LayoutStudy(root, "tdid", ("low", "high"), StructureSettings(names=("nodule",)))
    made.archive.mkdir(parents=True)
    for number in range(COUNT):
        (made.archive / f"{number}.xml").write_text(case(number, ("2", "4a")[number % 2], {1: [SQUARE], 2: [SQUARE]}))
        for picture in (1, 2):
            write_picture(made.archive / f"{number}_{picture}.jpg", texture(2 * number + picture))
    return made


def made_elsewhere(root: Path, classes: tuple[str, ...], structures: tuple[str, ...]) -> Path:
    """Import twelve pictures as another tool would leave them, with a declared ancestry."""
    masks = root / "masks" if structures else None
    for number in range(12):
        name = classes[number % 2]
        for folder in (root / "images" / name, *([masks / name] if masks else [])):
            folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(texture(500 + number)).save(root / "images" / name / f"{number}.png")
        if masks:
            painted = np.zeros((24, 24), dtype=np.uint8)
            painted[5:15, 5:15] = 1
            Image.fromarray(painted).save(masks / name / f"{number}.png")
    said = root / "ancestry.json"
    said.write_text(json.dumps({"statement": "Noise of a test."} | {aspect: {} for aspect in ASPECTS}))
    import_images.run(
        pictures=root / "images",
        name="made",
        out=root / "imported",
        masks=masks,
        class_names=classes,
        structures=structures,
        ancestry=said,
    )
    return root / "imported"


@pytest.mark.parametrize(("name", "miniature"), [("mrnet-acl", mrnet), ("tdid", tdid)])
def test_a_design_of_2023_runs_from_its_archive_to_the_verdict(
    tmp_path: Path, name: str, miniature: type[LayoutStudy]
) -> None:
    config = read_config(REPOSITORY / "config" / f"{name}.yaml")
    study, data = Study.of(config), miniature(tmp_path)
    data.cohort = {"val": 0.2, "test": 0.2}
    data.slice(values=config.classes.values)
    slices = tmp_path / "slices"
    gather_index([slices / "shard-000.index.parquet"], slices / "index.parquet")
    imported = made_elsewhere(tmp_path / "elsewhere", config.classes.names, config.structures.names)
    source = tmp_path / "samples" / "index.parquet"
    source_images.run(
        images=imported / "index.parquet",
        images_manifest=imported / "manifest.json",
        source="made",
        index=source,
        manifest=source.parent / "manifest.json",
        classes=config.classes,
        structures=config.structures,
    )
    (task,) = study.tasks
    small = replace(config.benchmark, training=replace(TRAINING, seeds=3), sealed=False)
    low = LowSettings(fraction=0.3)
    arms = study.arms(task)
    kept = {key: arms[key] for key in arms if key in {"real_100", "real_low", *config.arms} and key != "low_plus_half"}
    folder = tmp_path / "benchmark"
    for arm, settings in kept.items():
        own = replace(settings, setting="external" if settings.synthetic else None)
        own = replace(own, annotated_images=6) if own.annotated_images else own
        benchmark.run(
            slices=slices / "index.parquet",
            slices_manifest=slices / "shard-000.manifest.json",
            synthetic=(source,) if own.synthetic else (),
            synthetic_manifests=(source.parent / "manifest.json",) if own.synthetic else (),
            volumes=(slices / "shard-000.volumes.parquet",) if config.structures.names else (),
            task=task,
            arm=arm,
            scores=folder / f"{arm}.scores.parquet",
            history=folder / f"{arm}.history.parquet",
            manifest=folder / f"{arm}.manifest.json",
            benchmark=small,
            arm_settings=own,
            low=low,
            classes=config.classes,
            structures=config.structures,
            work=tmp_path / "work",
            device="cpu",
        )
    outputs = {key: folder / f"{key}.parquet" for key in ("table", "summary", "curve", "verdicts")}
    benchmark_summary.run(
        scores=tuple(folder / f"{arm}.scores.parquet" for arm in kept),
        manifests=tuple(folder / f"{arm}.manifest.json" for arm in kept),
        **outputs,
        manifest=folder / "manifest.json",
        benchmark=replace(small, summary=replace(small.summary, bootstrap_samples=100, permutations=100)),
        arms=kept,
        low=low,
    )
    rows = {row["arm"]: row for row in pq.read_table(outputs["summary"]).to_pylist() if row["primary"]}
    primary = rows[str(config.benchmark.primary)]
    assert (primary["setting"], primary["headline"], primary["n_synthetic_images"]) == ("external", True, 12)
    assert primary["metric"] == ("patient_auc" if task == "classification" else "dice")
    kinds = pq.read_table(outputs["verdicts"]).column("kind").to_pylist()
    assert kinds[0] == "power"


def test_the_designs_say_what_was_annotated_and_mixed() -> None:
    knees, thyroids = (read_config(REPOSITORY / "config" / f"{name}.yaml") for name in ("mrnet-acl", "tdid"))
    assert knees.arms["low_plus_synthetic"].synthetic_share == thyroids.arms["low_plus_pairs"].synthetic_share == 0.9
    assert knees.low.fraction == thyroids.low.fraction == 0.1
    assert {arm.annotated_images for arm in thyroids.arms.values()} == {67}
    for config in (knees, thyroids):
        assert config.benchmark.sealed
        assert isinstance(config.benchmark, BenchmarkSettings)
        assert {source.setting for source in config.sources.values()} == {"external"}
        assert set(config.benchmark.rivals) <= set(Study.of(config).arms(config.benchmark.tasks[0]))
