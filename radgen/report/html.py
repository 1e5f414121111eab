"""Markup that is safe by construction: every plain string is escaped, only `Html` is taken as it is."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

VOID = frozenset({"img", "meta", "br", "hr", "link", "input"})
Child: TypeAlias = str | Iterable[str | None] | None


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, /, *children: Child, **attributes: str | int | None) -> Html:
    """Return one element.

    A trailing underscore of an attribute's name is dropped and others become hyphens (`class_`, `aria_label`); an
    attribute that is None is left out; children that are None or empty vanish.

    >>> element("p", "1 < 2", class_="note")
    '<p class="note">1 &lt; 2</p>'
    >>> element("ul", [element("li", "a"), element("li", "b")])
    '<ul><li>a</li><li>b</li></ul>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    """Escape and join children.

    >>> join("a & b", element("b", "c"))
    'a &amp; b<b>c</b>'
    """
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(html.escape(child))
        else:
            parts.append(str(join(*child)))
    return Html("".join(parts))


def table(
    header: Iterable[str | Html],
    rows: Iterable[Iterable[str | Html]],
    *,
    caption: str | Html | None = None,
    numeric: Iterable[int] = (),
) -> Html:
    """Return a table inside a box that scrolls sideways; `numeric` columns are set right."""
    right = set(numeric)

    def cells(kind: str, row: Iterable[str | Html]) -> Html:
        return join([element(kind, cell, class_="n" if at in right else None) for at, cell in enumerate(row)])

    body = [element("tr", cells("td", row)) for row in rows]
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else None,
            element("thead", element("tr", cells("th", header))),
            element("tbody", body),
        ),
        class_="table",
    )
