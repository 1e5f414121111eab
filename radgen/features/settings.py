"""Settings of the two domain networks: the encoder, which may guide and select, and the judge, which scores."""

from __future__ import annotations

from itertools import pairwise

from radgen.settings import above_zero, one_of, section, setting

OBJECTIVES = ("auto", "classes", "views", "both")


@section
class ViewSettings:
    """Random changes under which an image stays the same image, and gradeable ones that a network must tell apart.

    Nothing is mirrored: left and right differ in a body.
    """

    shift: float = setting(0.04, "Largest shift in each direction, as a share of the image's width.")
    zoom: float = setting(0.04, "Largest change of size, as a share.")
    contrast: float = setting(0.15, "Largest change of contrast, as a share.")
    brightness: float = setting(0.08, "Largest shift of the grey level, as a share of the full range.")
    noise: float = setting(0.01, "Largest standard deviation of added noise, as a share of the full range.")
    grade_blur_px: float = setting(
        2.0, "Self-supervised only: largest blur in half of the views, whose amount is to be told from the features."
    )
    grade_noise: float = setting(0.1, "Self-supervised only: the same for noise, as a share of the full range.")
    grade_spot: float = setting(
        0.4, "Self-supervised only: the same for the contrast of a small round spot, as a share of the grey below it."
    )

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 1)."""
        for name in ("shift", "zoom", "contrast", "brightness", "noise", "grade_noise", "grade_spot"):
            if not 0 <= getattr(self, name) < 1:
                msg = f"views.{name} must lie in [0, 1), not {getattr(self, name)}"
                raise ValueError(msg)
        if self.grade_blur_px < 0:
            msg = f"views.grade_blur_px must be 0 or more, not {self.grade_blur_px}"
            raise ValueError(msg)


@section
class EncoderSettings:
    """The encoder: may guide, embed and select, never scores a published number."""

    objective: str = setting(
        "auto", "classes (cross-entropy), views (self-supervised), both, or auto: classes wherever labels may be used."
    )
    dimension: int = setting(64, "Number of features of one image.")
    width: int = setting(16, "Channels of the first stage; later ones have up to six times as many.")
    images: int = setting(24_000, "Budget: images shown in training.")
    batch_size: int = setting(64, "Images per step.")
    learning_rate: float = setting(2e-3, "Highest rate of AdamW, reached after a short warm-up, then a cosine to zero.")
    weight_decay: float = setting(0.01, "Decoupled weight decay.")
    report_every_images: int = setting(2_000, "Images between rows of the history.")
    views: ViewSettings = setting(ViewSettings(), "Random changes of the images shown.")
    seed: int = setting(1, "Seed of weights, order and views.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")

    def __post_init__(self) -> None:
        """Refuse values with which nothing can be learnt."""
        _check_training(self)


@section
class JudgeSettings:
    """The judge: another seed, objective and half of the patients than any other network; used in no loss."""

    objective: str = setting(
        "both", "both (self-supervised, and classes where there are two), views (self-supervised alone) or classes."
    )
    dimension: int = setting(
        32, "Number of features of one image; a Frechet distance needs ten held-out images for each."
    )
    width: int = setting(16, "Channels of the first stage; later ones have up to six times as many.")
    images: int = setting(12_800, "Budget: images shown in training, each of them in two views.")
    batch_size: int = setting(128, "Images per step.")
    learning_rate: float = setting(2e-3, "Highest rate of AdamW, reached after a short warm-up, then a cosine to zero.")
    weight_decay: float = setting(0.01, "Decoupled weight decay.")
    report_every_images: int = setting(2_000, "Images between rows of the history.")
    views: ViewSettings = setting(ViewSettings(), "Random changes that make two views of one image.")
    blur_sigmas_px: tuple[float, ...] = setting(
        (0.5, 1.0, 2.0, 4.0), "Check: blur of real held-out images must raise the distance in this order."
    )
    shifts_px: tuple[int, ...] = setting(
        (1, 2, 4, 8), "Check: shifts of real held-out images must raise the distance in this order."
    )
    wrong_class_shares: tuple[float, ...] = setting(
        (0.25, 0.5, 1.0), "Check: shares of a class's images replaced by other classes, in rising order."
    )
    check_images: int = setting(2_000, "Most held-out images used by the checks.")
    seed: int = setting(2, "Seed of weights, order, views and of the half of the patients.")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")

    def __post_init__(self) -> None:
        """Refuse values with which nothing can be learnt or checked."""
        _check_training(self)
        for name in ("blur_sigmas_px", "shifts_px", "wrong_class_shares"):
            levels = getattr(self, name)
            if not levels or min(levels) <= 0 or any(a >= b for a, b in pairwise(levels)):
                msg = f"{name} must rise from above 0, not {levels}"
                raise ValueError(msg)
        if max(self.wrong_class_shares) > 1:
            msg = f"wrong_class_shares must be at most 1, not {self.wrong_class_shares}"
            raise ValueError(msg)


def _check_training(settings: EncoderSettings | JudgeSettings) -> None:
    one_of("objective", settings.objective, OBJECTIVES)
    for name in ("dimension", "width", "images", "batch_size", "learning_rate", "report_every_images", "threads"):
        above_zero(**{name: getattr(settings, name)})
    if settings.batch_size < 2:
        msg = f"batch_size must be at least 2, not {settings.batch_size}: the networks normalise over the batch"
        raise ValueError(msg)
    if settings.weight_decay < 0:
        msg = f"weight_decay must be 0 or more, not {settings.weight_decay}"
        raise ValueError(msg)
