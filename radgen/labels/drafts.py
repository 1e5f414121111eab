"""Drafts of pairs: what one of several jobs draws, before it is known which pairs are dropped.

The blocks of all classes form one line; job k of n draws the k-th of n stretches of it. Whatever n is, the drafts laid
end to end are the same pairs in the same order.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.gan.sampling import BLOCK_SIZE, image_id
from radgen.imageset.core import ImageSet, write_table
from radgen.imageset.writers import ShardWriter
from radgen.labels.painting import PaintedBlock, Painter
from radgen.labels.plan import PairsPlan

DRAFT_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("expected_error", pa.float64(), nullable=False),
        pa.field("class_probability", pa.float64()),  # null where no classifier was asked
    ]
)
SCORES = "scores.parquet"
CHUNK = 64  # pairs in memory at a time
Pair = tuple[dict[str, Any], NDArray[np.uint8], NDArray[np.uint8]]  # index row, image, mask


def write_draft(painter: Painter, plan: PairsPlan, folder: Path, job: int, jobs: int) -> list[Path]:
    """Draw and paint one job's stretch; memory holds one block and one record batch, whatever the counts.

    Parameters
    ----------
    painter
        Draws and paints.
    plan
        What is to be made.
    folder
        Of this draft alone; what an earlier run left there is removed.
    job, jobs
        Which stretch of how many.

    Returns
    -------
    list of Path
        The files written: the table of scores (DRAFT_SCHEMA) first, then the shards.
    """
    shutil.rmtree(folder, ignore_errors=True)
    scores: list[pa.RecordBatch] = []
    blocks = _blocks(painter, plan, job, jobs)
    shape = painter.sampler.generator.shape
    size = (shape.image_channels, shape.resolution, shape.resolution)
    bases: list[Path] = []
    per_shard = max(1, plan.rows_per_shard // BLOCK_SIZE)
    while part := list(itertools.islice(blocks, 1)):
        name = f"shard-{len(bases):03d}"
        with ShardWriter(folder, name, size, with_masks=True) as writer:
            for class_id, start, count, painted in itertools.chain(part, itertools.islice(blocks, per_shard - 1)):
                rows = _rows(plan, class_id, start, count, painted)
                for place, row in enumerate(rows):
                    writer.append(row, painted.images[place], painted.masks[place])
                scores.append(_scores(rows, painted, count))
        bases.append(folder / name)
    write_table(folder / SCORES, pa.Table.from_batches(scores, schema=DRAFT_SCHEMA))
    kinds = ("images.arrow", "masks.arrow", "index.parquet")
    return [folder / SCORES, *(base.parent / f"{base.name}.{kind}" for base in bases for kind in kinds)]


def _blocks(painter: Painter, plan: PairsPlan, job: int, jobs: int) -> Iterator[tuple[int, int, int, PaintedBlock]]:
    """Yield class id, first index, number of wanted pairs and pairs of each block of a stretch."""
    for class_id, number in plan.stretch(job, jobs):
        start = number * BLOCK_SIZE
        count = min(BLOCK_SIZE, plan.drawn(class_id) - start)
        yield class_id, start, count, painter.block(class_id, number)


def _rows(plan: PairsPlan, class_id: int, start: int, count: int, painted: PaintedBlock) -> list[dict[str, Any]]:
    class_name = plan.class_names[class_id]
    return [
        {
            "image_id": image_id(plan.source, class_name, start + place),
            "source": plan.source,
            "split": "synthetic",
            "class_name": class_name,
            "class_id": class_id,
            "seed": int(painted.seeds[place]),
            "checkpoint": plan.checkpoint,
        }
        for place in range(count)
    ]


def _scores(rows: list[dict[str, Any]], painted: PaintedBlock, count: int) -> pa.RecordBatch:
    columns = [
        pa.array([row["image_id"] for row in rows]),
        pa.array([row["class_id"] for row in rows], pa.int32()),
        pa.array(painted.expected_errors[:count]),
        pa.array(painted.class_probabilities[:count], from_pandas=True),  # NaN becomes null
    ]
    return pa.record_batch(columns, schema=DRAFT_SCHEMA)


def read_scores(drafts: Sequence[Path], plan: PairsPlan) -> pa.Table:
    """Read the scores of all drafts, in the order of their jobs, and check that they are whole.

    Raises
    ------
    InputError
        A draft is missing or damaged, or together they are not what the plan draws.
    """
    tables = []
    for folder in drafts:
        try:
            tables.append(pq.read_table(folder / SCORES, schema=DRAFT_SCHEMA))
        except (OSError, pa.ArrowInvalid) as error:
            msg = f"{folder}: not a whole draft of pairs ({error}); run pairs-draft of this job again"
            raise InputError(msg) from error
    scores = pa.concat_tables(tables)
    wanted = np.repeat(
        np.arange(len(plan.class_names)), [plan.drawn(number) for number in range(len(plan.class_names))]
    )
    if not np.array_equal(scores.column("class_id").to_numpy(), wanted):
        msg = (
            f"{drafts[0].parent}: {len(drafts)} drafts hold {scores.num_rows} pairs, but the plan draws {len(wanted)}, "
            "class after class; give the drafts of all jobs in their order, and run those again whose settings changed"
        )
        raise InputError(msg)
    return scores


def kept_pairs(drafts: Sequence[Path], keep: NDArray[np.bool_]) -> Iterator[Pair]:
    """Yield the kept pairs of all drafts in order; one shard is mapped into memory at a time.

    Parameters
    ----------
    drafts
        Folders in the order of their jobs.
    keep
        bool [n], of all pairs of all drafts.
    """
    start = 0
    for folder in drafts:
        for part in sorted(folder.glob("shard-*.index.parquet")):
            pairs = ImageSet(part)
            chosen = np.flatnonzero(keep[start : start + len(pairs)])
            start += len(pairs)
            for first in range(0, len(chosen), CHUNK):
                places = chosen[first : first + CHUNK]
                rows = pairs.table.take(places).to_pylist()
                yield from zip(rows, pairs.images(places), pairs.masks(places), strict=True)
