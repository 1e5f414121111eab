"""What published trainings of large generators cost, and what this planner says of the same settings.

Sources: RadImageGAN (Liu et al. 2023) and its repository's page: 5,000 thousand images shown, 768 hours of DGX A100
with a stem of 7 and heads of 4 layers; 4,563 hours of DGX A100 and 3,088 hours of DGX V100 with 10 and 7. The feature
networks that judge are StyleGAN-XL's (Sauer et al. 2022): EfficientNet-lite0 and DeiT-base at 224 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from radgen.gan.aliasfree.presets import STEM_RESOLUTION, chain_shape
from radgen.planning.machine import GPU_SHARE, PEAK_TFLOPS
from radgen.planning.operations import FROZEN_PASSES, GENERATOR_PASSES, alias_free_gflop

# 10^9 operations of one image of 224 pixels: twice the multiplications that the networks' papers state.
JUDGES_GFLOP = {"EfficientNet-lite0": 0.8, "DeiT-base": 35.1}
FINAL_PX = 512
KIMG = 5000


@dataclass(frozen=True)
class Published:
    """A published cost.

    Attributes
    ----------
    name
        In words.
    preset
        Layers of stem and heads.
    hours
        As published, by GPU model.
    """

    name: str
    preset: str
    hours: Mapping[str, float]

    @property
    def a100_hours(self) -> float:
        """The hours, those of another GPU weighted by its peak rate."""
        return sum(hours * PEAK_TFLOPS[model] / PEAK_TFLOPS["A100"] for model, hours in self.hours.items())


PUBLISHED = (
    Published("RadImageGAN, 7 and 4 layers", "7/4", {"A100": 768.0}),
    Published("RadImageGAN, 10 and 7 layers", "10/7", {"A100": 4563.0, "V100": 3088.0}),
)


def planned_gflop(preset: str, *, every_stage: bool) -> float:
    """Return 10^9 operations of the whole training.

    Parameters
    ----------
    preset
        Layers of stem and heads.
    every_stage
        Whether the 5,000 thousand images are the budget of each stage from 16 to 512 pixels, or of all together.
    """
    sides = [STEM_RESOLUTION << step for step in range((FINAL_PX // STEM_RESOLUTION).bit_length())]
    shapes = [chain_shape(preset, px, image_channels=3, classes=165) for px in sides]
    judges = FROZEN_PASSES * sum(JUDGES_GFLOP.values())
    per_image = [GENERATOR_PASSES * alias_free_gflop(shape) + judges for shape in shapes]
    return 1e3 * KIMG * (sum(per_image) if every_stage else sum(per_image) / len(per_image))


def comparison() -> Iterator[str]:
    """Yield the lines that compare planned and published GPU hours, and say what separates them."""
    rate = 1e3 * PEAK_TFLOPS["A100"] * GPU_SHARE * 3600  # GFLOP in an hour
    yield f"published costs: {KIMG} thousand images, stages of 16 to {FINAL_PX} px, A100 at {GPU_SHARE:.0%} of its peak"
    for cost in PUBLISHED:
        each, together = (planned_gflop(cost.preset, every_stage=every) / rate for every in (True, False))
        yield (
            f"{cost.name:<30} published {cost.a100_hours:8,.0f} A100 hours; planned {each:8,.0f} with the budget in "
            f"every stage ({each / cost.a100_hours:.2f} of it), {together:6,.0f} with one budget for all"
        )
    one, two = PUBLISHED
    planned = planned_gflop(two.preset, every_stage=True) / planned_gflop(one.preset, every_stage=True)
    yield (
        f"from one to the other: published {two.a100_hours / one.a100_hours:.1f} times, planned {planned:.1f} times, "
        "whatever a GPU reaches"
    )
    reached = GPU_SHARE * planned_gflop(one.preset, every_stage=True) / rate / one.a100_hours
    yield (
        f"what separates them from the plan: with the budget in every stage and {reached:.1%} of the peak instead of "
        f"{GPU_SHARE:.0%}, both published figures come out; filters around each activation, which are not counted, and "
        "half-filled batches of small stages are what we take the rest to go to"
    )
