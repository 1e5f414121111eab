"""Scores of synthetic images against held-out real ones, beside the floor that real images of other patients reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.metrics.extractors import JUDGE, RADIOMICS, Extractor
from radgen.metrics.frechet import IMAGES_PER_DIMENSION, frechet_between, frechet_pulls, too_few_images
from radgen.metrics.intervals import distance_interval, linear_interval, mean_interval
from radgen.metrics.kid import kid
from radgen.metrics.names import METRICS, names_of
from radgen.metrics.prdc import neighbours
from radgen.metrics.settings import MetricsSettings
from radgen.seeds import random_generator

QUALITY_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string()),
        pa.field("class_name", pa.string()),  # "all": every side in the floor's class proportion
        pa.field("metric", pa.string()),  # of METRICS and AUDITS
        pa.field("role", pa.string()),  # synthetic | floor: real images of other patients in the samples' place
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("n_real", pa.int64()),  # held-out real images
        pa.field("n_synthetic", pa.int64()),  # samples, or the floor's training images
        pa.field("reason", pa.string()),  # why a value is missing
        pa.field("extractor", pa.string()),  # what the features are: judge, inception, radiomics, a network's name
        pa.field("extractor_digest", pa.string()),
        pa.field("resize", pa.string()),  # how images came to the size it sees
    ]
)
MOST_DIMENSIONS = 256  # of features whose Frechet distance is drawn again and again; of more it would take hours
AUDITS = ("near_copies_features", "near_copies_pixels", "nearest_features", "nearest_pixels")
EVERY_CLASS = "all"

Row = dict[str, str | float | int | None]
Scores = dict[str, tuple[float | None, float | None, float | None, str | None]]


@dataclass(frozen=True)
class Side:
    """Features float32 [n, D] of some images, their class names [n] and patient numbers int64 [n]."""

    features: NDArray[np.float32]
    class_names: NDArray[np.object_]
    patients: NDArray[np.int64]

    def take(self, places: NDArray[np.int64]) -> Side:
        """Return some of the images."""
        return Side(self.features[places], self.class_names[places], self.patients[places])

    def __len__(self) -> int:
        return len(self.features)


def quality_rows(
    source: str,
    held_out: Side,
    others: Mapping[str, Side],
    classes: Sequence[str],
    settings: MetricsSettings,
    *,
    extractor: str = JUDGE,
) -> list[Row]:
    """Score samples and floor against the same held-out images, each with the same number of images.

    Parameters
    ----------
    source
        Name written into the rows.
    held_out
        Real images of validation and test patients.
    others
        Role to images: "synthetic" and "floor"; all sides take the floor's class proportion: it has fewest
    classes
        Class names.
    settings
        Numbers of images, neighbours and subsets.
    extractor
        Whose features these are.
    """
    names = names_of(extractor)
    rows: list[Row] = []
    for name in (EVERY_CLASS, *(classes if len(classes) > 1 else ())):
        chosen = tuple(classes) if name == EVERY_CLASS else (name,)
        floor = others["floor"]
        real = draw(held_out, class_counts([held_out], floor, chosen, settings.images), settings.seed)
        counts = class_counts(list(others.values()), floor, chosen, settings.images)
        for role, side in others.items():
            other = draw(side, counts, settings.seed)
            for metric, (value, low, high, reason) in _scores(real, other, settings, extractor).items():
                if metric not in names:
                    continue
                row: Row = {"source": source, "class_name": name, "metric": names[metric], "role": role, "value": value}
                rows.append(
                    row | {"low": low, "high": high, "n_real": len(real), "n_synthetic": len(other), "reason": reason}
                )
    return rows


def class_counts(sides: Sequence[Side], like: Side, classes: Sequence[str], limit: int) -> dict[str, int]:
    """Return how many images of each class to draw from every side: as many as all have, in the proportion of `like`.

    Without equal numbers a Frechet distance or a recall cannot be compared, and without equal proportions the pooled
    score measures how often each class was asked for.
    """
    shares = {name: float((like.class_names == name).sum()) for name in classes}
    shares = {name: count / max(1.0, sum(shares.values())) for name, count in shares.items() if count > 0}
    there = {name: min(int((side.class_names == name).sum()) for side in sides) for name in shares}
    total = min([float(limit), *(there[name] / share for name, share in shares.items())])
    return {name: min(there[name], round(total * share)) for name, share in shares.items()}


def draw(side: Side, counts: Mapping[str, int], seed: int) -> Side:
    """Draw these numbers of images of each class, the same ones for the same seed."""
    places = [np.empty(0, dtype=np.int64)]
    for name, count in counts.items():
        mine = np.flatnonzero(side.class_names == name)
        places.append(random_generator("metrics", seed, name).choice(mine, count, replace=False))
    return side.take(np.sort(np.concatenate(places)))


def audit_rows(source: str, nearest: pa.Table, classes: Sequence[str], settings: MetricsSettings) -> list[Row]:
    """Sum up the nearest training images: near copies and median distance of samples (synthetic) and control (floor).

    A near copy lies nearer to a training image than a share `copy_quantile` of held-out real images does, so that this
    share is what images that copy nobody would show.
    """
    rows: list[Row] = []
    kinds = np.array(nearest.column("kind").to_pylist(), dtype=object)
    names = np.array(nearest.column("class_name").to_pylist(), dtype=object)
    for name in (EVERY_CLASS, *(classes if len(classes) > 1 else ())):
        mine = np.full(len(kinds), True) if name == EVERY_CLASS else names == name
        for by in ("features", "pixels"):
            distances = nearest.column(f"distance_{by}").to_numpy().astype(np.float64)
            groups = {
                "synthetic": distances[mine & (kinds == "synthetic")],
                "floor": distances[mine & (kinds == "control")],
            }
            groups = {role: values[np.isfinite(values)] for role, values in groups.items()}
            limit = np.quantile(groups["floor"], settings.copy_quantile) if len(groups["floor"]) else None
            for role, values in groups.items():
                reason = None if limit is not None and len(values) else "no images of both kinds to compare"
                share = None if limit is None or reason else float((values < limit).mean())
                median = None if reason else float(np.median(values))
                common: Row = {"source": source, "class_name": name, "role": role, "reason": reason}
                common |= {"n_real": len(groups["floor"]), "n_synthetic": len(values)}
                rows.append(common | {"metric": f"near_copies_{by}", "value": share})
                rows.append(common | {"metric": f"nearest_{by}", "value": median})
    return rows


def signed(rows: Sequence[Row], extractor: Extractor) -> list[Row]:
    """Add to rows by what their features were made."""
    facts: Row = {"extractor": extractor.name, "extractor_digest": extractor.digest, "resize": extractor.resize}
    return [row | facts for row in rows]


def quality_table(rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table of QUALITY_SCHEMA; nine digits, because the rest depends on the number of threads."""
    digits = [
        {k: float(f"{v:.9g}") if k in {"value", "low", "high"} and v is not None else v for k, v in row.items()}
        for row in rows
    ]
    return pa.Table.from_pylist(digits, schema=QUALITY_SCHEMA)


def _scores(real: Side, other: Side, settings: MetricsSettings, extractor: str) -> Scores:
    if len(real) == 0 or len(other) == 0:
        reason = f"{len(real)} held-out and {len(other)} other images: a class is missing on one side"
        return dict.fromkeys(METRICS, (None, None, None, reason))
    if extractor == RADIOMICS:
        # Features of different units, each in units of what real images vary by.
        mean, spread = real.features.mean(axis=0), real.features.std(axis=0) + 1e-6
        real, other = (replace(side, features=(side.features - mean) / spread) for side in (real, other))
    per_dimension = IMAGES_PER_DIMENSION if extractor in {JUDGE, RADIOMICS} else 1
    few = too_few_images(min(len(real), len(other)), real.features.shape[1], per_dimension)
    scores: Scores = {METRICS[0]: (None, None, None, few) if few else _distance(real, other, settings)}
    if extractor == RADIOMICS:
        return scores
    rng = random_generator("metrics", settings.seed, "kid")
    try:
        found = kid(
            real.features, other.features, rng, subsets=settings.kid_subsets, subset_images=settings.kid_subset_images
        )
        scores["kid"] = (found.value, found.low, found.high, None)
    except InputError as error:
        scores["kid"] = (None, None, None, str(error))
    return scores | _prdc_scores(real, other, settings)


def _distance(real: Side, other: Side, settings: MetricsSettings) -> tuple[float, float, float, None]:
    """Return the Frechet distance with its interval over patients: drawn, or of many dimensions from single pulls."""
    value = frechet_between(real.features, other.features)
    patients = real.patients, other.patients
    if real.features.shape[1] > MOST_DIMENSIONS:
        return value, *linear_interval(value, frechet_pulls(real.features, other.features), patients), None
    low, high = distance_interval(
        lambda one, two: frechet_between(real.features[one], other.features[two]),
        value,
        patients,
        random_generator("metrics", settings.seed, "distance"),
        settings.resamples,
    )
    return value, low, high, None


def _prdc_scores(real: Side, other: Side, settings: MetricsSettings) -> Scores:
    """Return the four scores with intervals over patients, the radii held as they are."""
    try:
        found = neighbours(
            real.features,
            other.features,
            k=settings.neighbours,
            real_patients=real.patients,
            other_patients=other.patients,
        )
    except InputError as error:
        return dict.fromkeys(METRICS[2:], (None, None, None, str(error)))
    means = {
        "precision": (found.balls > 0, other.patients),
        "recall": (found.reached, real.patients),
        "density": (found.balls / found.k, other.patients),
        "coverage": (found.covered, real.patients),
    }
    scores: Scores = {}
    for name, (values, patients) in means.items():
        rng = random_generator("metrics", settings.seed, name)
        low, high = mean_interval(values.astype(np.float64), patients, rng, settings.resamples)
        scores[name] = (float(values.mean()), low, high, None)
    return scores
