"""Damage a file in the ways that storage, networks and attackers damage files; the same seed gives the same mutants."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator
EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
NUMBERS = (b"0", b"-1", b"1", b"nan", b"inf", b"1e308", b"-1e-308", b"99999999999", b"", b"\\", b"0x10")


@dataclass(frozen=True)
class Mutant:
    """Changed bytes; `overwritten` when nothing moved."""

    data: bytes
    overwritten: bool


def mutants(name: str, data: bytes, header_end: int, seed: int, number: int) -> Mutant:
    """Return one mutant of a file of a format.

    Parameters
    ----------
    name
        Of the format, so that formats differ.
    data
        The good file.
    header_end
        Where its pixels begin: a third each of the mutants touch the header, the body, or anything.
    seed, number
        Which mutant.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    changed, overwritten = data, True
    for _ in range(1 if rng.random() < 0.7 else int(rng.integers(2, 5))):
        low, high = [(0, header_end), (header_end, len(data)), (0, len(data))][int(rng.integers(3))]
        low, high = min(low, len(changed) - 1), min(high, len(changed))
        kind, moves = KINDS[int(rng.integers(len(KINDS)))]
        changed = kind(changed, rng, low, max(high, low + 1))
        overwritten = overwritten and not moves
        if not changed:
            break
    return Mutant(changed, overwritten)


def _flip(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    damaged = bytearray(data)
    for place in rng.integers(low, high, int(rng.integers(1, 9))).tolist():
        damaged[place] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _run(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    start = int(rng.integers(low, high))
    length = min(int(rng.integers(1, 65)), high - start)
    fill = [b"\0", b"\xff", bytes([int(rng.integers(256))])][int(rng.integers(3))]
    return data[:start] + fill * length + data[start + length :]


def _integer(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    width, order = int(rng.choice([1, 2, 4, 8])), "little" if rng.random() < 0.5 else "big"
    start = int(rng.integers(low, high)) & ~1
    value = EXTREMES[int(rng.integers(len(EXTREMES)))] & ((1 << 8 * width) - 1)
    piece = value.to_bytes(width, order)[: len(data) - start]  # type: ignore[arg-type]
    return data[:start] + piece + data[start + len(piece) :]


def _number(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    found = [match.span() for match in re.finditer(rb"[0-9.]{1,16}", data) if low <= match.start() < high]
    if not found:
        return _integer(data, rng, low, high)
    start, end = found[int(rng.integers(len(found)))]
    word = NUMBERS[int(rng.integers(len(NUMBERS)))][: end - start].ljust(end - start)
    return data[:start] + word + data[end:]


def _truncate(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    return data[: int(rng.integers(low, high))]


def _insert(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    start = int(rng.integers(low, high))
    return data[:start] + rng.bytes(int(rng.integers(1, 65))) + data[start:]


def _delete(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    start = int(rng.integers(low, high))
    return data[:start] + data[start + int(rng.integers(1, 65)) :]


def _swap(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    length = min(int(rng.integers(1, 65)), max(1, (high - low) // 2))
    one, two = sorted(rng.integers(low, max(low + 1, high - length), 2).tolist())
    if one + length > two:
        return _flip(data, rng, low, high)
    middle = data[one + length : two]
    return data[:one] + data[two : two + length] + middle + data[one : one + length] + data[two + length :]


def _repeat(data: bytes, rng: Rng, low: int, high: int) -> bytes:
    start = int(rng.integers(low, high))
    end = min(start + int(rng.integers(1, 129)), high)
    return data[:end] + data[start:end] * int(rng.integers(1, 4)) + data[end:]


Kind = Callable[[bytes, Rng, int, int], bytes]
# What is done, and whether bytes change their places.
KINDS: tuple[tuple[Kind, bool], ...] = (
    (_flip, False),
    (_run, False),
    (_integer, False),
    (_integer, False),
    (_number, False),
    (_truncate, True),
    (_insert, True),
    (_delete, True),
    (_swap, False),
    (_repeat, True),
)
