"""Settings of the few synthetic images that go out for annotation, and of the rounds in which they do."""

from __future__ import annotations

import dataclasses

from radgen.settings import one_of, section, setting

ANNOTATORS = ("simulated", "folder")
OVERLAPS = ("label", "later", "first", "refuse")  # what they mean: radgen/annotation/merge.py
DOUBTS = ("refuse", "note")
FIRST_ROUND = "round-01"
MOST_ROUNDS = 99  # two digits


@section
class AnnotationSettings:
    """Who paints the masks, and how many images are painted in which round."""

    source: str = setting(
        "simulated",
        "simulated (a network taught on patients set apart for it) or folder (a person paints; the run waits).",
    )
    count: int = setting(40, "Synthetic images to annotate in the first round, shared out evenly over the classes.")
    further_rounds: tuple[int, ...] = setting(
        (), "Images of round-02, round-03, ...: each goes out when the masks of the rounds before it are there."
    )
    uncertain_fraction: float = setting(
        0.5,
        "Share of a further round's images of each class on which the head of the earlier rounds is least sure; the "
        "others go on covering the encoder's feature space.",
    )
    candidates_per_class: int = setting(320, "Samples of each class from which images are chosen.")
    copy_quantile: float = setting(
        0.01,
        "A candidate goes out never if it is nearer to a training image than this share of training images is to "
        "those of other patients.",
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
        one_of("source", self.source, ANNOTATORS)
        if self.count < 2:
            msg = f"count must be at least 2 (one image to learn from, one to check with), not {self.count}"
            raise ValueError(msg)
        if len(self.further_rounds) >= MOST_ROUNDS or any(count < 2 for count in self.further_rounds):
            msg = f"further_rounds must be at most {MOST_ROUNDS - 1} numbers of at least 2, not {self.further_rounds}"
            raise ValueError(msg)
        if not 0 <= self.uncertain_fraction <= 1:
            msg = f"uncertain_fraction must lie between 0 and 1, not {self.uncertain_fraction}"
            raise ValueError(msg)
        if self.candidates_per_class < 1:
            msg = f"candidates_per_class must be at least 1, not {self.candidates_per_class}"
            raise ValueError(msg)
        one_of("overlap", self.overlap, OVERLAPS)
        one_of("doubt", self.doubt, DOUBTS)
        if not self.consensus.strip():
            msg = "consensus must be refuse, majority or an annotator's name, not empty"
            raise ValueError(msg)
        if not 0 <= self.copy_quantile < 1:
            msg = f"copy_quantile must lie in [0, 1), not {self.copy_quantile}"
            raise ValueError(msg)

    @property
    def rounds(self) -> tuple[str, ...]:
        """Names of the rounds in the order in which they go out.

        >>> AnnotationSettings(further_rounds=(16, 16)).rounds
        ('round-01', 'round-02', 'round-03')
        """
        return tuple(f"round-{number:02d}" for number in range(1, len(self.further_rounds) + 2))


def at_round(settings: AnnotationSettings, name: str) -> AnnotationSettings:
    """Return the settings of one round alone, so that a further round changes nothing in the ones before it.

    >>> at_round(AnnotationSettings(count=40, further_rounds=(16,)), "round-02").count
    16
    """
    place = settings.rounds.index(name)
    if place == 0:
        return dataclasses.replace(settings, further_rounds=(), uncertain_fraction=0.0)
    return dataclasses.replace(settings, count=settings.further_rounds[place - 1], further_rounds=())
