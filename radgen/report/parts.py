"""Pieces that all sections of the page use: figures with captions, numbers, notices."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from radgen.report.album import Picture, read_list
from radgen.report.html import Html, element, join
from radgen.report.theme import STYLE

DASH = "–"


def document(title: str, body: Html, style: str = "") -> str:
    """Return a whole page that opens from disk: no scripts, nothing from elsewhere; `style` is added to the theme."""
    head = join(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Html(STYLE + style)),
    )
    return f"<!doctype html>\n{element('html', element('head', head), element('body', body), lang='en')}\n"


@dataclass(frozen=True)
class Block:
    """One section of the page."""

    anchor: str
    title: str
    body: Html


class Pictures:
    """The figures of `figures.json`, as the page shows them.

    Parameters
    ----------
    listing
        Path of `figures.json`; the pictures lie beside it.
    page
        Path of the page, to which links are relative.
    """

    def __init__(self, listing: Path, page: Path) -> None:
        self.pictures, self.absent = read_list(listing)
        self._folder = Path(os.path.relpath(listing.parent, page.parent)).as_posix()

    def of(self, section: str, *, source: str | None = None) -> Html:
        """Return the figures of one section, of one source where one is given."""
        chosen = [one for one in self.pictures if one.section == section and source in {None, one.source}]
        return join([self._figure(one) for one in chosen])

    def has(self, section: str, *, source: str | None = None) -> bool:
        """Tell whether a section has figures."""
        return bool(self.of(section, source=source))

    @property
    def shows_archive(self) -> bool:
        """Whether pixels of the archive can be seen."""
        return any(one.real_pixels for one in self.pictures)

    def _figure(self, one: Picture) -> Html:
        stem = f"{self._folder}/{one.name}"
        image = element("img", src=f"{stem}.png", alt=one.title, width=one.width_px, height=one.height_px)
        title = one.title if one.title.endswith("?") else f"{one.title}."
        links = [element("a", "PDF", href=f"{stem}.pdf"), " ", element("a", "CSV", href=f"{stem}.csv")]
        caption = element("figcaption", element("b", title), " ", one.caption, " ", links)
        return element("figure", element("a", image, href=f"{stem}.png"), caption, id=one.name)


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Write a number with fixed digits, or a dash where there is none.

    >>> number(0.12345), number(None), number(0.5, 2, signed=True)
    ('0.123', '–', '+0.50')
    """
    if value is None or not math.isfinite(value):
        return DASH
    sign = "+" if signed else ""
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def interval(lower: float | None, upper: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """Write an interval.

    >>> interval(-0.1, 0.2, 2, signed=True)
    '[−0.10, +0.20]'
    """
    if lower is None or upper is None or not (math.isfinite(lower) and math.isfinite(upper)):
        return DASH
    return f"[{number(lower, digits, signed=signed)}, {number(upper, digits, signed=signed)}]"


def count(value: float | None) -> str:
    """Write a whole number with thousands set apart.

    >>> count(12345)
    '12,345'
    """
    return DASH if value is None or not math.isfinite(value) else f"{int(value):,}"


def paragraph(*children: str | Html) -> Html:
    """Return a paragraph."""
    return element("p", *children)


def notice(*children: str | Html, calm: bool = False) -> Html:
    """Return a box the eye cannot miss."""
    return element("div", element("p", *children), class_="notice calm" if calm else "notice", role="note")


def facts_list(pairs: Iterable[tuple[str, str | Html]]) -> Html:
    """Return a list of names and values."""
    return element("dl", [join(element("dt", name), element("dd", value)) for name, value in pairs])
