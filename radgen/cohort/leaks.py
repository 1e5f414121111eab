"""Find files of one person in an archive by what they hold: shared value grids, the same picture, blocks of rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from radgen.cohort.candidates import Candidate
from radgen.cohort.groups import join
from radgen.cohort.leak_looks import Look, look_at, numbers_of
from radgen.cohort.leak_pictures import picture_links
from radgen.cohort.leak_rows import RowStructure, row_structure

# Steps closer than this (relative) are the same; single precision tells a step to 1e-8 from thousands of values.
SAME_STEP = 1e-6
# A step that more series share is a convention of a site or a program, not of one scan.
MOST_SERIES_PER_STEP = 16
# Successive numbers are taken for one person where so many of the pairs that a grid can judge are.
LEAST_SHARE_OF_NEIGHBOURS = 0.3
FEWEST_JUDGED_NEIGHBOURS = 10
CORRELATION = 0.9
SERIES_PER_TASK = 16


@dataclass(frozen=True)
class Evidence:
    """One link between two series.

    Parameters
    ----------
    kind
        grid | picture | neighbour | rows.
    one, two
        Places of the series.
    figure
        Of a grid, the step's relative difference; of a picture, the correlation; of a neighbour, the share of judged
        neighbours that are of one scan; of rows, the distance of the numbers.
    """

    kind: str
    one: int
    two: int
    figure: float


@dataclass(frozen=True)
class Leaks:
    """What was found.

    Parameters
    ----------
    groups
        A name for each series; those of one person share it.
    evidence
        The links that made them.
    by_chance
        How many grid links are expected among strangers.
    neighbours
        Share of successive numbers that share a grid, and how many were judged.
    rows
        The row structure of each list of numbered files that has one.
    unread
        How many series left no trace.
    """

    groups: list[str]
    evidence: list[Evidence]
    by_chance: float
    neighbours: tuple[float, int]
    rows: list[RowStructure] = field(default_factory=list)
    unread: int = 0


def find_leaks(
    candidates: Sequence[Candidate], archive: Path, correlation: float = CORRELATION, workers: int = 1
) -> Leaks:
    """Look once at every series, and link those that are of one person.

    Parameters
    ----------
    candidates
        Series of the archive; masks are not among them. Identifiers and patients are not looked at.
    archive
        Where their files lie.
    correlation
        See `picture_links`.
    workers
        Processes that read.
    """
    make = partial(look_at, archive)
    if workers == 1 or len(candidates) < 4 * SERIES_PER_TASK:
        looks = [make(candidate) for candidate in candidates]
    else:
        with ProcessPoolExecutor(workers) as pool:
            looks = list(pool.map(make, candidates, chunksize=SERIES_PER_TASK))
    lists = _lists(candidates)
    grids, by_chance = grid_links([look.step for look in looks])
    evidence = [*grids, *_pictures(looks, correlation)]
    near, neighbours = _neighbours(looks, lists, grids)
    evidence += near
    found = []
    for numbered in lists:
        links, structure = _rows(looks, numbered)
        evidence += links
        found += [] if structure is None else [structure]
    joined = join([*([place] for place in range(len(candidates))), *([link.one, link.two] for link in evidence)])
    groups = [f"group {candidates[joined[place]].paths[0]}" for place in range(len(candidates))]
    unread = sum(look.thumbnail is None for look in looks)
    return Leaks(_short(groups), evidence, by_chance, neighbours, found, unread)


def grid_links(steps: Sequence[float | None]) -> tuple[list[Evidence], float]:
    """Link series whose values are multiples of one step.

    Returns
    -------
    links, by_chance
        The links; and how many are expected among strangers, told from how many steps are nearly but not the same.
    """
    known = sorted((math.log(step), place) for place, step in enumerate(steps) if step is not None)
    runs: list[list[int]] = []
    for number, (value, place) in enumerate(known):
        if number and value - known[number - 1][0] < SAME_STEP:
            runs[-1].append(place)
        else:
            runs.append([place])
    links = []
    for run in runs:
        if 1 < len(run) <= MOST_SERIES_PER_STEP:
            for one, two in pairwise(sorted(run)):
                apart = abs(math.log(float(steps[one] or 1) / float(steps[two] or 1)))
                links.append(Evidence("grid", one, two, apart))
    values = np.array([value for value, _ in known])
    wide, narrow = 1000 * SAME_STEP, 2 * SAME_STEP
    near = sum(int(np.searchsorted(values, value + wide) - np.searchsorted(values, value + narrow)) for value in values)
    return links, near * SAME_STEP / (wide - narrow)


def _pictures(looks: Sequence[Look], correlation: float) -> list[Evidence]:
    seen = [place for place, look in enumerate(looks) if look.thumbnail is not None and look.thumbnail.std() > 0]
    links = picture_links(
        [look.thumbnail for place in seen if (look := looks[place]).thumbnail is not None], correlation
    )
    return [Evidence("picture", seen[one], seen[two], figure) for one, two, figure in links]


def _lists(candidates: Sequence[Candidate]) -> list[list[tuple[int, int]]]:
    """Return each list of numbered files as (number, place of the series), by number."""
    lists: dict[str, list[tuple[int, int]]] = {}
    for place, found in enumerate(numbers_of(list(candidates))):
        if found is not None:
            lists.setdefault(found[0], []).append((found[1], place))
    return [sorted(lists[name]) for name in sorted(lists)]


def _neighbours(
    looks: Sequence[Look], lists: Iterable[Sequence[tuple[int, int]]], grids: Sequence[Evidence]
) -> tuple[list[Evidence], tuple[float, int]]:
    """Link successive numbers that no grid can judge, where enough of those that a grid judges are of one scan."""
    same = {frozenset((link.one, link.two)) for link in grids}
    judged, open_pairs = [], []
    for numbered in lists:
        for (number, one), (following, two) in pairwise(numbered):
            if following != number + 1 or looks[one].kind != looks[two].kind:
                continue
            if looks[one].step is None and looks[two].step is None:
                open_pairs.append((one, two))
            else:
                judged.append(frozenset((one, two)) in same)
    share = sum(judged) / max(len(judged), 1)
    if len(judged) < FEWEST_JUDGED_NEIGHBOURS or share < LEAST_SHARE_OF_NEIGHBOURS:
        open_pairs = []
    return [Evidence("neighbour", one, two, share) for one, two in open_pairs], (share, len(judged))


def _rows(looks: Sequence[Look], numbered: Sequence[tuple[int, int]]) -> tuple[list[Evidence], RowStructure | None]:
    readable = [(number, place) for number, place in numbered if looks[place].texture is not None]
    if not readable:
        return [], None
    rows = np.array([number for number, _ in readable], dtype=np.int64)
    structure = row_structure(rows, np.stack([looks[place].texture for _, place in readable]))  # type: ignore[misc]
    if structure is None:
        return [], None
    links = [
        Evidence("rows", readable[at][1], readable[at + 1][1], float(rows[at + 1] - rows[at]))
        for at in np.flatnonzero(np.diff(structure.blocks) == 0).tolist()
    ]
    return links, structure


def _short(names: Sequence[str]) -> list[str]:
    """Number the groups, the largest first, so that no path stands in the table's second column."""
    order = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    numbers = {name: f"group-{number:05d}" for number, (name, _) in enumerate(order, start=1)}
    return [numbers[name] for name in names]
