"""What every exported file says of itself, in the same words everywhere."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Where an image's pixels come from."""

    SYNTHETIC = "synthetic"
    IMPORTED = "imported"
    DRAWN_INTO_REAL = "drawn into real"
    REAL = "real"

    @property
    def is_synthetic(self) -> bool:
        """Whether a generator or another tool made it, in part at least."""
        return self is not Origin.REAL

    @property
    def shows_patients(self) -> bool:
        """Whether pixels of a patient are in it as they were taken."""
        return self in {Origin.REAL, Origin.DRAWN_INTO_REAL}

    @property
    def word(self) -> str:
        """One word for short fields."""
        return "SYNTHETIC" if self.is_synthetic else "REAL"

    @property
    def notice(self) -> str:
        """Return the sentence for long fields."""
        return _NOTICES[self]


_NOTICES = {
    Origin.SYNTHETIC: "Synthetic image made by radgen. It shows no patient. For research, not for diagnosis.",
    Origin.IMPORTED: (
        "Synthetic image made by another tool, as its importer says, and exported by radgen. "
        "For research, not for diagnosis."
    ),
    Origin.DRAWN_INTO_REAL: (
        "Synthetic nodule made by radgen in a real patch of a patient, which shows around it. "
        "For research, not for diagnosis."
    ),
    Origin.REAL: "Real image of a patient, under a pseudonym, exported by radgen. For research, not for diagnosis.",
}
