"""Fuzz one format: make mutants, read them in guarded children, collect what is wrong."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from radgen.cohort.guarded import Guard, GuardedPool, Lost
from tests.fuzz.mutate import Mutant, mutants
from tests.fuzz.oracle import Reading, judge, read_file
from tests.fuzz.seeds import FORMATS

GUARD = Guard(seconds=20.0, memory_bytes=4 << 30)


@dataclass
class Result:
    """How many mutants ended how, and the numbers of those that should not have ended so."""

    ends: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)
    isolated: dict[int, str] = field(default_factory=dict)


def good_file(name: str) -> bytes:
    """Return the undamaged file of a format."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        return FORMATS[name].make(Path(folder)).read_bytes()


def fuzz(name: str, numbers: Iterable[int], seed: int, workers: int = 1) -> Result:
    """Read the mutants of one format with these numbers."""
    form, good, result = FORMATS[name], good_file(name), Result()
    expected = read_file(name, good)
    if expected.array is None:
        msg = f"{name}: the good file is not read: {expected.refused}{expected.raised}"
        raise AssertionError(msg)
    start = form.header_end(good)
    numbers = list(numbers)
    with GuardedPool(partial(read_file, name), workers, GUARD) as pool:
        for number, mutant, found in zip(numbers, *_both(name, good, start, seed, numbers, pool), strict=True):
            if isinstance(found, Lost):
                _lost(name, mutant, number, found, result)
                continue
            wrong = judge(form, good, mutant.data, expected, found, overwritten=mutant.overwritten)
            if wrong:
                result.findings[number] = wrong
            result.ends[_end(found, expected)] += 1
    return result


def _both(
    name: str, good: bytes, start: int, seed: int, numbers: list[int], pool: GuardedPool[bytes, Reading]
) -> tuple[Iterator[Mutant], Iterator[Reading | Lost]]:
    made = [mutants(name, good, start, seed, number) for number in numbers]
    return iter(made), pool.map(mutant.data for mutant in made)


def _lost(name: str, mutant: Mutant, number: int, found: Lost, result: Result) -> None:
    """A crash of the decoder is isolated in production, a crash of the scan is not."""
    with GuardedPool(partial(read_file, name, scan_only=True), 1, GUARD) as pool:
        scanned = next(pool.map([mutant.data]))
    if isinstance(scanned, Lost):
        result.findings[number] = f"the scan: {scanned.sentence}"
    else:
        result.isolated[number] = found.sentence
    result.ends["isolated"] += 1


def _end(found: Reading, expected: Reading) -> str:
    if found.refused:
        return f"refused {found.refused.partition(':')[0]}"
    same = (
        found.array is not None
        and expected.array is not None
        and found.array.shape == expected.array.shape
        and bool((found.array == expected.array).all())
    )
    return "equal" if same else "says otherwise"
