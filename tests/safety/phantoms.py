"""A real set of phantom people, and a synthetic set of strangers among whom copies of training images are planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.phantom.anatomy import draw_patient
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, by_split, what_part, write_manifest
from radgen.safety.planted import KINDS, OTHER_SLICE

SIDE = 64
TRAIN, HELD_OUT, STRANGERS = 40, 30, 20
SLICES = 24  # 4 mm apart; every second one is in the real set, those between are "other slices of the volume"
PER_KIND = 16
PHANTOM = PhantomSettings(size_px=SIDE, slices_per_patient=SLICES, slice_mm=4.0, arms_fraction=0.0)


def volume(number: int) -> NDArray[np.uint8]:
    """Draw a phantom person's slices as uint8 [24, 1, 64, 64], windowed and with noise."""
    hu = draw_patient(PHANTOM, number).hu
    noise = np.random.default_rng([7, number]).normal(0, 6, hu.shape)
    return ((hu + noise + 160) / 400 * 255).clip(0, 255).astype(np.uint8)[:, None]


def write_real(folder: Path) -> Path:
    """Write 40 training and 30 held-out people with 12 slices each; return the index."""
    rows, images = [], []
    for number in range(TRAIN + HELD_OUT):
        split = "train" if number < TRAIN else ("val", "test")[number % 2]
        for place, image in enumerate(volume(number)[::2]):
            rows.append(
                _row(f"real_{number:03d}_{place:02d}", "real", split)
                | {"patient": f"{number:016x}", "series": f"series{number:03d}", "slice_index": 2 * place}
            )
            images.append(image)
    return _write(folder, rows, images, "slices", SawPatients())


def write_synthetic(folder: Path, *, planted: bool, saw: SawPatients | None = None, stage: str = "sample") -> Path:
    """Write slices of 20 strangers as if they were synthetic, with 16 planted copies of each kind or without."""
    strangers = [
        (f"main_honest_{number:02d}{place:02d}", image)
        for number in range(STRANGERS)
        for place, image in enumerate(volume(TRAIN + HELD_OUT + number)[::2])
    ]
    named = strangers + (planted_copies() if planted else [])
    rows = [_row(name, "main", "synthetic") for name, _ in named]
    train = by_split(("train", f"{number:016x}") for number in range(TRAIN))
    return _write(folder, rows, [image for _, image in named], stage, saw or SawPatients(pixels=train))


def planted_copies() -> list[tuple[str, NDArray[np.uint8]]]:
    """Draw copies of training people, 16 of each kind; held-out ones give patches and the other half of blends."""
    rng = np.random.default_rng(3)
    originals = np.stack([volume(number)[2 * (number % 12)] for number in range(PER_KIND)])
    donors = np.stack([volume(TRAIN + number)[2 * (number % 12)] for number in range(PER_KIND)])
    copies = {kind: make(originals, donors, rng) for kind, make in KINDS.items()}
    copies[OTHER_SLICE] = np.stack([volume(number)[2 * (number % 10) + 1] for number in range(PER_KIND)])
    return [(f"main_{kind}_{n:02d}", image) for kind, images in copies.items() for n, image in enumerate(images)]


def _row(image_id: str, source: str, split: str) -> dict[str, Any]:
    return {"image_id": image_id, "source": source, "split": split, "class_name": "abdomen", "class_id": 0}


def _write(
    folder: Path, rows: list[dict[str, Any]], images: list[NDArray[np.uint8]], stage: str, saw: SawPatients
) -> Path:
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=False) as writer:
        for row, image in zip(rows, images, strict=True):
            writer.append(row, image)
    index = folder / "index.parquet"
    gather_index([folder / "shard-000.index.parquet"], index)
    what = what_part(stage=stage, version=1, settings={}, inputs={})
    write_manifest(folder / "manifest.json", what=what, outputs={"index": index}, saw_patients=saw)
    return index


def pixel_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stand in for a network: a coarse picture, float32 [n, 64]."""
    return images.reshape(len(images), 8, 8, 8, 8).mean(axis=(2, 4)).reshape(len(images), 64).astype(np.float32)
