"""Why a file or a series is refused: a reason for counting and a sentence without identifiers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from radgen.errors import InputError


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
    # Series whose planes make no volume.
    BAD_GEOMETRY = "bad-geometry"
    MIXED_SIZE = "mixed-size"
    MIXED_ORIENTATION = "mixed-orientation"
    MIXED_SPACING = "mixed-spacing"
    UNEVEN_GAPS = "uneven-gaps"
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
    DUPLICATE = "duplicate"
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
        Reason.DUPLICATE,
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
