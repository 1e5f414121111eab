"""One row per synthetic image of the gallery: what it is, what is known of it, and where its pixels lie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from radgen.report.share import may_leave
from radgen.report.study import StudyResults, spread

NEAREST = ("image_id", "kind", "distance_features", "distance_pixels", "nearest_pixels_image_id")
UNCERTAINTY = ("image_id", "expected_error", "kept")
OWN = ("image_id", "class_name", "split", "seed", "checkpoint")
# Pairs first: an image that is in both sets is shown with its mask.
SETS = ("pairs.part_index", "sample.part_index")


def collect_rows(study: StudyResults, most: int) -> pd.DataFrame:
    """Return the rows of all sources, at most `most`, spread evenly over each source's images.

    Columns are `image_id`, `source`, `class_name`, `split`, `seed`, `checkpoint`, `uncertainty`, `distance_features`,
    `distance_pixels`, `nearest`, `set` and `position`, which say where its pixels lie, and `masked`.
    """
    share = max(1, most // max(1, len(study.sources)))
    parts = [part for source in study.sources if len(part := _source_rows(study, source))]
    chosen = [part.iloc[spread(np.arange(len(part)), share)] for part in parts]
    return pd.concat(chosen, ignore_index=True) if chosen else pd.DataFrame(columns=[*OWN, "source"])


def _source_rows(study: StudyResults, source: str) -> pd.DataFrame:
    there = [key for key in SETS if study.has(key, source=source)]
    sets = [_set_rows(study, key, source) for key in there]
    if not sets:
        return pd.DataFrame()
    rows = pd.concat(sets, ignore_index=True).drop_duplicates("image_id").assign(source=source)
    if study.shareable:  # what one audit drops may not leave by another
        rows = rows[~rows["image_id"].isin(study.dropped("pairs", source) | study.dropped("samples", source))]
    order = {name: number for number, name in enumerate(study.class_names)}
    rows = rows.assign(rank=rows["class_name"].map(order).fillna(len(order)))
    rows = rows.sort_values(["rank", "image_id"], kind="stable").drop(columns="rank")
    return _with_nearest(study, _with_uncertainty(study, rows, source), source)


def _set_rows(study: StudyResults, key: str, source: str) -> pd.DataFrame:
    """Return the rows of one set; for the shareable edition those that its audit lets leave.

    An image painted on a patient's label map, or drawn into a patient's patch, names that series: it stays.
    """
    images = study.images(key, source=source)
    columns = {name: images.column(name) for name in OWN}
    rows = pd.DataFrame(columns | {"set": key, "position": np.arange(len(images)), "masked": images.has_masks})
    if not study.shareable:
        return rows
    nobodys = pd.isna(images.column("series"))
    return rows[nobodys & rows["image_id"].isin(may_leave(study, key, source)).to_numpy()]


def _with_uncertainty(study: StudyResults, rows: pd.DataFrame, source: str) -> pd.DataFrame:
    if not study.has("pairs.uncertainty", source=source):
        return rows.assign(uncertainty=np.nan)
    scores = study.table("pairs.uncertainty", UNCERTAINTY, source=source).set_index("image_id")["expected_error"]
    return rows.assign(uncertainty=scores.reindex(rows["image_id"]).to_numpy())


def _with_nearest(study: StudyResults, rows: pd.DataFrame, source: str) -> pd.DataFrame:
    columns = {"distance_features": np.nan, "distance_pixels": np.nan, "nearest": None}
    if not study.has("metrics.nearest", source=source):
        return rows.assign(**columns)
    table = study.table("metrics.nearest", NEAREST, source=source)
    found = table[table["kind"] == "synthetic"].drop_duplicates("image_id").set_index("image_id")
    found = found.rename(columns={"nearest_pixels_image_id": "nearest"}).reindex(rows["image_id"])
    return rows.assign(**{name: found[name].to_numpy() for name in columns})
