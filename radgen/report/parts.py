"""Pieces that all sections of the page use: figures with captions, numbers, notices."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from radgen.report.album import Picture, in_edition, read_list
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
    shareable
        Leave out figures that show pixels of the archive, and take those that stand in for them.
    """

    def __init__(self, listing: Path, page: Path, *, shareable: bool = False) -> None:
        pictures, self.absent = read_list(listing)
        self.pictures = in_edition(pictures, shareable=shareable)
        self._listing = listing
        self._folder = Path(os.path.relpath(listing.parent, page.parent)).as_posix()

    def of(self, section: str, *, source: str | None = None) -> Html:
        """Return the figures of one section, of one source where one is given."""
        chosen = [one for one in self.pictures if one.section == section and source in {None, one.source}]
        return join([self._figure(one) for one in chosen])

    def one(self, name: str) -> Html | None:
        """Return the figure of a name, or None where this edition has none."""
        return next((self._figure(each) for each in self.pictures if each.name == name), None)

    def has(self, section: str, *, source: str | None = None) -> bool:
        """Tell whether a section has figures."""
        return bool(self.of(section, source=source))

    @property
    def shows_archive(self) -> bool:
        """Whether pixels of the archive can be seen."""
        return any(one.real_pixels for one in self.pictures)

    def _figure(self, one: Picture) -> Html:
        stem = f"{self._folder}/{one.name}"
        image = self._embedded(one, "png")
        film = element("p", self._embedded(one, "gif"), class_="film") if one.film else None
        title = one.title if one.title.endswith("?") else f"{one.title}."
        kinds = ("pdf", "csv", "gif") if one.film else ("pdf", "csv")
        links = [join(element("a", kind.upper(), href=f"{stem}.{kind}"), " ") for kind in kinds]
        caption = element("figcaption", element("b", title), " ", one.caption, " ", links)
        return element("figure", element("a", image, href=f"{stem}.png"), film, caption, id=one.name)

    def _embedded(self, one: Picture, kind: str) -> Html:
        """Return a picture whose bytes stand in the page itself, so that the page is whole wherever it is moved."""
        data = (self._listing.parent / f"{one.name}.{kind}").read_bytes()
        size = {"width": one.width_px, "height": one.height_px} if kind == "png" else {}
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
        return element("img", src=source, alt=one.title if kind == "png" else f"{one.title}, as a film", **size)


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
