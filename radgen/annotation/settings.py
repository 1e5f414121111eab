"""Settings of the few synthetic images that go out for annotation."""

from __future__ import annotations

from radgen.settings import section, setting

ANNOTATORS = ("simulated", "folder")
OVERLAPS = ("label", "later", "first", "refuse")  # what they mean: radgen/annotation/merge.py
DOUBTS = ("refuse", "note")


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
    overlap: str = setting(
        "label",
        "Of labels that overlap, which wins: label (the one further down in structures) | later (painted last) | "
        "first | refuse. Overlapping pixels are counted for each image in the manifest.",
    )
    consensus: str = setting(
        "refuse",
        "Of images that several people painted: refuse | majority (what more than half of them painted) | the name of "
        "the annotator whose masks are taken.",
    )
    doubt: str = setting(
        "refuse",
        "Masks that look mirrored, off by one, copied or as if of another image: refuse | note (they are used, and "
        "the manifest says what was doubtful).",
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
        if self.overlap not in OVERLAPS:
            msg = f"overlap must be one of {', '.join(OVERLAPS)}, not {self.overlap!r}"
            raise ValueError(msg)
        if self.doubt not in DOUBTS:
            msg = f"doubt must be one of {', '.join(DOUBTS)}, not {self.doubt!r}"
            raise ValueError(msg)
        if not self.consensus.strip():
            msg = "consensus must be refuse, majority or an annotator's name, not empty"
            raise ValueError(msg)
