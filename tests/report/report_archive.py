"""What cohort and slices of the invented study would leave."""

from __future__ import annotations

from typing import Any

import numpy as np
from report_pictures import SIZE, body_slice
from report_study import CLASSES, PATIENTS, SLICES_PER_PATIENT, SPLITS, Tree

from radgen.cohort.tables import COUNTS_SCHEMA, REJECTS_SCHEMA, SERIES_SCHEMA
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.imaging.across_splits import SCHEMA as NEAR_DUPLICATES_SCHEMA
from radgen.imaging.qc import BINS, QC_SCHEMA, png
from radgen.imaging.refusal import REJECTS_SCHEMA as SLICE_REJECTS_SCHEMA
from radgen.seeds import random_generator


def write_cohort(tree: Tree) -> None:
    rows = [{"series_key": f"{key}s", "patient_key": key, "split": split} for key, split in PATIENTS]
    tree.table("cohort.series", rows, SERIES_SCHEMA)
    refused = [("scan", "truncated", True)] * 3 + [("scan", "foreign", True)] + [("scan", "side-file", False)] * 9
    names = {"series_key": None, "sentence": "it is damaged"}
    rejects = [
        names | {"file_id": f"{n:04d}", "stage": s, "reason": r, "refused": f} for n, (s, r, f) in enumerate(refused)
    ]
    tree.table("cohort.rejects", rejects, REJECTS_SCHEMA)
    counts = [
        {"split": split, "class_name": None, "patients": n, "series": n, "slices": 4 * n, "with_mask": n}
        for split, n in SPLITS.items()
    ]  # fmt: skip
    tree.table("cohort.counts", counts, COUNTS_SCHEMA)
    tree.manifest("cohort.manifest", "cohort")


def write_slices(tree: Tree) -> None:
    folder = tree.path("slices.index").parent
    with ShardWriter(folder, "shard-000", (1, SIZE, SIZE), with_masks=True) as writer:
        for key, split in PATIENTS:
            for number in range(SLICES_PER_PATIENT):
                class_id = number % 2
                image, mask = body_slice("real", key, number, lesion=bool(class_id))
                row = {
                    "image_id": f"{key}_{number:03d}",
                    "source": "real",
                    "split": split,
                    "patient": key,
                    "series": f"{key}s",
                }
                row |= {"slice_index": number, "modality": "CT", "anatomy": "abdomen", "class_name": CLASSES[class_id]}
                row |= {"class_id": class_id, "spacing_row_mm": 6.0, "spacing_col_mm": 6.0, "window_low": [-160.0]}
                row |= {"window_high": [240.0], "clipped_fraction": 0.01 * number}
                writer.append(row, image, mask)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    write_checks(tree)
    write_near_duplicates(tree)
    rejects = [
        {"series_key": f"{PATIENTS[0][0]}s", "reason": reason, "sentence": "too little"}
        for reason in ("almost-empty", "flat", "flat")
    ]
    tree.table("slices.rejects", rejects, SLICE_REJECTS_SCHEMA)
    window = {"ct_center_hu": 40.0, "ct_width_hu": 400.0, "low_percentile": 0.5, "high_percentile": 99.5}
    own = {
        "size_px": 32,
        "field_of_view_mm": None,
        "slice_choice": "all",
        "background": "body",
        "window": window,
        "body": {"arms": "keep"},
    }
    tree.manifest("slices.part_manifest", "slices", {"slices": own}, shard="000")
    tree.manifest("slices.manifest", "slices_gather")


# A series whose body mask took nearly all, one that is used with a remark, and one refused as a whole.
ODD, REMARKED, WHOLE_REFUSED = 5, 2, len(PATIENTS)
REMARK = {"kind": "tilted", "treatment": "resample", "figure": 12.5, "unit": "degrees"}


def write_checks(tree: Tree) -> None:
    random = random_generator("tree", "checks")
    rows = [_checked(number, random) for number in range(len(PATIENTS))]
    rows[ODD] |= {"removed_fraction": 0.97}
    rows[REMARKED] |= {"remarks": [REMARK]}
    rows.append({"series_key": "refused-s", "patient_key": PATIENTS[0][0], "split": "train", "refused": "truncated"})
    tree.table("slices.qc", rows, QC_SCHEMA)


def write_near_duplicates(tree: Tree) -> None:
    (one, split_one), (two, split_two) = PATIENTS[0], PATIENTS[-1]
    rows = [
        {"image_one": f"{one}_{n:03d}", "image_two": f"{two}_{n:03d}", "series_one": f"{one}s", "series_two": f"{two}s"}
        | {"split_one": split_one, "split_two": split_two, "correlation": 0.99 - 0.01 * n}
        for n in range(2)
    ]
    tree.table("slices.near_duplicates", rows, NEAR_DUPLICATES_SCHEMA)


def _checked(number: int, random: np.random.Generator) -> dict[str, Any]:
    key, split = PATIENTS[number]
    image, _ = body_slice("real", key, 0, lesion=False)
    kept, removed = (random.integers(0, 200, BINS + 2).tolist() for _ in range(2))
    row = {"series_key": f"{key}s", "patient_key": key, "split": split, "format": "dicom", "modality": "CT"}
    row |= {"anatomy": "abdomen", "class_names": list(CLASSES), "n_slices": SLICES_PER_PATIENT, "rows": 64, "cols": 64}
    row |= {"n_stored": SLICES_PER_PATIENT, "spacing_slice_mm": 5.0, "spacing_row_mm": 0.8, "spacing_col_mm": 0.8}
    row |= {"window_low": -160.0, "window_high": 240.0, "clipped_fraction": 0.01, "minimum": -1024.0, "maximum": 900.0}
    row |= {"removed_fraction": 0.5 + random.uniform(0, 0.02), "kept_low": -200.0, "kept_median": 40.0}
    row |= {"removed_tissue": 0.01, "removed_tissue_most": 0.02 + random.uniform(0, 0.01), "removed_tissue_slice": 3}
    row |= {"kept_high": 300.0, "histogram_low": -1050.0, "histogram_high": 1510.0, "kept_counts": kept}
    return row | {"removed_counts": removed, "thumbnail_slice": 2, "before": png(image[0] // 2), "after": png(image[0])}
