"""Image and mask pairs: painted by the ensemble, ranked by its disagreement, the most uncertain ones dropped."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.gan.sampling import BLOCK_SIZE, Sampler, image_id
from radgen.imageset.core import ImageSet, ShardWriter, gather_index
from radgen.labels.head import LabelHeads
from radgen.labels.train import member_probabilities
from radgen.labels.uncertainty import image_score, jensen_shannon

UNCERTAINTY_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),  # nats: mean of the most uncertain tenth of the pixels
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),  # why it was dropped; null for kept images
    ]
)
DRAFT_FOLDER = ".drafts"  # beside the index while pairs are made


@dataclass(frozen=True)
class PairsPlan:
    """What is to be made.

    Attributes
    ----------
    counts
        Pairs wanted of each class, by class name, in order of class id.
    drop_fraction
        Share of each class's images that is thrown away.
    source, checkpoint
        The generator's name and the digest of its weights.
    rows_per_shard
        Images per shard.
    """

    counts: Mapping[str, int]
    drop_fraction: float
    source: str
    checkpoint: str
    rows_per_shard: int

    def drawn(self, class_name: str) -> int:
        """Return how many images of a class are drawn so that the wanted number is left."""
        return math.ceil(self.counts[class_name] / (1 - self.drop_fraction))


def make_pairs(
    sampler: Sampler,
    heads: LabelHeads,
    plan: PairsPlan,
    index: Path,
    say: Callable[[str], None],
) -> tuple[pa.Table, list[Path]]:
    """Write the image set of pairs; memory holds one block and one record batch, whatever the counts.

    Every drawn pair goes into a draft on disk first, because which ones are dropped is known only at a class's end.

    Parameters
    ----------
    sampler
        The generator's samples with features.
    heads
        The ensemble, on the sampler's device.
    plan
        What is to be made.
    index
        Path of the image set's `index.parquet`; shards go beside it.
    say
        Where progress lines go.

    Returns
    -------
    table, files
        One row per drawn image (UNCERTAINTY_SCHEMA), sorted by image id; the shard files written.
    """
    drafts = index.parent / DRAFT_FOLDER
    shutil.rmtree(drafts, ignore_errors=True)
    for old in index.parent.glob("shard-*"):
        old.unlink()
    try:
        rows: list[dict[str, object]] = []
        kept: list[tuple[Path, NDArray[np.int64]]] = []
        for class_id, class_name in enumerate(plan.counts):
            draft = drafts / f"class-{class_id:03d}"
            scores = _draft_class(sampler, heads, plan, class_id, draft)
            keep = keep_certain(scores, plan.counts[class_name])
            rows += _table_rows(plan, class_name, scores, keep)
            if len(scores):
                kept.append((draft / "index.parquet", np.flatnonzero(keep)))
            say(f"pairs: {class_name}: {len(scores)} drawn, {int(keep.sum())} kept")
        files = _write_kept(kept, index, plan.rows_per_shard)
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
    rows.sort(key=lambda row: str(row["image_id"]))
    return pa.Table.from_pylist(rows, schema=UNCERTAINTY_SCHEMA), files


def keep_certain(scores: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Keep the `count` lowest scores, bool [n]; of equal scores the earlier image stays.

    >>> keep_certain(np.array([0.3, 0.1, 0.2]), 2).tolist()
    [False, True, True]
    """
    keep = np.zeros(len(scores), dtype=bool)
    keep[np.argsort(scores, kind="stable")[:count]] = True
    return keep


def _table_rows(
    plan: PairsPlan,
    class_name: str,
    scores: NDArray[np.float64],
    keep: NDArray[np.bool_],
) -> Iterator[dict[str, object]]:
    reason = f"among the {int((~keep).sum())} most uncertain of {len(scores)} images of class {class_name}"
    for number, (score, stays) in enumerate(zip(scores.tolist(), keep.tolist(), strict=True)):
        yield {
            "image_id": image_id(plan.source, class_name, number),
            "class_name": class_name,
            "score": score,
            "kept": stays,
            "reason": None if stays else reason,
        }


def _draft_class(
    sampler: Sampler,
    heads: LabelHeads,
    plan: PairsPlan,
    class_id: int,
    draft: Path,
) -> NDArray[np.float64]:
    """Draw and paint one class into a draft image set; return its scores [n]."""
    class_name = list(plan.counts)[class_id]
    wanted = plan.drawn(class_name)
    scores = np.zeros(wanted, dtype=np.float64)
    if wanted == 0:
        return scores
    side = sampler.block(class_id, 0).images.shape[1:]
    with ShardWriter(draft, "shard-000", side, with_masks=True) as writer:
        for start in range(0, wanted, BLOCK_SIZE):
            block = sampler.block(class_id, start // BLOCK_SIZE, with_features=True)
            masks, part = paint(heads, block.features, class_id)
            count = min(BLOCK_SIZE, wanted - start)
            scores[start : start + count] = part[:count]
            for place in range(count):
                row = {
                    "image_id": image_id(plan.source, class_name, start + place),
                    "source": plan.source,
                    "split": "synthetic",
                    "class_name": class_name,
                    "class_id": class_id,
                    "seed": int(block.seeds[place]),
                    "checkpoint": plan.checkpoint,
                }
                writer.append(row, block.images[place], masks[place])
    gather_index([draft / "shard-000.index.parquet"], draft / "index.parquet")
    return scores


def paint(
    heads: LabelHeads, features: dict[str, torch.Tensor], class_id: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Paint one block: masks uint8 [n, H, W] by the members' mean probability, and scores float64 [n]."""
    count = len(next(iter(features.values())))
    class_ids = torch.full((count,), class_id, dtype=torch.int64, device=next(iter(features.values())).device)
    probabilities = member_probabilities(heads, features, class_ids)
    masks = probabilities.mean(dim=0).argmax(dim=1).to(torch.uint8).cpu().numpy()
    return masks, image_score(jensen_shannon(probabilities)).double().cpu().numpy()


def _write_kept(kept: Sequence[tuple[Path, NDArray[np.int64]]], index: Path, rows_per_shard: int) -> list[Path]:
    """Copy the kept rows of all drafts into shards of the final image set, a few at a time."""
    places = [(number, int(row)) for number, (_, rows) in enumerate(kept) for row in rows]
    sets = [ImageSet(path) for path, _ in kept]
    parts: list[Path] = []
    for shard, start in enumerate(range(0, len(places), rows_per_shard)):
        name = f"shard-{shard:03d}"
        with ShardWriter(index.parent, name, sets[0].image_shape, with_masks=True) as writer:
            for number, row in places[start : start + rows_per_shard]:
                drafts = sets[number]
                facts = drafts.table.slice(row, 1).to_pylist()[0]
                writer.append(facts, drafts.images([row])[0], drafts.masks([row])[0])
        parts.append(index.parent / f"{name}.index.parquet")
    gather_index(parts, index)
    stems = [path.name.removesuffix(".index.parquet") for path in parts]
    kinds = ("images.arrow", "masks.arrow", "index.parquet")
    return [index.parent / f"{stem}.{kind}" for stem in stems for kind in kinds]
