"""What the cohort must be is asked again of its slices, because some damage shows only when pixels are read."""

from __future__ import annotations

import pyarrow as pa

from radgen.cohort.assemble import by_reason
from radgen.cohort.refusal import SET_ASIDE, Reason
from radgen.errors import CohortError

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
