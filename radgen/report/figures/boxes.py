"""Diagrams of boxes and arrows, laid out in inches from the upper left corner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from radgen.report.style import BAND, INK, MUTED, inch_axes

TITLE_IN = 0.16
LINE_IN = 0.125
PAD_IN = 0.07
TITLE_SIZE = 7.2
LINE_SIZE = 6.3
# Widths of an average character at these sizes.
TITLE_CHARACTER_IN, LINE_CHARACTER_IN = 0.066, 0.0515


@dataclass(frozen=True)
class Box:
    """A box with a title and lines below it: its upper left corner, its width and height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> tuple[float, float]:
        """Middle of the right edge."""
        return self.left + self.width, self.top + self.height / 2

    @property
    def middle_left(self) -> tuple[float, float]:
        """Middle of the left edge."""
        return self.left, self.top + self.height / 2

    @property
    def above(self) -> tuple[float, float]:
        """Middle of the upper edge."""
        return self.left + self.width / 2, self.top

    @property
    def below(self) -> tuple[float, float]:
        """Middle of the lower edge."""
        return self.left + self.width / 2, self.top + self.height


class Diagram:
    """Boxes and arrows on a figure; one unit is one inch, and y grows downwards."""

    def __init__(self, figure: Figure, *, top_in: float = 0.0) -> None:
        self.axes = inch_axes(figure, top_in)

    def box(
        self, left: float, top: float, width: float, title: str, lines: Sequence[str], *, colour: str = INK,
        height: float | None = None,
    ) -> Box:  # fmt: skip
        """Draw a box as high as its words, or as given."""
        needed = height_of(lines)
        box = Box(left, top, width, max(needed, height or 0.0))
        shape = FancyBboxPatch(
            (left, top), width, box.height, boxstyle="round,pad=0,rounding_size=0.05", facecolor=BAND, edgecolor=colour,
            linewidth=0.9,
        )  # fmt: skip
        self.axes.add_patch(shape)
        first = top + PAD_IN + (box.height - needed) / 2
        middle = left + width / 2
        title = fitted(title, width, TITLE_CHARACTER_IN)
        self.axes.text(middle, first, title, fontsize=TITLE_SIZE, weight="bold", color=colour, ha="center", va="top")
        for number, words in enumerate(lines):
            place = first + TITLE_IN + number * LINE_IN
            line = fitted(words, width, LINE_CHARACTER_IN)
            self.axes.text(middle, place, line, fontsize=LINE_SIZE, color=INK, ha="center", va="top")
        return box

    def arrow(self, *points: tuple[float, float], colour: str = MUTED) -> None:
        """Draw a line through points that ends in an arrow."""
        xs, ys = zip(*points[:-1], strict=True)
        before = points[-2]
        if len(points) > 2:
            self.axes.plot(xs, ys, color=colour, linewidth=0.9, solid_joinstyle="round", zorder=0)
        style = {"arrowstyle": "-|>", "color": colour, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0.5}
        self.axes.annotate("", points[-1], before, arrowprops=style | {"mutation_scale": 7}, zorder=0)


def fitted(text: str, width_in: float, character_in: float) -> str:
    """Shorten words that do not fit a box.

    >>> fitted("a name that never ends", 1.0, 0.1)
    'a name t…'
    """
    most = max(2, int((width_in - PAD_IN) / character_in))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def height_of(lines: Sequence[str]) -> float:
    """Return the height of a box in inches."""
    return 2 * PAD_IN + TITLE_IN + LINE_IN * len(lines)
