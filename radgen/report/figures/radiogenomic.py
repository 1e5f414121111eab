"""Nodules from genes: patches, grids, coupling, what genes own, saliency, masks, copies, survival."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

from radgen.imageset.core import ImageSet
from radgen.report.album import Album
from radgen.report.gallery import mosaic, resized, rgb
from radgen.report.study import StudyResults, dig, spread
from radgen.report.style import (
    CLASS_CYCLE,
    FLOOR,
    INK,
    MUTED,
    REAL,
    SYNTHETIC,
    WIDTH_PX,
    panel_title,
    quiet_axes,
)

SECTION = "radiogenomic"
SCORES = ("metric", "space", "value", "low", "high", "n", "words")
FEATURE_WORDS = {
    "area_mm2": "area, mm²",
    "diameter_mm": "diameter, mm",
    "mean_hu": "mean, HU",
    "std_hu": "deviation, HU",
    "gradient_hu_per_mm": "gradient, HU per mm",
    "roundness": "roundness",
}
SHOWN_FEATURES = ("diameter_mm", "mean_hu", "roundness")
FACTORS = ("genes", "background", "noise")
GRIDS = {
    "background": "a row has one patient's genes and one noise, and another background in each column",
    "gene": "a row has one background and one noise, and another patient's genes in each column",
    "noise": "a row has one patient's genes and one background, and another noise in each column",
}
TILE_PX = 96
LEFT_PX = 16
GRID_HEIGHT_PX = 1_040
TOP_GENES = 40


def caption_words(study: StudyResults) -> list[str]:
    """Return what must be said under everything that rests on the study's genes and masks."""
    notes = [dig(study.manifest(f"{stage}.manifest"), "run", "notes", "caption") for stage in ("rna", "nodules")]
    return [word for note in notes if note for word in str(note).split("; ")]


def scale_words(nodules: ImageSet) -> str:
    """Say that millimetres are pixels where patches have no known size."""
    known = np.isfinite(nodules.column("spacing_row_mm").astype(np.float64)).all()
    return "" if known else "Pixels of these patches have no known size: one counts as 1 mm. "


def scores_of(study: StudyResults, source: str) -> pd.DataFrame:
    """Return the tidy scores of a source."""
    return study.table("radiogenomic_scores.scores", SCORES, source=source)


def value_of(scores: pd.DataFrame, metric: str, space: str = "") -> float | None:
    """Return one score; None where it was not measured."""
    found = scores[(scores["metric"] == metric) & (scores["space"] == space)]["value"]
    return None if found.empty or not np.isfinite(found.iloc[0]) else float(found.iloc[0])


def words_of(scores: pd.DataFrame, metric: str, space: str = "") -> str:
    """Return the sentence of one score, ended by a full stop; nothing where it has none."""
    found = scores[(scores["metric"] == metric) & (scores["space"] == space)]["words"]
    text = "" if found.empty else str(found.iloc[0]).rstrip(".")
    return f"{text}." if text else ""


# ---------------------------------------------------------------- pictures


def draw_patches(study: StudyResults, album: Album) -> None:
    """Show training nodules with the edges of their masks, and healthy backgrounds."""
    nodules, healthy = study.images("nodules.index"), study.images("nodules.backgrounds")
    count = (WIDTH_PX - 2 * LEFT_PX) // (TILE_PX + 4)
    rows = [spread(images.rows_where(split="train"), count) for images in (nodules, healthy)]
    tiles = [outlined(nodules.images(rows[0])[:, 0], nodules.covers(rows[0])), rgb(healthy.images(rows[1]))]
    sheet = album.sheet(2 * (TILE_PX + 26) + 30)
    for line, (title, shown) in enumerate(zip(("NODULES", "HEALTHY BACKGROUNDS"), tiles, strict=True)):
        top = album.sheet_top + line * (TILE_PX + 26)
        sheet.words(title, LEFT_PX, top, weight="bold", fontsize=8, color=REAL)
        sheet.picture(mosaic([shown], count, size_px=TILE_PX), LEFT_PX, top + 16)
    shown_ids = [*nodules.column("image_id")[rows[0]], *healthy.column("image_id")[rows[1]]]
    album.add(
        sheet.figure,
        "nodule_patches",
        section=SECTION,
        title="Patches of training patients",
        caption=f"{len(nodules):,} nodule patches and {len(healthy):,} healthy ones; yellow is the edge of a mask.",
        data=pd.DataFrame({"image_id": shown_ids}),
        simulated=caption_words(study),
        real_pixels=True,
    )


def outlined(images: NDArray[np.uint8], masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images uint8 [n, H, W] in colours [n, H, W, 3], with the pixels just outside their masks in yellow."""
    shown = rgb(images[:, None])
    inside = np.pad(masks >= 128, ((0, 0), (1, 1), (1, 1)))
    near = inside[:, :-2, 1:-1] | inside[:, 2:, 1:-1] | inside[:, 1:-1, :-2] | inside[:, 1:-1, 2:]
    shown[near & ~inside[:, 1:-1, 1:-1]] = (255, 190, 60)
    return shown


def draw_grids(study: StudyResults, album: Album, source: str) -> None:
    """Show the three grids: one of background, genes and noise changes along a row, the others stay."""
    for varies, meaning in GRIDS.items():
        with Image.open(study.path(f"radiogenomic_sample.grid_{varies}", source=source)) as file:
            pixels = np.asarray(file.convert("RGB"))
        shown = _fitting(pixels)
        sheet = album.sheet(shown.shape[0] + 28)
        sheet.picture(shown, LEFT_PX, album.sheet_top)
        album.add(
            sheet.figure,
            f"grid_{varies}_{source}",
            section=SECTION,
            title=f"One {varies} after another: {source}",
            caption=(
                f"Left a healthy background, then nodules drawn into it: {meaning}. Yellow is the edge of the mask; "
                "below each nodule how much the genes changed the background's maps, white most."
            ),
            data=pd.DataFrame({"varies": [varies], "rows": [shown.shape[0]], "columns": [shown.shape[1]]}),
            simulated=caption_words(study),
            source=source,
            real_pixels=True,
        )


def _fitting(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a grid in whole multiples of its pixels, as many of its rows as a page takes.

    A grid of r rows of images, each with a row of switch maps, has 2 r tiles above each other and r + 1 beside.
    """
    height, width = pixels.shape[:2]
    tile = width - height // 2
    factor = max(1, (WIDTH_PX - 2 * LEFT_PX) // width)
    rows = max(1, min(height // (2 * tile), GRID_HEIGHT_PX // (2 * tile * factor)))
    return np.asarray(resized(pixels[None, : rows * 2 * tile], rows * 2 * tile * factor)[0])


# ---------------------------------------------------------------- coupling and genes


def draw_coupling(study: StudyResults, album: Album, source: str) -> None:
    """Draw generated against real measures of held-out patients, and the test's p beside those of shuffled genes."""
    scores = scores_of(study, source)
    pairs = study.table("radiogenomic_scores.agreement", ("feature", "real", "generated"), source=source)
    shuffles = study.table("radiogenomic_scores.shuffles", ("space", "shuffle", "p_value"), source=source)
    figure = album.new(2.5)
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 0.9))
    for panel, feature in zip(axes, SHOWN_FEATURES, strict=False):
        _agreement_panel(panel, pairs[pairs["feature"] == feature], feature, value_of(scores, "agreement_r", feature))
    _p_panel(axes[3], scores, shuffles)
    told = " ".join(words_of(scores, "coupling_p", space) for space in ("radiomic", "encoder"))
    album.add(
        figure,
        f"coupling_{source}",
        section=SECTION,
        title=f"Do nodules of {source} follow the genes of patients it never saw?",
        caption=(
            "Each dot is a held-out patient: mean over the images from that patient's genes against the mean over the "
            f"patient's own nodules; grey is equality. {scale_words(study.images('nodules.index'))}"
            "Right: the test's p (diamonds), and p of the same test with "
            f"shuffled genes (dots). {told}"
        ),
        data=pairs[["feature", "real", "generated"]],
        simulated=caption_words(study),
        source=source,
    )


def _agreement_panel(axes: Axes, rows: pd.DataFrame, feature: str, found: float | None) -> None:
    real, made = rows["real"].to_numpy(), rows["generated"].to_numpy()
    low, high = float(min(real.min(), made.min())), float(max(real.max(), made.max()))
    axes.plot([low, high], [low, high], color=FLOOR, linewidth=0.8)
    axes.plot(real, made, "o", color=SYNTHETIC, markersize=3, alpha=0.8)
    quiet_axes(axes)
    axes.locator_params(nbins=3)
    axes.set_xlabel("real")
    axes.set_ylabel("generated" if feature == SHOWN_FEATURES[0] else "")
    panel_title(axes, FEATURE_WORDS[feature], "constant" if found is None else f"r = {found:.2f}, n = {len(rows)}")


def _p_panel(axes: Axes, scores: pd.DataFrame, shuffles: pd.DataFrame) -> None:
    spaces = ("radiomic", "encoder")
    for place, space in enumerate(spaces):
        p = np.sort(shuffles[shuffles["space"] == space]["p_value"].to_numpy())
        axes.plot(place + np.linspace(-0.25, 0.25, len(p)), p, "o", color=FLOOR, markersize=3)
        own = value_of(scores, "coupling_p", space)
        if own is not None:
            axes.plot(place, own, "D", color=SYNTHETIC, markersize=5, zorder=3)
    axes.axhline(0.05, color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    ticks = (1.0, 0.1, 0.01, 0.001, 0.0001)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(5e-5, 1.6)
    axes.set_xticks(range(len(spaces)), spaces)
    axes.set_xlim(-0.5, len(spaces) - 0.5)
    quiet_axes(axes)
    panel_title(axes, "p of coupling", "dashed: .05")


def draw_shares(study: StudyResults, album: Album, source: str) -> None:
    """Draw what genes, background and noise explain of each measure."""
    scores = scores_of(study, source)
    rows = scores[scores["metric"].isin([f"variance_{factor}" for factor in FACTORS])]
    if rows.empty:
        album.absent[f"shares_{source}"] = "too few held-out patients with healthy patches for a design"
        return
    figure = album.new(2.2)
    axes = figure.subplots()
    features = [name for name in FEATURE_WORDS if name in set(rows["space"])]
    left = np.zeros(len(features))
    for factor, colour in zip(FACTORS, (SYNTHETIC, REAL, FLOOR), strict=True):
        values = np.array([value_of(scores, f"variance_{factor}", name) or 0.0 for name in features])
        axes.barh(range(len(features)), values, left=left, color=colour, height=0.62, label=factor)
        left += values
    axes.barh(range(len(features)), 1 - left, left=left, color="#eef1f4", height=0.62, label="their interplay")
    axes.set_yticks(range(len(features)), [FEATURE_WORDS[name] for name in features])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the variance")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    quiet_axes(axes, grid="x")
    album.add(
        figure,
        f"shares_{source}",
        section=SECTION,
        title=f"What a nodule of {source} owes to genes, background and noise",
        caption=(
            "Held-out patients' genes, healthy patches and draws of noise in every combination, "
            f"{int(rows['n'].max())} images: the share of each measure's variance that one of them explains alone "
            "(eta squared)."
        ),
        data=rows[["metric", "space", "value", "n"]],
        simulated=caption_words(study),
        source=source,
    )


def draw_saliency(study: StudyResults, album: Album, source: str) -> None:
    """Draw the genes by how much they move a nodule, those with a planted pathway in its colour."""
    scores = scores_of(study, source)
    table = study.table("radiogenomic_scores.saliency", ("gene", "strength", "pathway"), source=source)
    ranked = table.sort_values("strength", ascending=False).reset_index(drop=True)
    planted = sorted(set(ranked["pathway"].dropna()))
    figure = album.new(2.2)
    axes = figure.subplots()
    if planted:
        axes.bar(range(len(ranked)), ranked["strength"], width=1.0, color="#c9d0d7", label="noise")
        for pathway, colour in zip(planted, CLASS_CYCLE, strict=False):
            rows = ranked[ranked["pathway"] == pathway]
            axes.bar(rows.index, rows["strength"], width=1.0, color=colour, label=f"planted: {pathway}")
        axes.set_xlabel(f"{len(ranked):,} genes, strongest first")
        axes.legend(loc="upper right")
        told = words_of(scores, "saliency_auc")
    else:
        top = ranked.head(TOP_GENES)
        axes.bar(range(len(top)), top["strength"], color=SYNTHETIC)
        axes.set_xticks(range(len(top)), top["gene"], rotation=90, fontsize=6)
        told = f"The {len(top)} strongest of {len(ranked):,} genes; nothing says which of them truly matter."
    axes.set_ylabel("saliency")
    quiet_axes(axes)
    album.add(
        figure,
        f"saliency_{source}",
        section=SECTION,
        title=f"Which genes move a nodule of {source}?",
        caption=f"Derivatives of area, density and edge of a nodule by one deviation of each gene, combined. {told}",
        data=ranked,
        simulated=caption_words(study),
        source=source,
    )


# ---------------------------------------------------------------- masks, copies, survival


def draw_masks(study: StudyResults, album: Album, source: str) -> None:
    """Draw how well a segmenter of real nodules agrees with masks of held-out patients and with generated ones."""
    scores = scores_of(study, source)
    rows = scores[scores["metric"] == "mask_dice"].reset_index(drop=True)
    words = {"held-out": "real, held-out patients", "generated": "generated"}
    figure = album.new(1.2)
    axes = figure.subplots()
    for place, row in enumerate(rows.to_dict("records")):
        colour = SYNTHETIC if row["space"] == "generated" else REAL
        axes.hlines(place, row["low"], row["high"], color=colour, linewidth=1.4, alpha=0.6)
        axes.plot(row["value"], place, "o", color=colour, markersize=5)
        axes.annotate(f"{row['value']:.3f}", (row["value"], place), (0, 5), textcoords="offset points", fontsize=7)
    axes.set_yticks(range(len(rows)), [words[name] for name in rows["space"]])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.set_xlabel("Dice, mean over patients")
    quiet_axes(axes, grid="x")
    album.add(
        figure,
        f"masks_{source}",
        section=SECTION,
        title=f"Do masks of {source} lie where its nodules are?",
        caption=(
            f"{words_of(scores, 'mask_dice', 'generated')} It never saw the generator. Bars: 95 % bootstrap intervals "
            "over patients."
        ),
        data=rows[["metric", "space", "value", "low", "high", "n"]],
        simulated=caption_words(study),
        source=source,
    )


def draw_copies(study: StudyResults, album: Album, source: str) -> None:
    """Draw the distances of generated nodules to the nearest training one."""
    columns = ("space", "distance", "limit")
    nearest = study.table("radiogenomic_scores.nearest", columns, source=source)
    scores = scores_of(study, source)
    figure = album.new(2.2)
    spaces = {"encoder": "by a feature network", "pixels": "by pixels"}
    for axes, (space, title) in zip(figure.subplots(1, 2), spaces.items(), strict=True):
        rows = nearest[nearest["space"] == space]
        axes.hist(rows["distance"], bins=40, color=SYNTHETIC, alpha=0.75)
        axes.axvline(rows["limit"].iloc[0], color=INK, linewidth=1)
        axes.set_xlabel("distance to the nearest training nodule")
        quiet_axes(axes, grid="y")
        panel_title(
            axes, f"Nearest {title}", f"{100 * (value_of(scores, 'copies', space) or 0):.1f} % left of the line"
        )
    album.add(
        figure,
        f"copies_{source}",
        section=SECTION,
        title=f"Does {source} copy training patients?",
        caption=" ".join(["Left of the line lie copies.", *(words_of(scores, "copies", space) for space in spaces)]),
        data=nearest[list(columns)],
        simulated=caption_words(study),
        source=source,
    )


SURVIVAL = ("variables", "count", "concordance", "low", "high", "gain", "gain_low", "gain_high", "patients", "deaths")


def draw_survival(study: StudyResults, album: Album, source: str) -> None:
    """Draw the concordance of clinical variables, of the embedding, and of both."""
    rows = study.table("radiogenomic_survival.table", SURVIVAL, source=source)
    figure = album.new(1.5)
    left, right = figure.subplots(1, 2, sharey=True)
    for place, row in enumerate(rows.to_dict("records")):
        _interval(left, place, row["concordance"], row["low"], row["high"])
        if row["variables"] != "clinical":
            _interval(right, place, row["gain"], row["gain_low"], row["gain_high"])
    for axes, level, title in ((left, 0.5, "Concordance"), (right, 0.0, "Gain over clinical variables")):
        axes.axvline(level, color=MUTED, linewidth=0.7, linestyle=(0, (4, 3)))
        quiet_axes(axes, grid="x")
        panel_title(axes, title)
    left.set_yticks(range(len(rows)), [f"{row['variables']} ({row['count']})" for row in rows.to_dict("records")])
    left.set_ylim(len(rows) - 0.4, -0.7)
    album.add(
        figure,
        f"survival_{source}",
        section=SECTION,
        title=f"Does the embedding of {source} tell survival?",
        caption=(
            f"Harrell's C of held-out folds, ridge-penalised Cox models, {int(rows['patients'].max())} patients, "
            f"{int(rows['deaths'].max())} deaths; bars are 95 % bootstrap intervals over patients. Dashed: chance, and "
            "no gain. The encoder never saw survival, but saw training patients' genes and images."
        ),
        data=rows[list(SURVIVAL)],
        simulated=caption_words(study),
        source=source,
    )


def _interval(axes: Axes, place: int, value: float, low: float, high: float) -> None:
    axes.hlines(place, low, high, color=SYNTHETIC, linewidth=1.4, alpha=0.6)
    axes.plot(value, place, "o", color=SYNTHETIC, markersize=5)
    axes.annotate(f"{value:.3f}", (value, place), (0, 5), textcoords="offset points", fontsize=7)
