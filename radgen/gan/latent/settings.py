"""Settings of inversion."""

from __future__ import annotations

from radgen.settings import above_zero, section, setting


@section
class InversionSettings:
    """How the style of a real image is found, and how far the generator is bent to it."""

    candidates: int = setting(512, "Mapped styles tried as the start, the class averages beside them.")
    steps: int = setting(400, "Steps of the search for a style per layer.")
    learning_rate: float = setting(0.1, "Adam's rate at the start; it falls to 0 along a cosine.")
    feature_weight: float = setting(0.01, "Weight of the squared feature difference beside that of pixels in [-1, 1].")
    tune: int = setting(0, "Steps of pivotal tuning: the generator itself is bent to the image. 0 for none.")
    tune_learning_rate: float = setting(1e-3, "Adam's rate for the generator's weights.")
    locality_weight: float = setting(1.0, "Weight of the images of other styles staying as they were.")
    locality_share: float = setting(0.5, "Those styles lie so far on the way from the found to a random one.")
    seed: int = setting(1, "Seed of the candidates and of the styles that are to stay.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        for name in ("steps", "learning_rate", "tune_learning_rate", "threads"):
            above_zero(**{name: getattr(self, name)})
        for name in ("candidates", "feature_weight", "tune", "locality_weight"):
            if getattr(self, name) < 0:
                msg = f"{name} must be 0 or more, not {getattr(self, name)}"
                raise ValueError(msg)
        if not 0 < self.locality_share <= 1:
            msg = f"locality_share must lie above 0 and up to 1, not {self.locality_share}"
            raise ValueError(msg)
