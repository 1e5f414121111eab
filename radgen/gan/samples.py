"""Writing the synthetic image set of one source, shard by shard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.gan.sampling import BLOCK_SIZE, Sampler, image_id
from radgen.imageset.core import gather_index, images_path
from radgen.imageset.writers import ShardWriter
from radgen.provenance import atomic_path

Sample = tuple[dict[str, Any], NDArray[np.uint8]]


def write_samples(
    index: Path, sampler: Sampler, counts: Mapping[str, int], *, checkpoint: str, rows_per_shard: int
) -> list[Path]:
    """Write an image set and its index; memory holds one record batch, whatever the counts.

    Parameters
    ----------
    index
        Where the index goes; shards lie beside it, those of an earlier run are removed.
    sampler
        Makes the images.
    counts
        Images per class name.
    checkpoint
        Digest of the weights, for the index.
    rows_per_shard
        Images per shard; no image depends on it.

    Returns
    -------
    list of Path
        All files written.
    """
    for old in index.parent.glob("shard-*"):
        old.unlink()
    write_shards(index.parent, sampler, counts, checkpoint=checkpoint, rows_per_shard=rows_per_shard)
    return _finish(index)


def write_shards(
    folder: Path,
    sampler: Sampler,
    counts: Mapping[str, int],
    *,
    checkpoint: str,
    rows_per_shard: int,
    share: tuple[int, int] = (0, 1),
) -> list[Path]:
    """Write the shards of one of several jobs, the k-th of n stretches of all, under their names in the whole set.

    Parameters
    ----------
    folder
        Where shards go.
    sampler, counts, checkpoint, rows_per_shard
        As for `write_samples`.
    share
        k and n.

    Returns
    -------
    list of Path
        The files written.
    """
    (job, jobs), total = share, -(-sum(counts.values()) // rows_per_shard)
    numbers = range(total * job // jobs, total * (job + 1) // jobs)
    shape = sampler.generator.shape
    size = (shape.image_channels, shape.resolution, shape.resolution)
    samples = _samples(sampler, counts, checkpoint, numbers.start * rows_per_shard)
    files = []
    for number in numbers:
        name = f"shard-{number:03d}"
        with ShardWriter(folder, name, size, with_masks=False) as writer:
            for row, image in _take(samples, rows_per_shard):
                writer.append(row, image)
        files += [folder / f"{name}.index.parquet", images_path(folder / name)]
    return files


def join_shards(drafts: Sequence[Path], index: Path) -> list[Path]:
    """Lay the shards of all jobs side by side under one index; no pixel is read.

    Parameters
    ----------
    drafts
        Folders of `write_shards`, in the order of their jobs.
    index
        Where the index goes; shards lie beside it, those of an earlier run are removed.

    Returns
    -------
    list of Path
        All files of the set.
    """
    for old in index.parent.glob("shard-*"):
        old.unlink()
    for file in (file for folder in drafts for file in folder.glob("shard-*")):
        with atomic_path(index.parent / file.name) as temporary:
            shutil.copyfile(file, temporary)
    return _finish(index)


def _finish(index: Path) -> list[Path]:
    # The thousandth shard has a longer name than the others, and comes after them.
    parts = sorted(index.parent.glob("shard-*.index.parquet"), key=lambda path: (len(path.name), path.name))
    gather_index(parts, index)
    return [index, *parts, *sorted(index.parent.glob("shard-*.images.arrow"))]


def _samples(sampler: Sampler, counts: Mapping[str, int], checkpoint: str, skipped: int) -> Iterator[Sample]:
    """Yield index row and image of all samples but the first few, of which no block is made in vain."""
    for class_id, class_name in enumerate(sampler.class_names):
        count = counts.get(class_name, 0)
        first, skipped = min(skipped, count), max(0, skipped - count)
        for block in range(first // BLOCK_SIZE, -(-count // BLOCK_SIZE) if first < count else 0):
            made = sampler.block(class_id, block)
            for place in range(max(0, first - block * BLOCK_SIZE), min(BLOCK_SIZE, count - block * BLOCK_SIZE)):
                row = {
                    "image_id": image_id(sampler.source, class_name, block * BLOCK_SIZE + place),
                    "source": sampler.source,
                    "split": "synthetic",
                    "class_name": class_name,
                    "class_id": class_id,
                    "seed": int(made.seeds[place]),
                    "checkpoint": checkpoint,
                }
                yield row, made.images[place]


def _take(samples: Iterator[Sample], count: int) -> Iterator[Sample]:
    for _, sample in zip(range(count), samples, strict=False):
        yield sample
