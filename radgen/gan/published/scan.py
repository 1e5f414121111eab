"""A look through a pickle before anything is built: which operations, how deep, how much."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterator
from typing import IO, Any

from radgen.errors import CheckpointError

MAX_OPERATIONS = 5_000_000
MAX_DEPTH = 500  # hashing a nested tuple recurses in C
# Left out: old classes (INST, OBJ), extension codes, buffers out of band, and DUP, which no pickler writes.
ALLOWED = frozenset(
    """
    PROTO STOP FRAME MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT
    SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 SHORT_BINUNICODE BINUNICODE BINUNICODE8
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS
    EMPTY_SET ADDITEMS FROZENSET BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL
    REDUCE BUILD NEWOBJ NEWOBJ_EX BINPERSID
    """.split()  # noqa: SIM905
)
FILLING = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})
PUTTING = frozenset({"BINPUT", "LONG_BINPUT", "MEMOIZE"})


class _Bounded:
    """The rest of a file, which refuses to read more than is there: a declared length reserves no memory.

    Files give what is there instead. This one must refuse: the scan speaks before the reader, which reserves a frame.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        start = file.tell()
        self._end = file.seek(0, io.SEEK_END)
        file.seek(start)
        self.tell = file.tell
        self.readline = file.readline

    def read(self, length: int) -> bytes:
        """Read so many bytes.

        Raises
        ------
        ValueError
            There are fewer.
        """
        self.holds(length)
        return self._file.read(length)

    def holds(self, length: int) -> None:
        """Refuse a length that is not there: pickle reads a frame at once.

        Raises
        ------
        ValueError
            There are fewer bytes.
        """
        left = self._end - self._file.tell()
        if length > left:
            msg = f"{length} bytes declared, {left} there"
            raise ValueError(msg)


class _Mark:
    """Where an operation that takes many values stops."""


MARK = _Mark()


def scan(file: IO[bytes], name: str) -> None:
    """Read one pickle to its end, building nothing.

    Parameters
    ----------
    file
        Positioned at the pickle's first byte; left behind its last.
    name
        Of the file, for messages.

    Raises
    ------
    CheckpointError
        It is cut short or no pickle, uses an operation that weights do not need, numbers its memory wildly, or nests or
        goes on beyond all sense.
    """
    stack: list[int | _Mark] = []  # the nesting depth of each value
    memory: dict[int, int] = {}
    for number, (operation, argument) in enumerate(_operations(file, name)):
        if number > MAX_OPERATIONS:
            msg = f"{name}: more than {MAX_OPERATIONS} operations; weights need a few thousand, so it was not read"
            raise CheckpointError(msg)
        if operation.name not in ALLOWED:
            msg = f"{name}: uses the pickle operation {operation.name}, which weights do not need; it was not read"
            raise CheckpointError(msg)
        try:
            _follow(operation, argument, stack, memory)
        except (IndexError, KeyError) as error:
            msg = f"{name}: damaged as a pickle at operation {number} ({operation.name}); fetch the file again"
            raise CheckpointError(msg) from error
        top = stack[-1] if stack else 0
        if isinstance(top, int) and top > MAX_DEPTH:
            msg = f"{name}: values nested more than {MAX_DEPTH} deep; weights are not, so it was not read"
            raise CheckpointError(msg)


def _operations(file: IO[bytes], name: str) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    try:
        rest = _Bounded(file)
        for operation, argument, _ in pickletools.genops(rest):  # type: ignore[arg-type]
            if operation.name == "FRAME" and isinstance(argument, int):
                rest.holds(argument)
            yield operation, argument
    except (ValueError, OverflowError) as error:
        msg = f"{name}: no whole pickle ({error}); fetch the file again"
        raise CheckpointError(msg) from error


def _follow(
    operation: pickletools.OpcodeInfo, argument: object, stack: list[int | _Mark], memory: dict[int, int]
) -> None:
    """Do to the depths what the operation does to values.

    Raises
    ------
    IndexError, KeyError
        There is no such value, or a place in memory that is not the next one.
    """
    if operation.name in PUTTING:
        place = argument if isinstance(argument, int) else len(memory)
        # Picklers count: a place far ahead would only make the reader reserve memory for all before it.
        if place > len(memory):
            raise KeyError(place)
        memory[place] = _depth(stack[-1])
        return
    taken = _take(stack, operation)
    if operation.name in {"BINGET", "LONG_BINGET"}:
        stack.append(memory[argument] if isinstance(argument, int) else 0)
    elif operation.name == "MARK":
        stack.append(MARK)
    elif operation.name in FILLING:
        stack.append(max(taken[0], 1 + max(taken[1:], default=0)))
    elif operation.stack_after:
        stack.append(1 + max(taken, default=0))


def _take(stack: list[int | _Mark], operation: pickletools.OpcodeInfo) -> list[int]:
    """Remove what the operation consumes, and return the depths in order."""
    taken: list[int] = []
    for wanted in reversed(operation.stack_before):
        if wanted is pickletools.stackslice:
            while stack[-1] is not MARK:
                taken.append(_depth(stack.pop()))
        elif wanted is pickletools.markobject:
            while stack[-1] is not MARK:
                taken.append(_depth(stack.pop()))
            stack.pop()
        else:
            taken.append(_depth(stack.pop()))
    return taken[::-1]


def _depth(value: int | _Mark) -> int:
    if isinstance(value, _Mark):
        raise IndexError(value)
    return value
