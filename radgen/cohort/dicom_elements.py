"""DICOM elements: a dataset from a file without a word on its values, and elements as text and numbers."""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.errors import InvalidDicomError

from radgen.cohort.refusal import Reason, RefusalError

# pydicom quotes the values it doubts, in warnings and in its log, and a value may be a name: none may reach a log.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

DEFLATED = b"1.2.840.10008.1.2.1.99"
# Where a file's own header, which names the encoding of the rest, is looked for.
META_BYTES = 2048
# Largest size of a deflated file after inflating it.
MOST_INFLATED_BYTES = 1 << 31
# No deflated stream grows by more than this factor.
MOST_DEFLATION = 1032
PIECE_BYTES = 1 << 20


class Bounded:
    """A binary file that is never asked for more bytes than it holds: a declared length reserves no memory.

    At its end it gives what is there, as any file does: pydicom and the readers of pixels tell too short a value.
    """

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - any binary file
        place = file.tell()
        self._file, self._end = file, file.seek(0, 2)
        file.seek(place)
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, length: int = -1) -> bytes:
        """Read so many bytes, or as many as there are."""
        if length > PIECE_BYTES:
            length = min(length, max(0, self._end - self._file.tell()))
        data: bytes = self._file.read(length)
        return data


@contextmanager
def understanding() -> Iterator[None]:
    """Turn what goes wrong with values of a header, such as letters for a number, into a refusal."""
    try:
        yield
    except RefusalError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, NotImplementedError) as error:
        text = f"the DICOM header is damaged ({type(error).__name__})"
        raise RefusalError(Reason.TRUNCATED, text) from error


def read_dataset(
    file: Any,  # noqa: ANN401 - any binary file
    *,
    stop_before_pixels: bool,
    only: Sequence[int] | None = None,
) -> pydicom.Dataset:
    """Read a dataset from an open file, or only the elements of these tags.

    Raises
    ------
    RefusalError
        foreign, truncated or too-large.
    """
    _check_inflation(file)
    tags = None if only is None else list(only)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(Bounded(file), stop_before_pixels=stop_before_pixels, specific_tags=tags)
    except InvalidDicomError as error:
        raise RefusalError(Reason.FOREIGN, "the file is not DICOM") from error
    except (EOFError, ValueError, OSError, NotImplementedError, KeyError, AttributeError, zlib.error) as error:
        raise RefusalError(
            Reason.TRUNCATED, f"the DICOM header ends too early or is damaged ({type(error).__name__})"
        ) from error
    dataset.buffer = None  # the file is the caller's, and nothing is read later
    return dataset


def _check_inflation(file: Any) -> None:  # noqa: ANN401 - any binary file
    """Refuse a deflated file that inflates beyond every image, before anybody inflates it in memory."""
    head = file.read(META_BYTES)
    file.seek(0, 2)
    might_grow = DEFLATED in head and file.tell() * MOST_DEFLATION > MOST_INFLATED_BYTES
    # The header of the file itself, never deflated, begins with its length.
    file.seek(144 + int.from_bytes(head[140:144], "little") if might_grow else 0)
    if might_grow and _inflates_beyond(file, MOST_INFLATED_BYTES):
        text = f"the deflated file grows beyond {MOST_INFLATED_BYTES} bytes"
        raise RefusalError(Reason.TOO_LARGE, text, float(MOST_INFLATED_BYTES), "bytes")
    file.seek(0)


def _inflates_beyond(file: Any, limit: int) -> bool:  # noqa: ANN401 - any binary file
    """Tell whether the rest of a file inflates to more bytes than a limit, holding a piece at a time."""
    state, seen, data = zlib.decompressobj(-zlib.MAX_WBITS), 0, b""
    while data or (data := file.read(PIECE_BYTES)):
        try:
            seen += len(state.decompress(data, PIECE_BYTES))
        except zlib.error:
            return False  # damaged: its reader says so
        data = state.unconsumed_tail
        if seen > limit:
            return True
    return False


def value_of(dataset: pydicom.Dataset, keyword: str) -> Any:  # noqa: ANN401 - any element value
    """Return an element's value, None when it is absent; much faster for absent ones than asking the dataset."""
    tag = tag_for_keyword(keyword)
    return dataset[tag].value if tag is not None and tag in dataset else None


def text_value(dataset: pydicom.Dataset, keyword: str) -> str:
    """Return an element as text without surrounding blanks; empty when it is absent."""
    value = value_of(dataset, keyword)
    return "" if value is None else str(value).strip()


def number_value(dataset: pydicom.Dataset, keyword: str) -> int:
    """Return an element as a whole number; 0 when it is absent."""
    value = value_of(dataset, keyword)
    return 0 if value in (None, "") else int(value)


def first_value(dataset: pydicom.Dataset, *keywords: str) -> Any:  # noqa: ANN401 - any element value
    """Return the first of several elements that is there and not empty or zero, else None."""
    return next((value for keyword in keywords if (value := value_of(dataset, keyword))), None)


def kind_name(uid: str) -> str:
    """Return the standard's name of a SOP class or transfer syntax; a private one is not named.

    >>> kind_name("1.2.840.10008.5.1.4.1.1.2"), kind_name("1.2.3.4")
    ('CT Image Storage', 'a private kind')
    """
    name = str(pydicom.uid.UID(uid).name)
    return "a private kind" if name == uid else name


def known_word(text: str, words: Sequence[str]) -> str:
    """Return a coded value for a sentence: as it is if it is among the known ones, for it may be anything.

    >>> known_word("RGB", ("RGB",)), known_word("SMITH", ("RGB",))
    ('RGB', 'unknown')
    """
    return text if text in words else "unknown"
