"""Whether dropping the most uncertain pairs drops the wrong ones."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.study import StudyResults
from radgen.report.style import FLOOR, GOOD, MUTED, SYNTHETIC, panel_title, quiet_axes

CURVE = ("set", "coverage", "risk", "by_disagreement", "random", "ideal")
IMAGES = ("set", "error", "psnr_db", "oracle_error")
HELD_OUT, SAMPLES = "held-out slices", "samples"


def draw_calibration(study: StudyResults, album: Album, source: str) -> None:
    """Draw the risk-coverage curves of held-out slices and of samples, with random and ideal dropping beside."""
    curves = study.table("calibration.curve", CURVE, source=source)
    images = study.table("calibration.images", IMAGES, source=source)
    held = images[images["set"] == HELD_OUT]
    figure = album.new(2.5)
    left, right = figure.subplots(1, 2)
    _draw(left, curves[curves["set"] == HELD_OUT])
    ceiling = float(held["oracle_error"].mean())
    left.axhline(ceiling, color=FLOOR, linewidth=0.8, linestyle=":")
    left.annotate(
        "oracle, on the slices themselves", (1, ceiling), (0, -3), textcoords="offset points", color=MUTED, fontsize=7,
        va="top", ha="right",
    )  # fmt: skip
    psnr = held["psnr_db"]
    note = f"n = {len(held)}, PSNR {psnr.mean():.1f} dB ({psnr.min():.1f} to {psnr.max():.1f})"
    panel_title(left, "Held-out slices, inverted: real masks", note)
    _draw(right, curves[curves["set"] == SAMPLES])
    panel_title(right, "Samples: masks of an oracle", f"n = {int((images['set'] == SAMPLES).sum()):,}")
    left.set_ylabel("1 − Dice of what is kept")
    right.legend(loc="best")
    album.add(
        figure,
        f"calibration_{source}",
        section="labels",
        title=f"Does the label head of {source} know where it is wrong?",
        caption=(
            "Mean error of the masks that are kept (risk-coverage), when those are dropped first of which the heads "
            "expect the largest error, as for pairs; on which they disagree most (Jensen-Shannon divergence); any, at "
            "random; or the worst. Left: held-out real slices, found "
            "again in the generator's W+, so inversion errs too; the dotted line is the error of an oracle, a segmenter"
            " taught on all real training masks and used nowhere else, on the slices themselves. Right: samples, whose "
            "truth is simulated by that oracle, errors of its own included. Areas under the curves, expected "
            f"error over random: {_ratio(curves, HELD_OUT):.2f} and {_ratio(curves, SAMPLES):.2f}."
        ),
        data=curves[list(CURVE)],
        simulated=study.annotator_words(),
        source=source,
    )


def _draw(axes: Axes, curve: pd.DataFrame) -> None:
    axes.plot(curve["coverage"], curve["risk"], color=SYNTHETIC, label="highest expected error dropped first")
    axes.plot(curve["coverage"], curve["by_disagreement"], color=MUTED, linewidth=0.9, label="most disagreement first")
    axes.plot(curve["coverage"], curve["random"], color=FLOOR, linestyle="--", label="dropped at random")
    axes.plot(curve["coverage"], curve["ideal"], color=GOOD, linewidth=0.9, label="worst dropped first")
    axes.set_xlabel("share of images kept")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, None)
    quiet_axes(axes)


def _ratio(curves: pd.DataFrame, name: str) -> float:
    chosen = curves[curves["set"] == name]
    return float(chosen["risk"].mean() / max(chosen["random"].mean(), 1e-12))
