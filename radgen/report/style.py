"""How every figure looks and how it is saved: one palette, one font, and bytes that depend on nothing but the tables.

matplotlib is used without pyplot and without a user's matplotlibrc. Its own DejaVu Sans is registered under a name no
system font has, so that an installed DejaVu of another version cannot take its place; dates and program names are left
out of both file formats.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radgen.provenance import atomic_path

FONT = "radgen figures"
DPI = 160
WIDTH_IN = 7.2
WIDTH_PX = 1152
MAX_HEIGHT_IN = 7.5  # 1,200 px at DPI
FOOT_CHARACTERS = 172

INK = "#1b2733"
MUTED = "#5f6b7a"
RULE = "#d5dbe1"
BAND = "#eef1f4"
# Okabe and Ito's colours (jfly.uni-koeln.de/color, 2008), told apart with every common colour vision.
REAL = "#0072b2"
SYNTHETIC = "#d55e00"
GOOD = "#009e73"
FLOOR = "#8a94a0"
WARN = "#b3261e"
# Classes take other colours than real and synthetic.
CLASS_CYCLE = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b6db5", "#7a6652")
# Labels of masks lie over grey images, so they are light and saturated; label n takes colour (n - 1) mod 10.
MASK_CYCLE = (
    "#56b4e9", "#e69f00", "#00c28b", "#cc79a7", "#f0e442", "#ff6f3c", "#8f7bff", "#a6e22e", "#ff4f6d", "#9ad9ff",
)  # fmt: skip

_RC: Mapping[str, Any] = {
    "font.family": [FONT],
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7,
    "axes.labelsize": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a class name is a dollar sign
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "figure.facecolor": "white",
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "savefig.facecolor": "white",
    "image.interpolation": "none",
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "svg.hashsalt": "radgen",
}


# Digits kept of a place, as a share of the figure: far below a pixel.
PLACE_DIGITS = 6


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw inside this block: matplotlib's shipped defaults with the settings above, whatever the user's own are."""
    _register_font()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)
        matplotlib.rcParams.update({k: v for k, v in matplotlib.rcParamsDefault.items() if k not in {"backend"}})
        matplotlib.rcParams.update(_RC)
        yield


def _register_font() -> None:
    if any(entry.name == FONT for entry in font_manager.fontManager.ttflist):
        return
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for file, weight, style in (
        ("DejaVuSans.ttf", 400, "normal"),
        ("DejaVuSans-Bold.ttf", 700, "normal"),
        ("DejaVuSans-Oblique.ttf", 400, "italic"),
    ):
        entry = font_manager.FontEntry(
            fname=str(folder / file), name=FONT, style=style, weight=weight, stretch="normal", size="scalable"
        )
        font_manager.fontManager.ttflist.append(entry)


def new_figure(height_in: float, *, margin_top_in: float = 0.0, margin_bottom_in: float = 0.26) -> Figure:
    """Return an empty figure of the common width; margins are kept free for the mark and the line at its foot."""
    height = round(min(height_in + margin_top_in + margin_bottom_in, MAX_HEIGHT_IN) * DPI) / DPI
    figure = Figure(figsize=(WIDTH_IN, height))
    free = 1 - (margin_top_in + margin_bottom_in) / height
    box = (0.008, margin_bottom_in / height, 0.984, free)
    figure.set_layout_engine("constrained", rect=box, w_pad=0.06, h_pad=0.05, wspace=0.03, hspace=0.04)
    return figure


def inch_axes(figure: Figure, top_in: float = 0.0) -> Axes:
    """Return axes over the whole figure, one unit an inch, y downwards from below a margin of `top_in`."""
    width, height = (float(side) for side in figure.get_size_inches())
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height - top_in, -top_in)
    axes.set_axis_off()
    return axes


def add_marks(figure: Figure, statement: str, trial: str) -> None:
    """Write what the reader must not miss: the foot line of every figure, and the banner and watermark of a trial."""
    height = figure.get_figheight()
    lines = textwrap.wrap(statement, FOOT_CHARACTERS)
    figure.text(0.012, 0.05 / height, "\n".join(lines), fontsize=5.8, color=MUTED, va="bottom", ha="left")
    if trial:
        figure.text(
            0.5, 0.5, "TRIAL", fontsize=92, color=WARN, alpha=0.10, rotation=24, ha="center", va="center",
            weight="bold", zorder=100,
        )  # fmt: skip
        figure.text(
            0.5, 1 - 0.05 / height, trial, fontsize=7.2, color="white", weight="bold", ha="center", va="top",
            zorder=101, bbox={"facecolor": WARN, "edgecolor": "none", "boxstyle": "round,pad=0.35"},
        )  # fmt: skip


def save_figure(figure: Figure, stem: Path) -> tuple[int, int]:
    """Write `<stem>.pdf` and `<stem>.png` without dates or program names; return the PNG's width and height in px."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()  # lays out once, so that both files agree
        figure.set_layout_engine("none")
        _round_places(figure)
    with atomic_path(stem.with_name(f"{stem.name}.pdf")) as path:
        figure.savefig(path, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None})
    with atomic_path(stem.with_name(f"{stem.name}.png")) as path:
        figure.savefig(path, format="png", metadata={"Software": None})
    width, height = figure.get_size_inches() * DPI
    return round(float(width)), round(float(height))


def _round_places(figure: Figure) -> None:
    """Round where axes lie: the layout's solver leaves differences of 1e-12 between processes, which a PDF prints."""
    for axes in figure.axes:
        left, bottom, width, height = (round(edge, PLACE_DIGITS) for edge in axes.get_position(original=True).bounds)
        axes.set_position((left, bottom, width, height))


def quiet_axes(axes: Axes, *, grid: str = "y") -> None:
    """Give axes a light grid along one direction and no ticks along the other."""
    if grid:
        axes.grid(axis=grid)  # type: ignore[arg-type]
        axes.tick_params(axis=grid, length=0)  # type: ignore[arg-type]
        axes.spines["left" if grid == "y" else "bottom"].set_visible(False)


def class_colour(number: int) -> str:
    """Return the colour of class 0, 1, ..."""
    return CLASS_CYCLE[number % len(CLASS_CYCLE)]


def figure_title(figure: Figure, title: str) -> None:
    """Title a figure at its own left edge, where labels beside the axes leave a panel's title too little room."""
    figure.suptitle(title, x=0.012, ha="left", fontsize=_RC["axes.titlesize"], fontweight=_RC["axes.titleweight"])


def panel_title(axes: Axes, title: str, note: str = "") -> None:
    """Title a panel at its left edge, with a muted remark under it."""
    axes.set_title(title + ("\n" if note else ""))
    if note:
        axes.annotate(
            note, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=7, color=MUTED,
            va="bottom", ha="left",
        )  # fmt: skip
