"""A small image set of every kind: synthetic pairs, real slices of a few patients, several channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, what_part, write_manifest

HEIGHT, WIDTH = 12, 17
STRUCTURES = ("liver", "odd thing")
GENERATOR = "ab" * 16
CLASSES = ('say "a", b', "plain")


def picture(number: int, channels: int = 1) -> NDArray[np.uint8]:
    """Return uint8 [C, 12, 17] that no flip or exchange of axes leaves alone."""
    random = np.random.default_rng(number)
    return random.integers(0, 256, (channels, HEIGHT, WIDTH)).astype(np.uint8)


def painted(number: int) -> NDArray[np.uint8]:
    """Return uint8 [12, 17] of labels 0, 1, 2; every fifth mask is empty."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    if number % 5 != 4:
        mask[1 : 4 + number % 3, 2:9] = 1
        mask[6:8, 1 : 5 + number % 7] = 2
        mask[10, 15] = 1  # a second part of the first structure
    return mask


def write_pairs(
    folder: Path,
    count: int = 20,
    *,
    masks: bool = True,
    channels: int = 1,
    stage: str = "pairs",
    settings: dict[str, Any] | None = None,
) -> Path:
    """Write synthetic images as the pairs stage does, or as a stage of another kind of source; return the index."""

    def rows(number: int) -> dict[str, Any]:
        place = number % 2
        return {
            "image_id": f"main_image_{number:06d}",
            "source": "main",
            "split": "synthetic",
            "class_name": CLASSES[place],
            "class_id": place,
            "seed": 2**62 + number,
            "checkpoint": GENERATOR,
            "spacing_row_mm": 1.5,
            "spacing_col_mm": 0.75,
        }

    saw = SawPatients(pixels={"train": frozenset({"p1", "p2"})}, masks={"train": frozenset({"p1"})})
    settings = settings or {"sample": {"truncation": 0.7, "seed": 1}, "structures": list(STRUCTURES)}
    return _write(folder, [rows(number) for number in range(count)], masks, channels, stage, settings, saw)


def write_slices(folder: Path, patients: int = 8, *, masks: bool = True) -> Path:
    """Write real slices, three of each patient; return the index."""
    splits = ("train", "train", "train", "generator", "annotator", "train", "val", "test")
    rows = [
        {
            "image_id": f"series{patient}-{number:04d}",
            "source": "real",
            "split": splits[patient % len(splits)],
            "patient": f"{patient:016x}",
            "series": f"series{patient}",
            "slice_index": number,
            "modality": "CT",
            "class_name": CLASSES[number % 2],
            "class_id": number % 2,
            "spacing_row_mm": 2.0,
            "spacing_col_mm": 2.0,
            "window_low": [-160.0],
            "window_high": [240.0],
        }
        for patient in range(patients)
        for number in range(3)
    ]
    return _write(folder, rows, masks, 1, "slices", {"structures": {"names": list(STRUCTURES)}}, SawPatients())


def _write(
    folder: Path,
    rows: list[dict[str, Any]],
    masks: bool,
    channels: int,
    stage: str,
    settings: dict[str, Any],
    saw: SawPatients,
) -> Path:
    parts = []
    for shard, share in enumerate((rows[::2], rows[1::2])):
        name = f"shard-{shard:03d}"
        with ShardWriter(folder, name, (channels, HEIGHT, WIDTH), with_masks=masks) as writer:
            for row in share:
                number = rows.index(row)
                writer.append(row, picture(number, channels), painted(number) if masks else None)
        parts.append(folder / f"{name}.index.parquet")
    index = folder / "index.parquet"
    gather_index(parts, index)
    what = what_part(stage=stage, version=1, settings=settings, inputs={}, seed=1)
    write_manifest(folder / "manifest.json", what=what, outputs={"index": index}, saw_patients=saw)
    return index
