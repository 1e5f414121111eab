"""Files that annotation tools write, read as if they meant harm: bounded before parsing, every value checked on use."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from radgen.errors import AnnotationError

# A parsed file takes some ten times its size, so these bound memory to about a gigabyte. Hundreds of images at 512 px
# painted with a brush, the most wordy of all formats, stay below.
MOST_BYTES = 128 << 20
MOST_CONTAINERS = 4_000_000  # lists and objects of a JSON file; a polygon's points are lists of two
MOST_ELEMENTS = 1_000_000  # of an XML file
HEAD_BYTES = 64 << 10  # what recognising a format may read
SHOWN = 40  # characters of a value that a message quotes
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def head(path: Path) -> bytes:
    """Return the start of a text file, without byte order mark and leading spaces, to recognise its format by."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()


def read_json(path: Path) -> Field:
    """Parse a JSON file.

    Raises
    ------
    AnnotationError
        It is too large, damaged or half-written, nested deeper than a parser goes, or holds NaN or infinity.
    """
    data = _content(path)
    containers = data.count(b"[") + data.count(b"{")
    if containers > MOST_CONTAINERS:
        _refuse(path, f"holds {containers} lists and objects, more than the {MOST_CONTAINERS} read; export it in parts")
    try:
        return Field(json.loads(data.removeprefix(BYTE_ORDER_MARK), parse_constant=_no_constant), path.name, "")
    except RecursionError:
        _refuse(path, "is nested deeper than any tool writes; export it again")
    except ValueError as error:
        _refuse(path, f"is no whole JSON file ({error}); if it is still being copied, wait, else export it again")


def read_xml(path: Path) -> ET.Element:
    """Parse an XML file and return its root.

    Raises
    ------
    AnnotationError
        It is too large, damaged, or declares a document type, without which there are no entities to expand or to
        fetch.
    """
    data = _content(path)
    try:
        return ET.fromstring(data, ET.XMLParser(target=_Builder(path)))  # noqa: S314 - refuses all entities
    except (ET.ParseError, ValueError, LookupError) as error:
        _refuse(path, f"is no whole XML file ({error}); if it is still being copied, wait, else export it again")


@dataclass(frozen=True)
class Field:
    """One value of a JSON file: `place` is where it stands, for messages, such as [2].annotations[0].result."""

    value: Any
    file: str
    place: str

    @property
    def where(self) -> str:
        """File and place, to begin a message with."""
        return f"{self.file}: {self.place or 'the file'}"

    def refuse(self, wanted: str) -> NoReturn:
        """Raise AnnotationError with what is there and what was wanted."""
        shown = repr(self.value)[:SHOWN]
        msg = f"{self.where} is {shown}, not {wanted}; export the file again"
        raise AnnotationError(msg)

    def get(self, key: str) -> Field | None:
        """Return the value of a key of an object; None where it is missing or null."""
        if not isinstance(self.value, dict):
            self.refuse("an object")
        found = self.value.get(key)
        return None if found is None else Field(found, self.file, f"{self.place}.{key}" if self.place else key)

    def __getitem__(self, key: str) -> Field:
        """Return the value of a key of an object that must have it."""
        found = self.get(key)
        if found is None:
            msg = f"{self.where} has no {key}; export the file again"
            raise AnnotationError(msg)
        return found

    def entries(self) -> Iterator[Field]:
        """Yield the values of a list."""
        if not isinstance(self.value, list):
            self.refuse("a list")
        for number, entry in enumerate(self.value):
            yield Field(entry, self.file, f"{self.place}[{number}]")

    def text(self) -> str:
        """Return a string."""
        return self.value if isinstance(self.value, str) else self.refuse("text")

    def key(self) -> int | str:
        """Return what tools refer to entries by: a whole number or a string."""
        found: int | str = self.value if type(self.value) in {int, str} else self.refuse("a number or text")
        return found

    def whole(self) -> int:
        """Return a whole number."""
        return self.value if type(self.value) is int else self.refuse("a whole number")

    def number(self) -> float:
        """Return a finite number."""
        return float(Field([self.value], self.file, self.place).numbers()[0])

    def numbers(self) -> NDArray[np.float64]:
        """Return a list of finite numbers."""
        return self._array({int, float}, np.dtype(np.float64), "a list of finite numbers")

    def wholes(self) -> NDArray[np.int64]:
        """Return a list of whole numbers."""
        return self._array({int}, np.dtype(np.int64), "a list of whole numbers")

    def points(self) -> NDArray[np.float64]:
        """Return a list of pairs x, y as float64 [n, 2]."""
        if not isinstance(self.value, list) or not all(
            isinstance(pair, list) and len(pair) == 2 for pair in self.value
        ):
            self.refuse("a list of points [x, y]")
        flat = [number for pair in self.value for number in pair]
        return Field(flat, self.file, self.place).numbers().reshape(-1, 2)

    def _array(self, kinds: set[type], dtype: np.dtype[Any], wanted: str) -> NDArray[Any]:
        if not isinstance(self.value, list) or not all(type(number) in kinds for number in self.value):
            self.refuse(wanted)
        try:
            found = np.array(self.value, dtype)
        except OverflowError:
            self.refuse(wanted)
        return found if np.isfinite(found).all() else self.refuse(wanted)


class _Builder(ET.TreeBuilder):
    """Builds a tree, but refuses a document type before any entity can be declared, and too many elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._elements = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> NoReturn:
        """Refuse; the arguments are the parser's."""
        _refuse(self._path, "declares a document type, which no annotation tool writes; export it again")

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        """Count elements."""
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            _refuse(self._path, f"holds more than the {MOST_ELEMENTS} elements that are read; export it in parts")
        return super().start(tag, attrs)


def _content(path: Path) -> bytes:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        _refuse(path, "is no plain file; save the export as one")
    if found.st_size > MOST_BYTES:
        _refuse(path, f"has {found.st_size} bytes, more than the {MOST_BYTES} that are read; export it in parts")
    return path.read_bytes()


def _no_constant(name: str) -> NoReturn:
    msg = f"{name} is no number"
    raise ValueError(msg)


def _refuse(path: Path, text: str) -> NoReturn:
    msg = f"{path.name}: {text}"
    raise AnnotationError(msg)
