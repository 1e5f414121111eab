"""Images per second of one core: shuffled batches of 64 images of 256 x 256 pixels from an image set on disk.

    python bench/imageset.py [--images 8192] [--repeats 3]

An image set of four shards is written to a temporary folder (64 KiB an image); its file pages are warm, because they
were just written. Timed is `ImageSet.images`, which copies each batch out of the memory map.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe

from radgen.imageset.core import ImageSet, ShardWriter, gather_index
from radgen.seeds import random_generator

SIDE, BATCH, SHARDS = 256, 64, 4


def write_set(folder: Path, images: int) -> Path:
    """Write an image set of random pictures and return its index."""
    rng = random_generator("bench", "imageset")
    pictures = rng.integers(0, 256, (64, 1, SIDE, SIDE), dtype=np.uint8)
    parts = []
    for shard in range(SHARDS):
        name = f"shard-{shard:03d}"
        with ShardWriter(folder, name, (1, SIDE, SIDE), with_masks=False) as writer:
            for number in range(images // SHARDS):
                writer.append({"image_id": f"{name}-{number:06d}", "source": "real"}, pictures[number % 64])
        parts.append(folder / f"{name}.index.parquet")
    gather_index(parts, folder / "index.parquet")
    return folder / "index.parquet"


def main() -> None:
    """Print the best of some passes as images per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8192, help="size of the image set")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many passes is printed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        images = ImageSet(write_set(Path(name), options.images))
        passes = []
        for repeat in range(options.repeats + 1):  # the first pass maps the pages
            order = random_generator("bench", "order", repeat).permutation(len(images))
            start = time.perf_counter(), time.process_time()
            for first in range(0, len(order) - BATCH + 1, BATCH):
                images.images(order[first : first + BATCH])
            passes.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, processor = (len(order) // BATCH * BATCH / min(column) for column in zip(*passes[1:], strict=True))
    print(describe())
    print(
        f"image set: {wall:.0f} images/s on one core in shuffled batches of {BATCH} at {SIDE} px "
        f"(best of {options.repeats} passes; {processor:.0f} per second of processor time)"
    )
    print(f"image set: {wall / 20000:.2f} x the goal of 20000")


if __name__ == "__main__":
    main()
