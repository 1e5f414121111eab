"""What the cohort must be is asked again of its slices: damage and classes by slice show only when pixels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from radgen.cohort.assemble import by_reason, needed_splits
from radgen.cohort.refusal import SET_ASIDE, Reason
from radgen.cohort.settings import CohortSettings
from radgen.errors import CohortError
from radgen.imageset.blocks import read_blocks

# The reader's reasons; what the slices themselves decide (flat, almost empty, ...) is no damage.
UNREADABLE = frozenset(Reason) - SET_ASIDE


def check_unreadable_share(rejects: pa.Table, series: int, limit: float) -> None:
    """Raise CohortError if more than the limit of the series could not be read; the summary is by reason.

    Parameters
    ----------
    rejects
        Rejects of all shards, of REJECTS_SCHEMA.
    series
        How many series the shards were given.
    limit
        `cohort.max_refused_fraction`.
    """
    refused = by_reason([row for row in rejects.select(["reason"]).to_pylist() if row["reason"] in UNREADABLE])
    bad = sum(refused.values())
    if series and bad / series > limit:
        summary = ", ".join(f"{reason} {number}" for reason, number in refused.items())
        msg = (
            f"{bad} of {series} series ({bad / series:.1%}) cannot be read, but max_refused_fraction is {limit:.1%}: "
            f"{summary}; see slices/shard-*.rejects.parquet, repair or remove them, or raise "
            "cohort.max_refused_fraction"
        )
        raise CohortError(msg)


def check_class_images(parts: Iterable[Path], names: Sequence[str], cohort: CohortSettings) -> None:
    """Raise CohortError if a class has too few images to learn from, or none to choose or test by.

    Parameters
    ----------
    parts
        Of the index.
    names
        Of the classes.
    cohort
        Its `min_images` are needed in train; in val and test, where the study has them, one is.
    """
    found = Counter[tuple[str | None, str | None]]()
    for part in parts:
        for block in read_blocks(part, ("class_name", "split")):
            found.update(zip(block["class_name"].to_pylist(), block["split"].to_pylist(), strict=True))
    for split in needed_splits(cohort):
        least = cohort.min_images if split == "train" else 1
        remedy = ", or lower cohort.min_images" if split == "train" else ""
        for name in names:
            if found[name, split] < least:
                msg = (
                    f"class {name!r} has {found[name, split]} images in split {split}, at least {least} needed; "
                    f"add patients or choose another cohort.seed{remedy}"
                )
                raise CohortError(msg)
