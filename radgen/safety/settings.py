"""Settings of the release gate: how a synthetic set is audited, and what lets it leave."""

from __future__ import annotations

from radgen.settings import above_zero, section, setting


@section
class ReleaseSettings:
    """How synthetic images are looked up among those they were learnt from, and the policy that lets a set leave."""

    false_alarms: float = setting(
        0.01, "Share of held-out real images, which copy nobody, that may be called near copies: it sets every limit."
    )
    distances: dict[str, float] = setting(
        {},
        "Least distance to a training image by comparison (pixels, whole, parts, fine, judge); optional.",
    )
    near_copies: float = setting(0.05, "Largest share of near copies in a set; with more the generator memorises.")
    membership_auc: float = setting(
        0.60, "Largest upper bound of the area under the curve that tells training images from held-out ones."
    )
    min_patients_per_class: int = setting(5, "Fewest training patients behind each class of a set.")
    planted_found: float = setting(
        0.80, "Smallest share of planted copies that the audit must find; below it the audit says too little."
    )
    planted: int = setting(
        60, "Copies of training images that are planted, of each kind, to see whether they are found."
    )
    images: int = setting(
        5_000,
        "Most held-out and most training images that are looked up, and most synthetic ones that are asked about the "
        "set as a whole (authenticity, duplicates).",
    )
    resamples: int = setting(1_000, "Draws of patients behind each interval.")
    seed: int = setting(4, "Seed of every random choice.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse shares that are none, and numbers with which nothing is measured."""
        above_zero(
            min_patients_per_class=self.min_patients_per_class,
            planted=self.planted,
            images=self.images,
            resamples=self.resamples,
            threads=self.threads,
        )
        for name in ("false_alarms", "near_copies", "membership_auc", "planted_found"):
            if not 0 < getattr(self, name) <= 1:
                msg = f"{name} must lie above 0 and at most at 1, not {getattr(self, name)}"
                raise ValueError(msg)
