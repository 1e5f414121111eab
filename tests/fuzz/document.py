"""What a reader of outside files is to the fuzzing: how its file is made and read, and what is wrong.

What may happen to a mutant
---------------------------
- It is refused by an error of this house, in words.
- It is read, and says the same as the good file, or what its own bytes say differently. It is however *silently wrong*
    - when the file is sealed by a digest or a check sum, and anything differs,
    - when bytes of raw values alone were overwritten, and more values changed than bytes, or a shape,
    - when what was read breaks what the reader promises (its assertions).

What a mutant must never do: raise anything else, crash or hang the process, or leave a file behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Said = Mapping[str, NDArray[Any] | str]


@dataclass(frozen=True)
class Document:
    """How one reader is fuzzed.

    Parameters
    ----------
    make
        Write a good file, and what it needs beside it, into a folder; return the file to damage.
    read
        Read it: what it says, by name.
    sealed
        Whether no change may pass.
    raw_from
        Given the good file, where raw values begin; None where it has none.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Said]
    sealed: bool = False
    raw_from: Callable[[bytes], int] | None = None


@dataclass(frozen=True, eq=False)
class Reading:
    """What came of a file: what it says, a refusal, or an exception that should not be."""

    said: Said | None = None
    refused: str = ""
    raised: str = ""


def judge_document(document: Document, good: bytes, raw: bytes | None, expected: Reading, found: Reading) -> str:
    """Return what is wrong with how a mutant was read; `raw`: its bytes, where raw values alone were overwritten."""
    if found.raised:
        return f"raised {found.raised}"
    if found.said is None or expected.said is None:
        return ""
    changed = differing(expected.said, found.said)
    if changed and document.sealed:
        return f"silently other {', '.join(sorted(changed))}"
    if raw is not None:
        bytes_changed = sum(one != two for one, two in zip(good, raw, strict=True))
        values_changed = sum(changed.values())
        if values_changed > bytes_changed:
            return f"{values_changed} values changed by {bytes_changed} bytes"
    return ""


def differing(one: Said, two: Said) -> dict[str, int]:
    """Count by name how many values differ; a text, or an array of another shape or kind, counts as a million."""
    found = {name: _differences(one.get(name), two.get(name)) for name in one.keys() | two.keys()}
    return {name: count for name, count in found.items() if count}


def _differences(one: NDArray[Any] | str | None, two: NDArray[Any] | str | None) -> int:
    if not isinstance(one, np.ndarray) or not isinstance(two, np.ndarray):
        return 0 if type(one) is type(two) and one == two else 1_000_000
    if one.shape != two.shape or one.dtype != two.dtype:
        return 1_000_000
    width = one.dtype.itemsize
    first, second = (np.frombuffer(array.tobytes(), np.uint8).reshape(-1, width) for array in (one, two))
    return int((first != second).any(1).sum())
