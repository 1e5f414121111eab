"""Annotated synthetic images as an image set, whoever painted them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.pack import Pack
from radgen.imageset.core import gather_index, images_path, masks_path
from radgen.imageset.writers import ShardWriter

SHARD = "shard-000"


def write_annotation(
    index: Path, pack: Pack, masks: Mapping[str, NDArray[np.uint8]], *, source: str
) -> dict[str, Path]:
    """Write the images that have a mask, with their masks.

    Parameters
    ----------
    index
        Path of the image set's `index.parquet`; the shard goes beside it.
    pack
        Where the images come from.
    masks
        Image id to mask: uint8 [H, W] of label ids.
    source
        Name of the generator.

    Returns
    -------
    Name to path of each file written, for the manifest.
    """
    folder = index.parent
    first = pack.image(next(iter(masks)))
    with ShardWriter(folder, SHARD, (1, *first.shape), with_masks=True) as writer:
        for image_id, mask in sorted(masks.items()):
            facts = pack.rows[image_id]
            row = {
                "image_id": image_id,
                "source": source,
                "split": "synthetic",
                "class_name": facts["class_name"],
                "class_id": facts["class_id"],
                "seed": facts["seed"],
                "checkpoint": facts["generator"],
            }
            writer.append(row, pack.image(image_id)[None], mask)
    part = folder / f"{SHARD}.index.parquet"
    gather_index([part], index)
    return {
        "index": index,
        "part": part,
        "images": images_path(folder / SHARD),
        "masks": masks_path(folder / SHARD),
    }
