"""Small packs for the tests of annotation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.annotation.pack import PackImage, write_pack
from radgen.annotation.schema import label_schema, palette

LABELS = label_schema(("liver", "lesion"))
SHAPE = (12, 10)  # rows, columns: unequal, so that a swap of axes is seen


def pack_images(count: int = 3) -> list[PackImage]:
    random = np.random.default_rng(5)
    return [
        PackImage(
            image_id=f"main_normal_{index:06d}",
            class_name="normal",
            class_id=0,
            index=index,
            seed=100 + index,
            w=random.standard_normal(4).astype(np.float32),
            image=random.integers(0, 256, SHAPE, dtype=np.uint8),
        )
        for index in range(count)
    ]


def make_pack(folder: Path, generator: str = "f" * 32, count: int = 3) -> Path:
    path = folder / "pack.parquet"
    write_pack(path, pack_images(count), LABELS, generator=generator, truncation=0.7, sampler_seed=1)
    return path


def toy_mask(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 3, SHAPE, dtype=np.uint8)


def save_indexed(path: Path, mask: NDArray[np.uint8], colours: list[int] | None = None) -> None:
    picture = Image.frombytes("P", (mask.shape[1], mask.shape[0]), mask.tobytes())
    picture.putpalette(palette(LABELS) if colours is None else colours)
    picture.save(path)
