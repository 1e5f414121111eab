"""One series as a card: its middle slice before and after, what stands out, its figures and its histogram."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from radgen.report.html import Html, element, join
from radgen.report.parts import DASH, count, number
from radgen.report.qc.outliers import Finding

SPARK_WIDTH, SPARK_HEIGHT = 264, 34


def series_card(row: Mapping[str, Any], picture: Mapping[str, Any], findings: Sequence[Finding]) -> Html:
    """Return the card of one series.

    Parameters
    ----------
    row
        Of `QcTable.series`.
    picture
        Columns PICTURES of the same series.
    findings
        What stands out.
    """
    key = str(row["series_key"])
    place = picture["thumbnail_slice"]
    pair = element(
        "div",
        embedded(picture["before"], "before", f"Series {key}, slice {place} as read, in the display window"),
        embedded(picture["after"], "after", f"Series {key}, slice {place} as stored"),
        class_="pair",
    )
    chips = [*(_finding_chip(one, row) for one in findings), *(_remark_chip(one) for one in row["remarks"])]
    return element(
        "article",
        pair,
        element("h3", element("code", key), class_="key"),
        element("p", _origin(row), class_="origin"),
        element("ul", chips, class_="chips") if chips else None,
        element("dl", [join(element("dt", name), element("dd", value)) for name, value in _figures(row)]),
        _spark(picture),
        class_="check stands-out" if findings else "check",
        id=f"series-{key}",
    )


def embedded(data: bytes | None, label: str, words: str) -> Html:
    """Return a PNG inside the page with a label in its corner, or a dark square where there is none."""
    if data is None:
        return element("div", "no slice stored", class_="nothing")
    text = base64.b64encode(data).decode("ascii")
    image = element("img", src=f"data:image/png;base64,{text}", alt=words, width=128, height=128, loading="lazy")
    return element("div", image, element("span", label, aria_hidden="true"))


def _origin(row: Mapping[str, Any]) -> str:
    names = list(row["class_names"])
    classes = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return " · ".join(
        part for part in (row["split"], row["archive"], row["modality"], row["anatomy"], row["format"], classes) if part
    )


def _figures(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    slices = f"{count(row['n_stored'])} of {count(row['n_slices'])} stored"
    refused = f", {count(row['n_refused'])} refused" if row["n_refused"] else ""
    unit = " HU" if row["modality"] == "CT" else ""
    return [
        ("Slices", slices + refused),
        ("Matrix", f"{row['rows']} × {row['cols']}"),
        ("Voxel", voxel(row)),
        ("Removed", share(row["removed_fraction"])),
        ("of tissue", _tissue(row)),
        ("Clipped", share(row["clipped_fraction"])),
        ("Window", f"{plain(row['window_low'])} to {plain(row['window_high'])}{unit}"),
        (
            "Kept",
            f"median {plain(row['kept_median'])}{unit}, 98 % in {plain(row['kept_low'])} to {plain(row['kept_high'])}",
        ),
        ("All values", f"{plain(row['minimum'])} to {plain(row['maximum'])}{unit}"),
    ]


def _tissue(row: Mapping[str, Any]) -> str:
    """Write the share removed of what is denser than air: a couch, or part of the patient."""
    if not _known(row["removed_tissue"]):
        return DASH
    if row["n_stored"] == 1:
        return share(row["removed_tissue"])
    most = f"most {share(row['removed_tissue_most'])} in slice {count(row['removed_tissue_slice'])}"
    return f"{share(row['removed_tissue'])}, {most}"


def voxel(row: Mapping[str, Any]) -> str:
    """Write a voxel's size: rows, columns, slices.

    >>> voxel({"spacing_row_mm": 0.5, "spacing_col_mm": 0.5, "spacing_slice_mm": float("nan")})
    '0.5 × 0.5 × – mm'
    """
    sides = [row[f"spacing_{name}_mm"] for name in ("row", "col", "slice")]
    if not any(_known(side) for side in sides):
        return "unknown"
    return " × ".join(plain(side) for side in sides) + " mm"


def share(value: float | None) -> str:
    """Write a share of 1 in percent.

    >>> share(0.1234), share(0.0), share(0.0001), share(None)
    ('12.3 %', '0 %', '< 0.1 %', '–')
    """
    if value is None or not _known(value):
        return DASH
    if 0 < value < 0.0005:
        return "< 0.1 %"
    return f"{number(100 * value, 1)} %" if value else "0 %"


def plain(value: float | None) -> str:
    """Write a figure with four digits that count, without an exponent.

    >>> plain(-1024.0), plain(0.97656), plain(123456.0), plain(None), plain(0.000012)
    ('−1,024', '0.9766', '123,456', '–', '0.000012')
    """
    if value is None or not _known(value):
        return DASH
    if value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 12)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _finding_chip(one: Finding, row: Mapping[str, Any]) -> Html:
    value, usual = (share(each) if one.measure.unit == "%" else plain(each) for each in (one.value, one.usual))
    unit = " HU" if one.measure.column == "kept_median" and row["modality"] == "CT" else ""
    unit = " mm" if one.measure.unit == "mm" else unit
    words = f"{one.measure.words} {value}{unit}, usually {usual}{unit}"
    return element("li", words, class_="alarm", title=f"{number(one.score, 1, signed=True)} robust standard deviations")


def _remark_chip(remark: Mapping[str, Any]) -> Html:
    words = f"{remark['kind']} {plain(remark['figure'])} {remark['unit']}".replace("-", " ")
    return element("li", f"{words.strip()}: {remark['treatment']}", class_="note")


def _spark(picture: Mapping[str, Any]) -> Html | None:
    """Return the intensity histogram: kept voxels over removed ones, the display window as a band."""
    if picture["kept_counts"] is None:
        return None
    kept, removed = (np.asarray(picture[name][1:-1], dtype=float) for name in ("kept_counts", "removed_counts"))
    top = max(kept.max(), 1.0) if kept.sum() else max(removed.max(), 1.0)
    low, high = picture["histogram_low"], picture["histogram_high"]
    left, right = (
        float(np.clip((edge - low) / (high - low), 0, 1)) * SPARK_WIDTH
        for edge in (picture["window_low"], picture["window_high"])
    )
    band = element("rect", x=f"{left:.1f}", y=0, width=f"{right - left:.1f}", height=SPARK_HEIGHT, class_="window")
    parts = [
        element("path", d=_outline(np.sqrt(np.minimum(values / top, 1.0))), class_=name)
        for name, values in (("removed", removed), ("kept", kept))
    ]
    words = f"Histogram of intensities from {plain(low)} to {plain(high)}"
    box = f"0 0 {SPARK_WIDTH} {SPARK_HEIGHT}"
    return element("svg", band, parts, viewBox=box, preserveAspectRatio="none", role="img", aria_label=words)


def _outline(heights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """Return steps of an SVG path for heights in [0, 1]."""
    width = SPARK_WIDTH / len(heights)
    steps = [
        f"L{at * width:.1f} {level}L{(at + 1) * width:.1f} {level}"
        for at, level in enumerate(f"{SPARK_HEIGHT * (1 - value):.1f}" for value in heights)
    ]
    return f"M0 {SPARK_HEIGHT}{''.join(steps)}L{SPARK_WIDTH} {SPARK_HEIGHT}Z"
