"""Why a file or a series is refused: a reason for counting and a sentence without identifiers."""

from __future__ import annotations

import errno
import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from radgen.errors import InputError, RadgenError


class Reason(StrEnum):
    """The kinds of refusal."""

    # Files that are damaged or of another world.
    TRUNCATED = "truncated"
    FOREIGN = "foreign"
    UNDECODABLE = "undecodable"
    UNREADABLE = "unreadable"
    OUTSIDE_LINK = "outside-link"
    TOO_LARGE = "too-large"
    # Images that radgen does not read.
    COLOUR = "colour"
    MOSAIC = "mosaic"
    # Images whose pixels may name somebody.
    BURNED_IN = "burned-in"
    # Series whose planes make no volume.
    BAD_GEOMETRY = "bad-geometry"
    MIXED_SIZE = "mixed-size"
    MIXED_ORIENTATION = "mixed-orientation"
    MIXED_SPACING = "mixed-spacing"
    UNEVEN_GAPS = "uneven-gaps"
    MISSING_SLICES = "missing-slices"
    WRONG_COUNT = "wrong-count"
    UNEVEN_REPEATS = "uneven-repeats"
    TILTED = "tilted"
    FORMS_DISAGREE = "qform-sform"
    # Masks that fit no image.
    MASK_WITHOUT_IMAGE = "mask-without-image"
    MASK_OTHER_GRID = "mask-on-another-grid"
    # Images that nobody can be found for.
    NO_PATIENT = "no-patient"
    # Set aside on purpose: these do not count as refused.
    NO_CLASS = "no-class"
    NO_MASK = "no-mask"
    NO_SPLIT = "no-split"
    SIDE_FILE = "side-file"
    PACKED = "packed"
    NOT_AN_IMAGE = "not-an-image"
    LOCALIZER = "localizer"
    DERIVED = "derived"
    REPEAT = "repeat"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    GUARD = "guard"


SET_ASIDE = frozenset(
    {
        Reason.NO_CLASS,
        Reason.NO_MASK,
        Reason.NO_SPLIT,
        Reason.SIDE_FILE,
        Reason.PACKED,
        Reason.NOT_AN_IMAGE,
        Reason.LOCALIZER,
        Reason.DERIVED,
        Reason.REPEAT,
        Reason.DUPLICATE,
        Reason.CONFLICT,
        Reason.GUARD,
    }
)


class RefusalError(InputError):
    """A file or series cannot be used; it becomes a row of the rejects table and the run goes on.

    Parameters
    ----------
    reason
        The kind of refusal.
    sentence
        What is wrong, with the values that show it and without names, paths or identifiers.
    figure, unit
        What was measured, where one number says it: degrees, mm, positions, files, bytes, ...

    Attributes
    ----------
    path
        The file to blame, where it is one; it leads to a hashed file id and is written nowhere.
    """

    path: Path | None = None

    def __init__(self, reason: Reason, sentence: str, figure: float | None = None, unit: str = "") -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.figure = figure
        self.unit = unit


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Let a refusal raised inside know the file it is about."""
    try:
        yield
    except RefusalError as refusal:
        refusal.path = refusal.path or path
        raise


@contextmanager
def distrusting(reason: Reason = Reason.UNDECODABLE, what: str = "the file") -> Iterator[None]:
    """Let damage of any kind become a refusal, and let no library quote a file's name or values in a log."""
    logging.getLogger("nibabel.global").disabled = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except MemoryError:
            raise
        except RadgenError as error:
            if isinstance(error.__cause__, MemoryError) or getattr(error.__cause__, "errno", None) == errno.ENOMEM:
                raise MemoryError from error  # not the file's fault, whatever a reader took it for
            raise
        except Exception as error:  # parsers of five libraries raise anything on damaged bytes
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the storage's fault
            raise RefusalError(reason, f"{what} is damaged ({type(error).__name__})") from error


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Refuse a file whose parser, in Python, takes longer than so much processor time; only in a main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise RefusalError(
            Reason.UNDECODABLE, f"reading took longer than {seconds:g} s of processor time", seconds, "s"
        )

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
