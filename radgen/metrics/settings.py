"""Settings of the scores by which synthetic images are judged."""

from __future__ import annotations

from radgen.settings import section, setting


@section
class MetricsSettings:
    """How synthetic images are compared with held-out real ones by the judge."""

    images: int = setting(5_000, "Most images of each side that enter a score.")
    neighbours: int = setting(5, "k of precision, recall, density and coverage.")
    kid_subsets: int = setting(50, "Random subsets whose spread is the interval of KID.")
    kid_subset_images: int = setting(200, "Images of one subset; at most half of what there is.")
    copy_quantile: float = setting(
        0.01,
        "A sample counts as near copy when it is nearer to a training image than this share of held-out real ones.",
    )
    seed: int = setting(3, "Seed of every random choice of images.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse numbers with which no score is defined."""
        for name in ("images", "neighbours", "kid_subsets", "kid_subset_images", "threads"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, not {getattr(self, name)}"
                raise ValueError(msg)
        if self.kid_subset_images < 2:
            msg = f"kid_subset_images must be at least 2, not {self.kid_subset_images}"
            raise ValueError(msg)
        if not 0 < self.copy_quantile < 1:
            msg = f"copy_quantile must lie between 0 and 1, not {self.copy_quantile}"
            raise ValueError(msg)
