"""What every exported file says of itself, in the same words everywhere."""

from __future__ import annotations

from enum import StrEnum


class Origin(StrEnum):
    """Where an image's pixels come from."""

    SYNTHETIC = "synthetic"
    IMPORTED = "imported"
    REAL = "real"

    @property
    def is_synthetic(self) -> bool:
        """Whether it shows no patient, as far as is known."""
        return self is not Origin.REAL

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
    Origin.REAL: "Real image of a patient, under a pseudonym, exported by radgen. For research, not for diagnosis.",
}
