"""Writing the synthetic image set of one source, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.gan.sampling import BLOCK_SIZE, Sampler, image_id
from radgen.imageset.core import ShardWriter, gather_index, images_path

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
    shape = sampler.generator.shape
    size = (shape.image_channels, shape.resolution, shape.resolution)
    samples = _samples(sampler, counts, checkpoint)
    bases = []
    for number in range(-(-sum(counts.values()) // rows_per_shard)):
        name = f"shard-{number:03d}"
        with ShardWriter(index.parent, name, size, with_masks=False) as writer:
            for row, image in _take(samples, rows_per_shard):
                writer.append(row, image)
        bases.append(index.parent / name)
    parts = [base.parent / f"{base.name}.index.parquet" for base in bases]
    gather_index(parts, index)
    return [index, *parts, *map(images_path, bases)]


def _samples(sampler: Sampler, counts: Mapping[str, int], checkpoint: str) -> Iterator[Sample]:
    for class_id, class_name in enumerate(sampler.class_names):
        count = counts.get(class_name, 0)
        for block in range(-(-count // BLOCK_SIZE)):
            made = sampler.block(class_id, block)
            for place in range(min(BLOCK_SIZE, count - block * BLOCK_SIZE)):
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
