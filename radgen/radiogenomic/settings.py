"""Settings of the expression table and of the patches."""

from __future__ import annotations

from radgen.settings import section, setting

SELECTIONS = ("all", "variance", "class", "cox", "list")


@section
class RnaSettings:
    """How an expression table becomes the input of a network."""

    scale: str = setting(
        "raw",
        "What the table's numbers are: raw (FPKM, TPM or counts) | log | zscore (saw all patients; captions say so).",
    )
    orientation: str = setting("auto", "auto (by the patients of the image cohort) | genes-in-rows | patients-in-rows.")
    most_missing: float = setting(
        0.0,
        "A gene is dropped where more than this share of training patients lacks it; what is missing elsewhere "
        "becomes the training mean.",
    )
    select: str = setting(
        "all", "Which genes stay: all | variance | class | cox | list (a text file, one gene a line)."
    )
    genes: int = setting(1000, "How many of them, for variance, class and cox.")

    def __post_init__(self) -> None:
        """Refuse impossible values in words."""
        for name, allowed in (
            ("scale", ("raw", "log", "zscore")),
            ("orientation", ("auto", "genes-in-rows", "patients-in-rows")),
            ("select", SELECTIONS),
        ):
            if getattr(self, name) not in allowed:
                msg = f"{name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}"
                raise ValueError(msg)
        if not 0 <= self.most_missing < 1:
            msg = f"most_missing: {self.most_missing:g} must lie from 0 to below 1"
            raise ValueError(msg)
        if self.genes < 1:
            msg = f"genes: {self.genes} must be at least 1"
            raise ValueError(msg)
