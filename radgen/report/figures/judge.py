"""Whether the judge sees what it must."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.study import StudyResults
from radgen.report.style import FLOOR, GOOD, REAL, WARN, panel_title, quiet_axes

CHECKS = ("check", "level", "unit", "value", "reference", "rises", "n", "reason")
TITLES = {"blur": "Blurred", "shift": "Shifted", "wrong_class": "Wrong class"}
X_WORDS = {"blur": "blur, px", "shift": "shift, px", "wrong_class": "share replaced"}


def judge_accuracy(study: StudyResults) -> tuple[float, float] | None:
    """Return the judge's balanced class accuracy on held-out images and chance, or None where it was not measured."""
    checks = study.table("judge.checks", CHECKS)
    rows = checks[(checks["check"] == "class_accuracy") & checks["value"].notna()]
    return None if rows.empty else (float(rows["value"].iloc[0]), float(rows["reference"].iloc[0]))


def draw_judge(study: StudyResults, album: Album) -> None:
    """Draw the judge's distance for blurred, shifted and wrong-class real images, which must rise."""
    checks = study.table("judge.checks", CHECKS)
    measured = checks[checks["value"].notna()]
    names = [name for name in TITLES if name in set(measured["check"])]
    if not names:
        album.absent["judge"] = "; ".join(sorted(set(checks["reason"].dropna()))) or "no check was made"
        return
    figure = album.new(2.2)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        _panel(axes, measured[measured["check"] == name].sort_values("level"), name)
    accuracy = judge_accuracy(study)
    words = (
        ""
        if accuracy is None
        else f" Its balanced class accuracy on them is {accuracy[0]:.2f} (chance {accuracy[1]:.2f})."
    )
    falls = measured[~measured["rises"].astype(bool)]
    verdict = (
        "Every step rises." if falls.empty else f"{len(falls)} steps do NOT rise (red): read the scores with care."
    )
    album.add(
        figure,
        "judge",
        section="judge",
        title="What the judge sees",
        caption=(
            "Frechet distance between held-out real images and the same images made worse, by the judge that scores "
            f"every published number and enters no training. {verdict}{words}"
        ),
        data=measured[measured["check"].isin(names)][["check", "level", "unit", "value", "reference", "rises", "n"]],
    )


def _panel(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    places = list(range(1, len(rows) + 1))
    values = rows["value"].to_numpy(float)
    start = float(rows["reference"].iloc[0])
    axes.plot([0, *places], [start, *values], color=REAL, zorder=2)
    axes.plot([0], [start], marker="o", color=FLOOR, zorder=3)
    for place, value, rises in zip(places, values, rows["rises"].astype(bool), strict=True):
        axes.plot([place], [value], marker="o", color=GOOD if rises else WARN, zorder=3)
    axes.set_xticks([0, *places], ["none", *(f"{level:g}" for level in rows["level"])])
    axes.set_xlabel(X_WORDS[name])
    axes.set_ylim(0, 1.1 * max([1e-9, start, *values]))
    quiet_axes(axes)
    panel_title(axes, TITLES[name], f"n = {int(rows['n'].max()):,}")
