"""Toy image sets: a grey disc in noise, with a bright spot in half of the images; classes, masks and source volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.imageset.core import gather_index, write_table
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, by_split, what_part, write_manifest

SPLITS = {"train": 8, "val": 4, "test": 4, "annotator": 2, "generator": 3}
CLASSES = ("normal", "spot")
STRUCTURES = ("disc", "lesion")
SIZE_PX = 32
SOURCE_PX = 48
SLICES = 4
SPACING_MM = (3.0, 1.0, 1.0)


def toy_slice(generator: np.random.Generator, size: int, *, spot: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One picture [1, size, size] and its labels [size, size]."""
    rows, cols = np.mgrid[:size, :size] / size
    centre = generator.uniform(0.42, 0.58, 2)
    labels = ((rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 < 0.09).astype(np.uint8)
    if spot:
        place = centre + generator.uniform(-0.1, 0.1, 2)
        labels[(rows - place[0]) ** 2 + (cols - place[1]) ** 2 < 0.007] = 2
    grey = np.array([20.0, 110.0, 170.0])[labels] + generator.normal(0, 12, labels.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)[None], labels


def write_real(folder: Path, *, seed: int = 0, splits: dict[str, int] | None = None) -> tuple[Path, Path, Path]:
    """Write a real set with masks and volumes; return index, manifest and volumes table."""
    generator = np.random.default_rng(seed)
    step = SOURCE_PX / SIZE_PX
    volumes: list[dict[str, Any]] = []
    seen: list[tuple[str, str]] = []
    with ShardWriter(folder, "shard-000", (1, SIZE_PX, SIZE_PX), with_masks=True) as writer:
        for split, count in (splits or SPLITS).items():
            for number in range(count):
                patient = f"{split}-{number}"
                seen.append((split, patient))
                volume = np.zeros((SLICES, SOURCE_PX, SOURCE_PX), dtype=np.uint8)
                for place in range(SLICES):
                    spot = place % 2 == 1
                    state = generator.bit_generator.state
                    image, mask = toy_slice(generator, SIZE_PX, spot=spot)
                    generator.bit_generator.state = state
                    _, volume[place] = toy_slice(generator, SOURCE_PX, spot=spot)
                    writer.append(_row(split, patient, place, int(spot), step), image, mask)
                if split in {"val", "test"}:
                    volumes.append(_volume_row(split, patient, volume))
    index, path = folder / "index.parquet", folder / "shard-000.volumes.parquet"
    gather_index([folder / "shard-000.index.parquet"], index)
    write_table(path, pa.Table.from_pylist(volumes))
    saw = by_split(seen)
    return index, manifest_of(folder, index, SawPatients(pixels=saw, labels=saw, masks=saw)), path


def write_synthetic(folder: Path, saw: SawPatients, *, count: int = 24, seed: int = 1) -> tuple[Path, Path]:
    """Write a synthetic set with masks; return index and manifest."""
    generator = np.random.default_rng(seed)
    with ShardWriter(folder, "shard-000", (1, SIZE_PX, SIZE_PX), with_masks=True) as writer:
        for number in range(count):
            spot = number % 2
            row = {
                "image_id": f"toy_{CLASSES[spot]}_{number:06d}",
                "source": "toy",
                "split": "synthetic",
                "class_name": CLASSES[spot],
                "class_id": spot,
            }
            writer.append(row, *toy_slice(generator, SIZE_PX, spot=bool(spot)))
    index = folder / "index.parquet"
    gather_index([folder / "shard-000.index.parquet"], index)
    return index, manifest_of(folder, index, saw)


def manifest_of(folder: Path, index: Path, saw: SawPatients) -> Path:
    """Write a manifest beside an index."""
    what = what_part(stage="benchmark", version=1, settings={}, inputs={})
    write_manifest(folder / "manifest.json", what=what, outputs={"index": index}, saw_patients=saw)
    return folder / "manifest.json"


def _row(split: str, patient: str, place: int, class_id: int, step: float) -> dict[str, Any]:
    return {
        "image_id": f"{patient}-{place}",
        "source": "real",
        "split": split,
        "patient": patient,
        "series": f"series-{patient}",
        "slice_index": place,
        "class_name": CLASSES[class_id],
        "class_id": class_id,
        "source_rows": SOURCE_PX,
        "source_cols": SOURCE_PX,
        "offset_row": (step - 1) / 2,
        "step_row": step,
        "offset_col": (step - 1) / 2,
        "step_col": step,
    }


def _volume_row(split: str, patient: str, volume: NDArray[np.uint8]) -> dict[str, Any]:
    return {
        "series": f"series-{patient}",
        "split": split,
        "patient": patient,
        "shape": list(volume.shape),
        "spacing_mm": list(SPACING_MM),
        "mask": pa.compress(volume.tobytes(), codec="zstd", asbytes=True),
    }
