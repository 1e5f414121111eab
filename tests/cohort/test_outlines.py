"""Outlines in XML: what is filled, what selects them, and what untrusted bytes cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radgen.cohort.outlines import MAX_BYTES, MAX_POINTS, fill, parse_case, read_case
from radgen.cohort.refusal import RefusalError
from tests.cohort.test_layout_tdid import SQUARE, case

SIZE = 40
GOOD = case(1, "4A", {1: [SQUARE], 3: [SQUARE, SQUARE]}).encode()
CORNER = st.integers(0, SIZE - 1)


@given(CORNER, CORNER, CORNER, CORNER)
def test_a_box_is_filled_with_its_boundary(left: int, right: int, top: int, bottom: int) -> None:
    (left, right), (top, bottom) = sorted((left, right)), sorted((top, bottom))
    drawn = fill([((left, top), (right, top), (right, bottom), (left, bottom))], SIZE, SIZE)
    truth = np.zeros((SIZE, SIZE), dtype=np.uint8)
    truth[top : bottom + 1, left : right + 1] = 1
    assert np.array_equal(drawn, truth)


@given(st.lists(st.lists(st.tuples(CORNER, CORNER), min_size=1, max_size=6), min_size=1, max_size=4))
def test_outlines_are_joined_and_hold_their_points(outlines: list[list[tuple[int, int]]]) -> None:
    drawn = fill([tuple(points) for points in outlines], SIZE, SIZE)
    singly = [fill([tuple(points)], SIZE, SIZE) for points in outlines]
    assert np.array_equal(drawn, np.maximum.reduce(singly))
    assert all(drawn[y, x] for points in outlines for x, y in points)


def test_a_case_is_read() -> None:
    found = parse_case(GOOD)
    assert found.tirads == "4a"
    assert {number: len(outlines) for number, outlines in found.outlines.items()} == {1: 1, 3: 2}


MARK = "<case><mark><image>{}</image><svg>{}</svg></mark></case>"
BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><case><tirads>&b;</tirads></case>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB.encode(), "declares a document type"),
        (BOMB.encode("utf-16"), "declares a document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "declares a document type"),
        (b"\xff\xd8\xff", "the XML is damaged"),
        (b"", "the XML is damaged"),
        (b"<?xml version='1.0' encoding='nonsense'?><x/>", "the XML is damaged"),
        (MARK.format("one", "").encode(), "names no number of a picture"),
        (MARK.format(1, "{").encode(), "no list of points"),
        (MARK.format(1, "[" * 100_000).encode(), "no list of points"),
        (MARK.format(1, '[{"points": [{"x": NaN, "y": 1}]}]').encode(), "no list of points"),
        (MARK.format(1, '[{"points": [{"x": 1}]}]').encode(), "no list of points"),
        (MARK.format(1, "7").encode(), "no list of points"),
        (MARK.format(1, '[{"points": [{"x": 1' + "0" * 400 + ', "y": 1}]}]').encode(), "no list of points"),
    ],
)
def test_what_is_no_case_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(RefusalError, match=message):
        parse_case(content)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "1.xml"
    path.write_bytes(GOOD + b" " * MAX_BYTES)
    with pytest.raises(RefusalError, match=f"more than the {MAX_BYTES}"):
        read_case(path)
    point = '{"x":1,"y":1}'
    many = MARK.format(1, f'[{{"points": [{",".join([point] * (MAX_POINTS + 1))}]}}]')
    with pytest.raises(RefusalError, match="points are drawn"):
        parse_case(many.encode())


def test_mutants_are_refused_or_read_but_never_crash() -> None:
    random = np.random.default_rng(0)
    for _ in range(2000):
        mutant = bytearray(GOOD)
        for place in random.integers(0, len(GOOD), random.integers(1, 4)):
            mutant[place] = random.integers(0, 256)
        cut = len(GOOD) if random.random() < 0.8 else int(random.integers(0, len(GOOD)))
        try:
            for outlines in parse_case(bytes(mutant[:cut])).outlines.values():
                fill(outlines, SIZE, SIZE)
        except RefusalError:
            continue
