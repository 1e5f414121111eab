"""Whether the judge sees what it must on held-out real images: classes, blur, shifts and the wrong class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings
from radgen.features.embed import accuracies, features_of, probabilities_of
from radgen.features.grades import gaussian_blur
from radgen.features.network import FeatureNetwork
from radgen.features.rows import class_ids, held_out_rows, judge_patients
from radgen.features.settings import JudgeSettings
from radgen.imageset.core import ImageSet
from radgen.metrics.frechet import frechet_between
from radgen.seeds import derive_seed, random_generator

CHECKS_SCHEMA = pa.schema(
    [
        pa.field("check", pa.string()),  # class_accuracy | blur | shift | wrong_class
        pa.field("level", pa.float64()),  # of the distortion; null for class_accuracy
        pa.field("unit", pa.string()),  # px, or share of the images
        pa.field("value", pa.float64()),  # balanced accuracy, or the judge's Frechet distance
        pa.field("reference", pa.float64()),  # chance, or the value one level lower, which `value` must pass
        pa.field("rises", pa.bool_()),
        pa.field("n", pa.int64()),  # held-out images
        pa.field("reason", pa.string()),  # why a value is missing
    ]
)
FEWEST_IMAGES = 4
HALVINGS = 16
IMAGES_AT_ONCE = 512  # distorted copies in memory; a multiple of the four directions of a shift

Row = dict[str, str | float | int | bool | None]
Distortion = Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]


@dataclass(frozen=True)
class _HeldOut:
    """The judge, and the held-out real images it is checked on, with class ids int64 [n]."""

    network: FeatureNetwork
    images: ImageSet
    rows: NDArray[np.int64]
    ids: NDArray[np.int64]


def check_judge(network: FeatureNetwork, images: ImageSet, classes: ClassSettings, settings: JudgeSettings) -> pa.Table:
    """Measure what the judge sees on validation and test patients, none of whom it learnt from.

    Parameters
    ----------
    network
        The trained judge.
    images
        The real image set.
    classes
        The study's classes.
    settings
        Levels of each check.

    Returns
    -------
    pyarrow.Table
        Rows of CHECKS_SCHEMA.
    """
    rows = held_out_rows(images, classes)
    if len(rows) > settings.check_images:
        rng = random_generator("judge", settings.seed, "checks")
        rows = np.sort(rng.choice(rows, settings.check_images, replace=False))
    held_out = _HeldOut(network, images, rows, class_ids(images, rows, classes))
    table = [
        *_accuracy(held_out),
        *_distortion(held_out, "blur", settings.blur_sigmas_px, blurred),
        *_distortion(held_out, "shift", settings.shifts_px, shifted),
        *_wrong_class(held_out, settings),
    ]
    return pa.Table.from_pylist(table, schema=CHECKS_SCHEMA)


def check_lines(table: pa.Table) -> list[str]:
    """Return one printed line for each check, with a warning where a value does not rise."""
    lines = []
    for name in dict.fromkeys(table.column("check").to_pylist()):
        rows = [row for row in table.to_pylist() if row["check"] == name]
        if rows[0]["value"] is None:
            lines.append(f"judge check {name}: not measured, {rows[0]['reason']}")
            continue
        values = ", ".join(f"{row['value']:.3g}{_at(row)}" for row in rows)
        falls = [f"{row['value']:.3g} is not above {row['reference']:.3g}" for row in rows if not row["rises"]]
        lines.append(f"judge check {name}: {values}" + (f"  WARNING: {falls[0]}" if falls else ""))
    return lines


def _at(row: Row) -> str:
    return "" if row["level"] is None else f" at {row['level']:g} {row['unit']}"


# ---------------------------------------------------------------- distortions


def blurred(images: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    """Blur images uint8 [n, C, H, W] with a Gaussian of this standard deviation; edges are continued."""
    sigmas = torch.full((len(images),), sigma_px)
    return gaussian_blur(torch.from_numpy(images).float(), sigmas, sigma_px).round().clamp(0, 255).byte().numpy()


def shifted(images: NDArray[np.uint8], pixels: float) -> NDArray[np.uint8]:
    """Shift images uint8 [n, C, H, W] right, left, down and up in turn; edges are continued.

    In turn, because a shift of all images to one side is easier to see than one that moves no mean.
    """
    step = int(pixels)
    padded = np.pad(images, ((0, 0), (0, 0), (step, step), (step, step)), mode="edge")
    height, width = images.shape[2:]
    out = np.empty_like(images)
    for turn, (down, right) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
        top, left = step + down * step, step + right * step
        out[turn::4] = padded[turn::4, :, top : top + height, left : left + width]
    return out


# ---------------------------------------------------------------- checks


def _accuracy(held_out: _HeldOut) -> list[Row]:
    network, rows, ids = held_out.network, held_out.rows, held_out.ids
    if len(network.class_names) == 1 or not network.shape.has_classes or len(rows) == 0:
        return [_missing("class_accuracy", len(rows), "one class, no labels or no held-out images")]
    _, balanced = accuracies(probabilities_of(network, held_out.images, rows), ids)
    return _rising("class_accuracy", "", len(rows), [(None, balanced)], 1 / len(np.unique(ids)))


def _distortion(held_out: _HeldOut, name: str, levels: Sequence[float], distort: Distortion) -> list[Row]:
    """Compare the same held-out images before and after, so that the distance without distortion is exactly zero."""
    count = len(held_out.rows)
    if count < FEWEST_IMAGES:
        return [_missing(name, count, f"{count} held-out images are too few")]
    clean = features_of(held_out.network, held_out.images, held_out.rows)
    steps = [(level, frechet_between(clean, _distorted(held_out, distort, level))) for level in levels]
    return _rising(name, "px", count, steps, 0.0)


def _distorted(held_out: _HeldOut, distort: Distortion, level: float) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(held_out.rows), IMAGES_AT_ONCE):
        stack = held_out.images.images(held_out.rows[start : start + IMAGES_AT_ONCE])
        parts.append(held_out.network.features(distort(stack, level)))
    return np.concatenate(parts)


def _wrong_class(held_out: _HeldOut, settings: JudgeSettings) -> list[Row]:
    """Replace a rising share of a class by other classes and compare with the same class of other patients.

    Values are means over classes and over several halvings of the patients, because one halving of a few patients
    differs from another by more than a class does; the reference of the first level has nothing replaced.
    """
    features = features_of(held_out.network, held_out.images, held_out.rows)
    patients = held_out.images.column("patient")[held_out.rows]
    levels = (0.0, *settings.wrong_class_shares)
    values = []
    for number in range(HALVINGS):
        half = judge_patients(patients.tolist(), derive_seed("judge", settings.seed, "halving", number))
        first = np.array([patient in half for patient in patients], dtype=bool)
        for class_id in np.unique(held_out.ids):
            mine = held_out.ids == class_id
            reference, own, other = features[first & mine], features[~first & mine], features[~first & ~mine]
            count = min(len(own), len(other))
            if min(len(reference), count) >= FEWEST_IMAGES:
                rng = random_generator("judge", settings.seed, "wrong_class", number, int(class_id))
                own, other = rng.permutation(own)[:count], rng.permutation(other)[:count]
                mixed = [np.concatenate([other[: round(f * count)], own[round(f * count) :]]) for f in levels]
                values.append([frechet_between(reference, part) for part in mixed])
    if not values:
        return [_missing("wrong_class", len(held_out.rows), "no two classes with enough held-out images")]
    means = np.mean(values, axis=0).tolist()
    return _rising("wrong_class", "share", len(held_out.rows), list(zip(levels, means, strict=True))[1:], means[0])


def _rising(name: str, unit: str, n: int, steps: Sequence[tuple[float | None, float]], start: float) -> list[Row]:
    """Make a row of each (level, value); each value must pass the one before, the first one `start`."""
    rows: list[Row] = []
    reference = _rounded(start)
    for level, value in steps:
        row: Row = {"check": name, "level": level, "unit": unit, "value": _rounded(value), "reference": reference}
        rows.append(row | {"rises": _rounded(value) > reference, "n": n})
        reference = _rounded(value)
    return rows


def _missing(name: str, n: int, reason: str) -> Row:
    return {"check": name, "n": n, "reason": reason}


def _rounded(value: float) -> float:
    """Keep nine digits: the rest depends on the linear algebra library's threads."""
    return float(f"{value:.9g}")
