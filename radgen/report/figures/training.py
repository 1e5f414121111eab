"""Training curves of a generator and of the encoder that guided it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from radgen.report.album import Album
from radgen.report.scores import companions_in_words, may_show_frechet, shown_scores
from radgen.report.study import StudyResults, dig
from radgen.report.style import FLOOR, GOOD, INK, MUTED, REAL, SYNTHETIC, panel_title, quiet_axes

HISTORY = ("seen_images", "metric", "value")
ENCODER_HISTORY = ("seen_images", "split", "metric", "value")
DISTANCE = "domain_fid"
LOSSES = {"loss_discriminator": ("discriminator", REAL), "loss_generator": ("generator", SYNTHETIC)}


def draw_training(study: StudyResults, album: Album, source: str) -> None:
    """Draw losses, the distance that chose the weights, and the encoder's loss, by images seen."""
    history = study.table("gan.history", HISTORY, source=source)
    distance = history[history["metric"] == DISTANCE]
    shows_distance = len(distance) > 0 and may_show_frechet(study, source)
    has_encoder = study.has("encoder.history", source=source)
    figure = album.new(2.35)
    axes = list(figure.subplots(1, 1 + shows_distance + has_encoder, squeeze=False)[0])
    _losses(axes.pop(0), history)
    published = _published_images(study, source)
    if shows_distance:
        _distance(axes.pop(0), distance, published)
    if has_encoder:
        _encoder(axes.pop(0), study.table("encoder.history", ENCODER_HISTORY, source=source))
    album.add(
        figure,
        f"training_{source}",
        section="training",
        title=f"Training of {source}",
        caption=_caption(study, source, distance_there=len(distance) > 0, shows_distance=shows_distance),
        data=_drawn(study, source, history, [*LOSSES, *([DISTANCE] if shows_distance else [])]),
        source=source,
    )


def _drawn(study: StudyResults, source: str, history: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Return the points of all panels: network, images seen, metric, value."""
    own = history[history["metric"].isin(metrics)].assign(network="generator")
    if study.has("encoder.history", source=source):
        encoder = study.table("encoder.history", ENCODER_HISTORY, source=source)
        shown = encoder[(encoder["metric"] == "loss") & (encoder["split"] == "train")].assign(network="encoder")
        own = pd.concat([own, shown])
    return own[["network", "seen_images", "metric", "value"]]


def _caption(study: StudyResults, source: str, *, distance_there: bool, shows_distance: bool) -> str:
    words = "Losses by real images shown, mean since the point before."
    if shows_distance:
        quality = companions_in_words(shown_scores(study, source))
        words += (
            " The domain distance is the encoder's, between samples and validation images; it chooses the published "
            "weights (circle) and is no published score. By the judge, on held-out images: "
            f"{quality[0].lower()}{quality[1:]}"
        )
    elif distance_there:
        words += " The domain distance at ticks is withheld: recall or the audit of copies is missing."
    return words


def _losses(axes: Axes, history: pd.DataFrame) -> None:
    for metric, (words, colour) in LOSSES.items():
        rows = history[history["metric"] == metric].sort_values("seen_images")
        if rows.empty:
            continue
        axes.plot(rows["seen_images"] / 1000, rows["value"], color=colour)
        axes.annotate(
            words, (rows["seen_images"].iloc[-1] / 1000, rows["value"].iloc[-1]), (5, 0), textcoords="offset points",
            color=colour, fontsize=7, ha="left", va="center",
        )  # fmt: skip
    _finish(axes, "Losses", "")


def _distance(axes: Axes, rows: pd.DataFrame, published: int | None) -> None:
    rows = rows.sort_values("seen_images")
    axes.plot(rows["seen_images"] / 1000, rows["value"], color=INK, marker="o", markersize=3)
    chosen = rows[rows["seen_images"] == published]
    for seen, value in zip(chosen["seen_images"], chosen["value"], strict=True):
        axes.plot(seen / 1000, value, marker="o", markersize=10, markerfacecolor="none", color=GOOD)
        axes.annotate(
            f"published: {value:.3g}", (seen / 1000, value), (0, -9), textcoords="offset points", color=GOOD,
            fontsize=7, ha="right", va="top",
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    _finish(axes, "Domain Frechet distance", "encoder, validation; for the choice only")


def _encoder(axes: Axes, history: pd.DataFrame) -> None:
    rows = history[(history["metric"] == "loss") & (history["split"] == "train")].sort_values("seen_images")
    axes.plot(rows["seen_images"] / 1000, rows["value"], color=FLOOR)
    _finish(axes, "Encoder loss", "")


def _finish(axes: Axes, title: str, note: str) -> None:
    axes.set_xlabel("images seen, thousands", color=MUTED)
    axes.set_xlim(left=0)
    quiet_axes(axes)
    panel_title(axes, title, note)


def _published_images(study: StudyResults, source: str) -> int | None:
    """Return after how many images the published weights were taken, as the generator's manifest notes it."""
    seen = dig(study.manifest("gan.manifest", source=source), "run", "notes", "published_images")
    return int(seen) if isinstance(seen, int) else None
