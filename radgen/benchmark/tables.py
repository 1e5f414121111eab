"""The columns of the benchmark's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

# What every row tells about its arm, so that each table can be read alone.
ARM_FIELDS = [
    pa.field("task", pa.string(), nullable=False),
    pa.field("arm", pa.string(), nullable=False),
    pa.field("setting", pa.string()),  # what the arm claims about its ancestry; null without synthetic images
    pa.field("synthetic", pa.string()),  # name of the source, or null
    pa.field("headline", pa.bool_(), nullable=False),  # may head a report
    pa.field("real_fraction", pa.float64(), nullable=False),  # of the training patients, 0 to 1
    pa.field("n_train_patients", pa.int32(), nullable=False),  # with real training images
    pa.field("n_train_images", pa.int32(), nullable=False),
    pa.field("n_synthetic_images", pa.int32(), nullable=False),
    pa.field("n_val_patients", pa.int32(), nullable=False),  # chose the state
    pa.field("n_annotator_patients", pa.int32(), nullable=False),  # of the simulated annotator
    pa.field(
        "n_borrowed_patients", pa.int32(), nullable=False
    ),  # further ones whose labels are behind the synthetic images
]

SCORES_SCHEMA = pa.schema(
    [
        *ARM_FIELDS,
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("patient", pa.string(), nullable=False),
        pa.field("series", pa.string()),
        pa.field("image_id", pa.string()),  # classification only
        pa.field("structure", pa.string(), nullable=False),  # class name, or structure of the mask
        pa.field("metric", pa.string(), nullable=False),  # probability | dice | hd95_mm
        pa.field("probability", pa.float64()),  # classification: of this class
        pa.field("truth", pa.int8()),  # classification: 1 for the image's own class, else 0
        pa.field("value", pa.float64()),  # segmentation; null where one of the masks is empty and metric is hd95_mm
        pa.field("reason", pa.string()),  # segmentation: both empty | structure missed | structure invented | ""
        pa.field("n_missing_slices", pa.int32()),  # segmentation: slices absent from the image set, taken as background
    ]
)

HISTORY_SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("step", pa.int32(), nullable=False),
        pa.field("seen_images", pa.int64(), nullable=False),
        pa.field("train_loss", pa.float64(), nullable=False),  # mean since the row before
        pa.field("val_loss", pa.float64(), nullable=False),
        pa.field("val_score", pa.float64()),  # AUC, or Dice on slices; null where it cannot be told
        pa.field("chosen", pa.bool_(), nullable=False),  # the state that was tested
    ]
)

_INTERVAL = ("", "_lower", "_upper")

SUMMARY_SCHEMA = pa.schema(
    [
        *ARM_FIELDS,
        pa.field("metric", pa.string(), nullable=False),  # auc | balanced_accuracy | dice | hd95_mm
        pa.field("structure", pa.string()),  # null: the mean over all structures, or all classes
        pa.field("primary", pa.bool_(), nullable=False),  # auc, or the mean Dice: what the rule and headlines go by
        *[pa.field(f"mean{end}", pa.float64()) for end in _INTERVAL],  # over seeds, with its interval over patients
        pa.field("seed_sd", pa.float64()),  # standard deviation over seeds
        pa.field("n_seeds", pa.int32(), nullable=False),
        pa.field("n_patients", pa.int32(), nullable=False),  # test patients
        pa.field("n_scored", pa.int32(), nullable=False),  # test images (classification) or series (segmentation)
        # Paired differences on the same patients: to the low arm (the primary result), to the budget-matched arm.
        *[pa.field(f"to_low{end}", pa.float64()) for end in _INTERVAL],
        *[pa.field(f"to_budget{end}", pa.float64()) for end in _INTERVAL],
        # Share of the gap from real_low to real_100 that is closed; null where the gap is within its own noise.
        *[pa.field(f"gap_share{end}", pa.float64()) for end in _INTERVAL],
        # Segmentation, over series, seeds and the structures of the row.
        pa.field("n_both_empty", pa.int32()),
        pa.field("n_missed", pa.int32()),
        pa.field("n_invented", pa.int32()),
        pa.field("n_missing_slices", pa.int32()),  # over series, counted once
    ]
)

CURVE_SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("fraction", pa.float64(), nullable=False),
        pa.field("n_patients", pa.int32(), nullable=False),  # training patients
        pa.field("n_images", pa.int32(), nullable=False),  # training images
        *[pa.field(f"mean{end}", pa.float64()) for end in _INTERVAL],
        pa.field("gap", pa.float64()),  # to all training patients
        pa.field("standard_error", pa.float64()),  # of the gap, over patients and seeds
        pa.field("holds", pa.bool_(), nullable=False),  # the gap is large enough and sure enough
        pa.field("chosen", pa.bool_(), nullable=False),  # the largest fraction for which the rule holds
        pa.field("configured", pa.bool_(), nullable=False),  # the study's low fraction
    ]
)


def table_of(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of rows; columns a row lacks become null, and NaN becomes null too."""
    plain = [{name: _or_null(row.get(name)) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(plain, schema=schema)


def _or_null(value: Any) -> Any:  # noqa: ANN401 - any cell
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN alone differs from itself
