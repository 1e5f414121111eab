"""A toy study: bodies with an organ, some with a bright spot in it, 32 px, grouped by patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radgen.cohort.settings import ClassSettings
from radgen.features.settings import EncoderSettings, JudgeSettings
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, by_split, what_part, write_manifest
from radgen.stages import judge as judge_stage

SIDE = 32
CLASSES = ClassSettings(by="folder", names=("plain", "spot"))
ENCODER = EncoderSettings(images=2_400, batch_size=32, report_every_images=1_200, width=12, dimension=24)
JUDGE = JudgeSettings(
    images=3_200,
    batch_size=64,
    report_every_images=1_600,
    width=12,
    dimension=12,
    blur_sigmas_px=(0.5, 1.0, 2.0),
    shifts_px=(1, 2, 4),
    check_images=400,
)
PATIENTS = {"train": 24, "val": 8, "test": 8, "generator": 4}
SLICES = 12


def toy_image(rng: np.random.Generator, size: float, *, spot: bool) -> np.ndarray:
    """Draw uint8 [1, 32, 32]: an ellipse, a brighter organ on its left, and maybe a spot in the organ."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    image = 90.0 * ((rows / (9 * size)) ** 2 + (columns / (13 * size)) ** 2 < 1)
    image += 60.0 * ((rows / 5) ** 2 + ((columns + 5) / 5) ** 2 < 1)
    if spot:
        down, right = rng.uniform(-2, 2, 2)
        image += 70.0 * ((rows - down) ** 2 + (columns + 5 - right) ** 2 < 4)
    return (image + rng.normal(0, 6, image.shape)).clip(0, 255).astype(np.uint8)[None]


def write_toy(folder: Path, *, source: str = "real", seed: int = 0, count: int = 60, blank: bool = False) -> Path:
    """Write the real toy set, or `count` synthetic images per class of another source; return its index."""
    folder.mkdir(parents=True, exist_ok=True)
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=False) as writer:
        for row in _real_rows() if source == "real" else _synthetic_rows(source, count):
            rng = np.random.default_rng([seed, len(row["image_id"]), abs(hash_of(row["image_id"]))])
            size = 1 + 0.15 * np.sin(hash_of(str(row["patient"] or row["image_id"])))
            image = toy_image(rng, size, spot=row["class_name"] == "spot")
            writer.append(row, np.zeros_like(image) if blank else image)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    _write_manifest(folder, source)
    return folder / "index.parquet"


def hash_of(text: str) -> int:
    """Return a number that depends on the text alone."""
    return int.from_bytes(text.encode()[-6:])


def _real_rows() -> list[dict[str, object]]:
    return [
        {
            "image_id": f"real_{split}{patient:02d}_{number:02d}",
            "source": "real",
            "split": split,
            "patient": f"{split}{patient:02d}",
            "class_name": CLASSES.names[number % 2],
            "class_id": number % 2,
        }
        for split, patients in PATIENTS.items()
        for patient in range(patients)
        for number in range(SLICES)
    ]


def _synthetic_rows(source: str, count: int) -> list[dict[str, object]]:
    return [
        {
            "image_id": f"{source}_{name}_{number:06d}",
            "source": source,
            "split": "synthetic",
            "patient": None,
            "class_name": name,
            "class_id": class_id,
        }
        for class_id, name in enumerate(CLASSES.names)
        for number in range(count)
    ]


def _write_manifest(folder: Path, source: str) -> None:
    patients = by_split((str(row["split"]), str(row["patient"])) for row in _real_rows())
    saw = SawPatients(pixels=patients, labels=patients) if source == "real" else SawPatients()
    what = what_part(stage="slices", version=1, settings={}, inputs={})
    write_manifest(folder / "manifest.json", what=what, outputs={"index": folder / "index.parquet"}, saw_patients=saw)


@dataclass(frozen=True)
class JudgedStudy:
    """Paths of a toy study whose judge is trained."""

    root: Path
    slices: Path
    weights: Path
    history: Path
    checks: Path
    manifest: Path


def run_judge(root: Path, slices: Path, device: str = "cpu") -> JudgedStudy:
    """Run the judge stage below a folder."""
    folder = root / "judge"
    study = JudgedStudy(
        root,
        slices,
        folder / "judge.safetensors",
        folder / "history.parquet",
        folder / "checks.parquet",
        folder / "manifest.json",
    )
    judge_stage.run(
        slices=slices,
        slices_manifest=slices.parent / "manifest.json",
        weights=study.weights,
        history=study.history,
        checks=study.checks,
        manifest=study.manifest,
        judge=JUDGE,
        classes=CLASSES,
        work=root / "work",
        device=device,
    )
    return study
