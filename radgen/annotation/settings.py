"""Settings of the few synthetic images that go out for annotation."""

from __future__ import annotations

from radgen.settings import section, setting

ANNOTATORS = ("simulated", "folder")


@section
class AnnotationSettings:
    """Who paints the masks, and how many images are painted."""

    source: str = setting(
        "simulated",
        "simulated (a network taught on patients set apart for it) or folder (a person paints; the run waits).",
    )
    count: int = setting(40, "Synthetic images to annotate, shared out evenly over the classes.")
    candidates_per_class: int = setting(
        320, "Samples of each class from which the most representative ones are chosen, by the encoder's features."
    )

    def __post_init__(self) -> None:
        """Refuse unknown words and numbers with which nothing can be chosen."""
        if self.source not in ANNOTATORS:
            msg = f"source must be one of {', '.join(ANNOTATORS)}, not {self.source!r}"
            raise ValueError(msg)
        if self.count < 2:
            msg = f"count must be at least 2 (one image to learn from, one to check with), not {self.count}"
            raise ValueError(msg)
        if self.candidates_per_class < 1:
            msg = f"candidates_per_class must be at least 1, not {self.candidates_per_class}"
            raise ValueError(msg)
