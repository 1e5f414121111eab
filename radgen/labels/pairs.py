"""Image and mask pairs: of all that were drawn, those are kept of which the heads are sure and whose class is seen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import ConfigError
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.labels.drafts import Pair, kept_pairs, read_scores
from radgen.labels.plan import PairsPlan

UNCERTAINTY_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("expected_error", pa.float64(), nullable=False),  # 1 - Dice that the heads expect, in [0, 1]
        pa.field("class_probability", pa.float64()),  # of its own class, by the encoder; null where it was not asked
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.string()),  # why it was dropped; null for kept images
    ]
)


@dataclass(frozen=True)
class ClassOutcome:
    """What became of one class.

    Attributes
    ----------
    wanted, drawn, kept
        Pairs.
    other_class
        Dropped because the classifier gave their own class too little.
    uncertain
        Dropped because they were the most uncertain of the others.
    threshold
        Highest expected error that was kept; None where nothing was.
    """

    wanted: int
    drawn: int
    kept: int
    other_class: int
    uncertain: int
    threshold: float | None


@dataclass(frozen=True)
class Choice:
    """Which of the drawn pairs stay: bool [n], why the others do not, and the outcome by class name."""

    keep: NDArray[np.bool_]
    reasons: list[str | None]
    outcomes: dict[str, ClassOutcome]


def join_pairs(drafts: Sequence[Path], plan: PairsPlan, index: Path) -> tuple[pa.Table, list[Path], Choice]:
    """Write the image set of pairs from the drafts of all jobs; its bytes do not depend on how many jobs there were.

    Parameters
    ----------
    drafts
        Folders of `write_draft`, in the order of their jobs.
    plan
        What is to be made.
    index
        Path of the image set's `index.parquet`; shards go beside it.

    Returns
    -------
    table, files, choice
        One row per drawn image (UNCERTAINTY_SCHEMA), sorted by image id; the shard files written; what was decided.

    Raises
    ------
    InputError
        The drafts are not what the plan draws.
    ConfigError
        The classifier leaves nothing of a class.
    """
    scores = read_scores(drafts, plan)
    choice = choose(scores, plan)
    for old in index.parent.glob("shard-*"):
        old.unlink()
    files = _write(kept_pairs(drafts, choice.keep), index, plan.rows_per_shard)
    names = pa.array(plan.class_names).take(scores.column("class_id").combine_chunks())
    columns = {
        "image_id": scores.column("image_id"),
        "class_name": names,
        "expected_error": scores.column("expected_error"),
        "class_probability": scores.column("class_probability"),
        "kept": choice.keep,
        "reason": choice.reasons,
    }
    return pa.table(columns, schema=UNCERTAINTY_SCHEMA).sort_by("image_id"), files, choice


def choose(scores: pa.Table, plan: PairsPlan) -> Choice:
    """Decide class by class what is kept: of those whose class is seen, the wanted number with the lowest errors.

    Raises
    ------
    ConfigError
        The classifier leaves nothing of a class that is wanted.
    """
    keep = np.zeros(scores.num_rows, dtype=bool)
    reasons: list[str | None] = [None] * scores.num_rows
    outcomes: dict[str, ClassOutcome] = {}
    class_ids = scores.column("class_id").to_numpy()
    values, probabilities = scores.column("expected_error").to_numpy(), scores.column("class_probability").to_numpy()
    least = plan.least_class_probability
    for class_id, name in enumerate(plan.class_names):
        rows = np.flatnonzero(class_ids == class_id)
        # Without a threshold the probabilities may be NaN: nobody was asked.
        seen = probabilities[rows] >= least if least > 0 else np.ones(len(rows), dtype=bool)
        stays = keep_certain(values[rows], plan.counts[name], seen)
        keep[rows] = stays
        uncertain = int((seen & ~stays).sum())
        other = f"the encoder gives class {name} a probability below {least:g}"
        unsure = f"among the {uncertain} most uncertain of {int(seen.sum())} images of class {name}"
        for row in rows[~stays].tolist():
            reasons[row] = unsure if seen[row - rows[0]] else other
        highest = float(values[rows][stays].max()) if stays.any() else None
        outcomes[name] = ClassOutcome(
            plan.counts[name], len(rows), int(stays.sum()), int((~seen).sum()), uncertain, highest
        )
        if plan.counts[name] and highest is None:
            msg = (
                f"pairs: the encoder gives class {name} a probability below {least:g} in all {len(rows)} images drawn, "
                "so none is left; lower pairs.least_class_probability, or look at the samples of this class"
            )
            raise ConfigError(msg)
    return Choice(keep, reasons, outcomes)


def keep_certain(
    scores: NDArray[np.float64], count: int, allowed: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Keep the `count` lowest scores among those allowed, bool [n]; of equal scores the earlier image stays.

    >>> keep_certain(np.array([0.3, 0.1, 0.2]), 2).tolist()
    [False, True, True]
    >>> keep_certain(np.array([0.3, 0.1, 0.2]), 2, np.array([True, False, True])).tolist()
    [True, False, True]
    """
    order = np.argsort(scores, kind="stable")
    if allowed is not None:
        order = order[allowed[order]]
    keep = np.zeros(len(scores), dtype=bool)
    keep[order[:count]] = True
    return keep


def _write(pairs: Iterator[Pair], index: Path, rows_per_shard: int) -> list[Path]:
    parts: list[Path] = []
    for first in pairs:
        name = f"shard-{len(parts):03d}"
        with ShardWriter(index.parent, name, _shape(first), with_masks=True) as writer:
            for row, image, mask in itertools.chain([first], itertools.islice(pairs, rows_per_shard - 1)):
                writer.append(row, image, mask)
        parts.append(index.parent / f"{name}.index.parquet")
    gather_index(parts, index)
    stems = [path.name.removesuffix(".index.parquet") for path in parts]
    kinds = ("images.arrow", "masks.arrow", "index.parquet")
    return [index.parent / f"{stem}.{kind}" for stem in stems for kind in kinds]


def _shape(pair: Pair) -> tuple[int, int, int]:
    channels, height, width = pair[1].shape
    return channels, height, width
