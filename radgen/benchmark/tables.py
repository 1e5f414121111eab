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
    pa.field("on_curve", pa.bool_()),  # a point of the real-only curve
    pa.field("rival", pa.bool_()),  # spends the same pixels or labels in another way than on synthetic images
    pa.field("extra_real", pa.string()),  # generator | annotator | annotated | annotator_masks
    pa.field("method", pa.string()),  # supervised | mean_teacher | self_supervised
    pa.field("schedule", pa.string()),  # mixed | pretrain | pretrain_mixed
    pa.field("augmentation", pa.string()),  # standard | strong
    pa.field("evaluation", pa.string()),  # test, or development: folds of train and val, while the test is sealed
    pa.field("real_fraction", pa.float64(), nullable=False),  # of the training patients, 0 to 1
    pa.field("n_train_patients", pa.int32(), nullable=False),  # with real training images
    pa.field("n_train_images", pa.int32(), nullable=False),
    pa.field("n_synthetic_images", pa.int32(), nullable=False),
    pa.field("n_annotated_images", pa.int32()),  # images that were annotated for this arm alone, synthetic or real
    pa.field("n_unlabelled_images", pa.int32()),  # real ones of which the pixels alone were used
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
        pa.field("generator", pa.string()),  # source of the network's synthetic images
        pa.field("patient", pa.string(), nullable=False),
        pa.field("series", pa.string()),
        pa.field("image_id", pa.string()),  # classification only
        pa.field("structure", pa.string(), nullable=False),  # class name, or structure of the mask
        pa.field("metric", pa.string(), nullable=False),  # probability | dice | hd95_mm | surface_dice
        pa.field("probability", pa.float64()),  # classification: of this class
        pa.field("truth", pa.int8()),  # classification: 1 for the image's own class, else 0
        pa.field("value", pa.float64()),  # segmentation; null where one of the masks is empty and metric is hd95_mm
        pa.field("spacing_mm", pa.list_(pa.float64())),  # segmentation: of the voxels, along slices, rows and columns
        pa.field("tolerance_mm", pa.float64()),  # surface_dice alone
        pa.field("reason", pa.string()),  # segmentation: both empty | structure missed | structure invented | ""
        pa.field("n_missing_slices", pa.int32()),  # segmentation: slices absent from the image set, taken as background
    ]
)

HISTORY_SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("planned_steps", pa.int32()),  # of all phases: max_steps, or what the small search chose
        pa.field("strength", pa.float64()),  # of augmentation, as the search chose; 1 without one
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
        pa.field("metric", pa.string(), nullable=False),  # auc, patient_auc, ... | dice | hd95_mm | surface_dice
        pa.field("structure", pa.string()),  # null: the mean over all structures, or all classes
        # What the rule and headlines go by: the mean Dice; the AUC of patients, of images where all patients are alike.
        pa.field("primary", pa.bool_(), nullable=False),
        *[pa.field(f"mean{end}", pa.float64()) for end in _INTERVAL],  # over seeds, with its interval over patients
        pa.field("seed_sd", pa.float64()),  # standard deviation over seeds
        pa.field("n_seeds", pa.int32(), nullable=False),
        pa.field(
            "n_generators", pa.int32(), nullable=False
        ),  # behind the networks; 3 or more: intervals are over them too
        pa.field("n_patients", pa.int32(), nullable=False),  # test patients
        pa.field("n_scored", pa.int32(), nullable=False),  # images or patients (classification), series (segmentation)
        # Paired differences on the same patients: to the low arm (the primary result), to the budget-matched arm.
        *[pa.field(f"to_low{end}", pa.float64()) for end in _INTERVAL],
        *[pa.field(f"to_budget{end}", pa.float64()) for end in _INTERVAL],
        pa.field("p_value", pa.float64()),  # primary rows: permutation test of the difference to the low arm
        pa.field("p_holm", pa.float64()),  # the same, adjusted for all arms but the primary one and the real-only curve
        pa.field("detectable", pa.float64()),  # smallest difference to the low arm found in four of five such studies
        # Share of the gap from real_low to real_100 that is closed, with Fieller's interval; null where it is noise.
        *[pa.field(f"gap_share{end}", pa.float64()) for end in _INTERVAL],
        # Segmentation, over series, seeds and the structures of the row.
        pa.field("n_both_empty", pa.int32()),
        pa.field("n_missed", pa.int32()),
        pa.field("n_invented", pa.int32()),
        pa.field("n_missing_slices", pa.int32()),  # over series, counted once
        pa.field("note", pa.string()),  # of distances: tolerance, smallest and largest voxel
    ]
)

VERDICT_SCHEMA = pa.schema(
    [
        pa.field("task", pa.string(), nullable=False),
        pa.field("arm", pa.string()),  # null: of the task as a whole
        pa.field("kind", pa.string(), nullable=False),  # power | helps | do not bother | open | rivals | generators
        pa.field("sentence", pa.string(), nullable=False),
        pa.field("more_real_images", pa.int32()),  # fewest further real images that are surely better than the arm
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
