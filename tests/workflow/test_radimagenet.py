"""RadImageNet in miniature: 165 classes in its layout, from the archive to samples of a generator that grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from radgen.commands import init
from radgen.config import load_config
from radgen.gan.sampling import parse_image_id
from radgen.study import Study
from tests.cohort.toys import write_picture
from tests.conftest import REPOSITORY
from tests.workflow.runs import Folder

CONFIG = REPOSITORY / "config" / "radimagenet.yaml"
# Ultrasound has no third folder; 165 classes in all.
CLASSES = (
    *(f"US/{part}" for part in ("aorta", "gb", "liver", "thyroid_nod", "uterus")),
    *(f"CT/{part}/finding_{n}" for part in ("abd", "lung") for n in range(20)),
    *(f"MR/{part}/finding_{n}" for part in ("af", "brain", "hip", "knee", "shoulder", "spine") for n in range(20)),
)
SPLITS = ("train", "train", "val", "test")
OFTEN = 24  # training images of an ultrasound class; the other 160 have two, and no share in scores at ticks
TINY: dict[str, Any] = {
    "inventory": {"shards": 1},
    "cohort": {"min_patients": 1, "min_images": 2},
    "slices": {"size_px": 32, "quality": {"min_contrast": 0.0}},
    "encoder": {"images": 256, "width": 4, "dimension": 16, "report_every_images": 256},
    "gan": {
        "alias_free": {"preset": "tiny"},
        "projected": {"channels": 4, "head_width": 4, "scales": 2},
        "w_dim": 16,
        "images": 32,
        "batch_size": 16,
        "part_size": 8,
        "stages": {16: {"images": 64, "batch_size": 32, "part_size": 16}},
        "tick_images": 64,
        "evaluate_images": 100,
        "save_every_images": 64,
    },
    "sample": {"match": None, "counts": dict.fromkeys(CLASSES[::20], 2)},
}


def merged(data: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Lay changes over a configuration, section by section; lists and stages are replaced."""
    both = {name: merged(data[name], value) for name, value in changes.items() if isinstance(data.get(name), dict)}
    return data | changes | {name: value for name, value in both.items() if name != "stages"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write four pictures of each class and more of ultrasound, dealt to the three published tables."""
    root = tmp_path_factory.mktemp("radimagenet") / "archive"
    random = np.random.default_rng(0)
    tables: dict[str, list[str]] = {split: ["filename,label"] for split in SPLITS}
    for number, name in enumerate(CLASSES):
        more = ("train",) * (OFTEN - 2) if name.startswith("US/") else ()
        for n, split in enumerate((*SPLITS, *more)):
            path = f"radiology_ai/{name}/{name.split('/')[-1]}{number:03d}{n:02d}.png"
            write_picture(root / path, random.integers(0, 256, (32, 32)).astype(np.uint8))
            tables[split].append(f"{path},{name.split('/')[-1]}")
    for split, lines in tables.items():
        (root / f"RadiologyAI_{split}.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def class_names(archive: Path) -> list[str]:
    """What `radgen init` finds."""
    out = archive.parent / "init" / "study.yaml"
    out.parent.mkdir()
    assert init.main([str(archive), "--layout", "radimagenet", "--out", str(out), "--workers", "1"]) == 0
    return list(yaml.safe_load(out.read_text())["classes"]["names"])


def test_the_study_names_six_stages_with_their_batches(class_names: list[str]) -> None:
    assert class_names == sorted(CLASSES)
    assert len(class_names) == 165
    assert len([name for name in class_names if not name.startswith("US/")]) == 160
    data = yaml.safe_load(CONFIG.read_text())
    for preset in ("7/4", "10/7"):
        data["gan"]["alias_free"]["preset"] = preset
        study = Study.of(load_config(data | {"classes": {"by": "layout", "names": class_names}}))
        assert study.growth_px == ["16", "32", "64", "128", "256"]
        stages = [study.settings("gan", source="main", px=px)["gan"] for px in (*study.growth_px, "512")]
        assert [stage["images"] for stage in stages] == [5_000_000] * 6
        assert [stage["batch_size"] for stage in stages] == [2048, 2048, 2048, 256, 256, 256]


@pytest.mark.slow
def test_165_classes_go_from_folders_to_samples_of_a_grown_generator(
    archive: Path, class_names: list[str], tmp_path: Path
) -> None:
    data = merged(yaml.safe_load(CONFIG.read_text()), TINY)
    data["archives"][0]["path"] = str(archive)
    data["classes"] = {"by": "layout", "names": class_names}
    configuration = tmp_path / "study.yaml"
    configuration.write_text(yaml.safe_dump(data))
    done = Folder(tmp_path, configuration).snakemake("sample")
    results = tmp_path / "results" / "radimagenet"
    logs = "".join(log.read_text() for log in sorted(results.rglob("*.log")))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    assert "grown on 16 pixels of 64 images" in logs
    assert pq.read_table(results / "cohort" / "series.parquet").num_rows == 4 * 165 + 5 * (OFTEN - 2)
    rows = pq.read_table(results / "samples" / "index.parquet").to_pylist()
    assert [row["class_name"] for row in rows] == [name for name in class_names if name in CLASSES[::20] for _ in "12"]
    for row in rows:
        assert "/" not in row["image_id"]
        assert parse_image_id(row["image_id"], ["main"], class_names)[:2] == ("main", row["class_name"])
    # Two rows of eight samples of each of 32 classes.
    grid = (results / "gan" / "main" / "samples.png").read_bytes()
    assert (int.from_bytes(grid[16:20]), int.from_bytes(grid[20:24])) == (8 * 32, 32 * 2 * 32)
