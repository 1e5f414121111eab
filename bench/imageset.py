"""Images per second of one core: shuffled batches of 64 images of 256 x 256 pixels from an image set on disk.

    python bench/imageset.py [--images 8192] [--repeats 3] [--folder DIR]

An image set of four shards is written to a temporary folder (64 KiB an image). Timed is `ImageSet.images`, which copies
each batch out of the memory map: warm, when the files' pages are in memory, and cold, after the files were synced and
their pages given up (posix_fadvise DONTNEED), in a fresh process that maps them anew. How much of the files was in
memory before the cold pass is asked of the system and printed, so that a pass that was not cold cannot pass for one. A
virtual disk may still answer from its host's memory.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import os
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe

from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.seeds import random_generator

SIDE, BATCH, SHARDS = 256, 64, 4
GOAL = 20_000  # images per second of a core


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


def passes(index: Path, repeats: int) -> list[tuple[float, float]]:
    """Return wall and processor seconds of so many shuffled passes."""
    images = ImageSet(index)
    seconds = []
    for repeat in range(repeats):
        order = random_generator("bench", "order", repeat).permutation(len(images))
        start = time.perf_counter(), time.process_time()
        for first in range(0, len(order) - BATCH + 1, BATCH):
            images.images(order[first : first + BATCH])
        seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return seconds


def give_up_pages(folder: Path) -> None:
    """Write files out and ask the system to forget their pages."""
    for path in sorted(folder.glob("*")):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def share_in_memory(folder: Path) -> float:
    """Return the share of the image files' pages that the system holds in memory, by mincore."""
    library = ctypes.CDLL(None, use_errno=True)
    held = pages = 0
    for path in sorted(folder.glob("*.images.arrow")):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
            count = -(-len(mapped) // mmap.PAGESIZE)
            vector = (ctypes.c_ubyte * count)()
            start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
            if library.mincore(ctypes.c_void_p(start), ctypes.c_size_t(len(mapped)), vector):
                raise OSError(ctypes.get_errno(), "mincore")
            held += sum(byte & 1 for byte in vector)
            pages += count
    return held / pages


def cold_pass(index: Path) -> tuple[float, float, float]:
    """Return wall and processor seconds of one pass in a fresh process, and the share in memory before it."""
    give_up_pages(index.parent)
    share = share_in_memory(index.parent)
    done = subprocess.run([sys.executable, __file__, "--index", str(index)], capture_output=True, text=True, check=True)
    wall, processor = (float(word) for word in done.stdout.split())
    return wall, processor, share


def main() -> None:
    """Print the best of some passes as images per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8192, help="size of the image set")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many passes is printed")
    parser.add_argument("--folder", type=Path, help="where to write it; a temporary folder elsewise")
    parser.add_argument("--index", type=Path, help="time one pass over this image set and print its two seconds")
    options = parser.parse_args()
    if options.index:
        print(*passes(options.index, 1)[0])
        return
    print(describe())
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        index = write_set(Path(name), options.images)
        count = options.images // BATCH * BATCH
        cold = [cold_pass(index) for _ in range(options.repeats)]
        warm = passes(index, options.repeats + 1)[1:]  # the first pass maps the pages
    for kind, seconds in (("warm", warm), ("cold", [row[:2] for row in cold])):
        wall, processor = (count / min(column) for column in zip(*seconds, strict=True))
        print(
            f"image set, {kind}: {wall:.0f} images/s on one core in shuffled batches of {BATCH} at {SIDE} px (best of "
            f"{options.repeats} passes; {processor:.0f} per second of processor time); {wall / GOAL:.2f} x the goal"
        )
    print(f"cold: {max(row[2] for row in cold):.1%} of the files' pages were in memory before a pass")


if __name__ == "__main__":
    main()
