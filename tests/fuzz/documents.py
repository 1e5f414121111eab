"""Mutants of documents: read in a guarded process, and judged."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

from radgen.cohort.guarded import GuardedPool, Lost
from radgen.errors import RadgenError
from tests.fuzz.document import Reading, differing, judge_document
from tests.fuzz.mutate import mutants
from tests.fuzz.readers import READERS
from tests.fuzz.run import GUARD, Result


@cache
def _place(name: str, root: Path) -> tuple[Path, frozenset[Path]]:
    """Make a reader's folder, one in each process; return the file to damage and all that lies there."""
    folder = root / name / str(os.getpid())
    folder.mkdir(parents=True)
    path = READERS[name].make(folder)
    return path, frozenset(folder.rglob("*"))


def read_document(root: Path, task: tuple[str, bytes]) -> Reading:
    """Put a reader's changed bytes in the place of the good file, and read it."""
    name, data = task
    path, before = _place(name, root)
    path.write_bytes(data)
    try:
        said = READERS[name].read(path)
    except RadgenError as error:
        reading = Reading(refused=str(error) or "without words")
    except Exception:  # noqa: BLE001 - the finding
        return Reading(raised=traceback.format_exc())
    else:
        reading = Reading(said=said)
    new = set((root / name / str(os.getpid())).rglob("*")) - before
    return Reading(raised=f"left {sorted(file.name for file in new)} behind") if new else reading


Pool = GuardedPool[tuple[str, bytes], Reading]


@contextmanager
def reading_pool() -> Iterator[Pool]:
    """Give the guarded process that reads documents; starting it costs more than hundreds of mutants."""
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
        GuardedPool(partial(read_document, Path(folder)), 1, GUARD) as pool,
    ):
        yield pool


def fuzz_document(name: str, numbers: Iterable[int], seed: int, pool: Pool) -> Result:
    """Read the mutants of one reader's file with these numbers."""
    document, result = READERS[name], Result()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        place = Path(folder) / "0"
        place.mkdir()
        good = document.make(place).read_bytes()
    start = min(len(good), 400) if document.raw_from is None else document.raw_from(good)
    expected = next(pool.map([(name, good)]))
    if isinstance(expected, Lost) or expected.said is None:
        msg = f"{name}: the good file is not read: {expected}"
        raise AssertionError(msg)
    for number in numbers:
        mutant = mutants(name, good, start, seed, number)
        found = next(pool.map([(name, mutant.data)]))
        if isinstance(found, Lost):
            result.findings[number] = found.sentence
            result.ends["lost"] += 1
            continue
        raw = document.raw_from is not None and mutant.overwritten and good[:start] == mutant.data[:start]
        wrong = judge_document(document, good, mutant.data if raw else None, expected, found)
        if wrong:
            result.findings[number] = wrong
        same = found.said is not None and not differing(expected.said, found.said)
        result.ends["refused" if found.refused else "equal" if same else "says otherwise"] += 1
    return result
