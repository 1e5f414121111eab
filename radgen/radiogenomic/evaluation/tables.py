"""The tables of the statistics: one tidy table of scores, and what their figures are drawn from."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCORES_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("space", pa.string(), nullable=False),  # which features, or which of several; empty where there is one
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("n", pa.int64()),  # patients, images or trials behind it
        pa.field("words", pa.string(), nullable=False),  # the result in a sentence, where it has one
    ]
)
SHUFFLES_SCHEMA = pa.schema([("space", pa.string()), ("shuffle", pa.int32()), ("p_value", pa.float64())])
AGREEMENT_SCHEMA = pa.schema(
    [("patient", pa.string()), ("feature", pa.string()), ("real", pa.float64()), ("generated", pa.float64())]
)
SALIENCY_SCHEMA = pa.schema(
    # pathway is null for a gene of noise, and in studies without a planted truth
    [("gene", pa.string()), ("strength", pa.float64()), ("pathway", pa.string())]
)
NEAREST_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("space", pa.string()),
        ("profile", pa.string()),  # whose genes made the image
        ("nearest_patient", pa.string()),
        ("distance", pa.float64()),
        ("limit", pa.float64()),  # nearer than this are copies
    ]
)
SURVIVAL_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("variables", pa.string()),
        ("count", pa.int64()),
        ("concordance", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("gain", pa.float64()),  # over the clinical variables alone
        ("gain_low", pa.float64()),
        ("gain_high", pa.float64()),
        ("patients", pa.int64()),
        ("deaths", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Score:
    """One row of the scores; see SCORES_SCHEMA."""

    metric: str
    value: float
    space: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    words: str = ""


def scores_table(source: str, scores: list[Score]) -> pa.Table:
    """Return scores as a table of SCORES_SCHEMA; a value that is not finite becomes null."""
    rows = [{"source": source} | vars(score) for score in scores]
    for row in rows:
        row.update({name: None for name in ("value", "low", "high") if not _finite(row[name])})
    return pa.Table.from_pylist(rows, schema=SCORES_SCHEMA)


def _finite(value: object) -> bool:
    return isinstance(value, float | int) and abs(value) < float("inf")
