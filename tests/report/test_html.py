"""Markup is safe by construction."""

from __future__ import annotations

import ast
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from radgen.report.html import Html, element, join, table
from tests.conftest import REPOSITORY

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=40)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.attributes: list[str | None] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT, TEXT)
def test_any_text_comes_back_as_it_went_in(text: str, title: str) -> None:
    reader = Reader()
    reader.feed(element("p", text, title=title))
    reader.close()
    assert (reader.text, reader.attributes, reader.tags) == (text, [title], ["p"])


def test_markup_is_kept_and_none_vanishes() -> None:
    assert join(Html("<b>x</b>"), None, "<") == "<b>x</b>&lt;"
    assert element("p", class_=None, data_x=1) == '<p data-x="1"></p>'


def test_a_table_marks_its_numeric_columns() -> None:
    made = table(("a", "b"), [["<", "1"]], numeric=(1,))
    assert '<td>&lt;</td><td class="n">1</td>' in made


def test_nothing_but_constants_is_taken_for_markup() -> None:
    # `Html` is the one way around escaping; all else that a page shows goes through `element`, `join` and `table`. What
    # `document` is given for its style sheet are constants too.
    taken = []
    for path in sorted((REPOSITORY / "radgen").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Html":
                words = [node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)]
                taken += [(path.name, word) for word in words if path.name != "html.py"]
    assert len(taken) >= 5
    assert {(name, word) for name, word in taken if not word.isupper()} == {("parts.py", "style")}
