"""Operations and weights of networks that have no formula here: one step of their own training, counted as it runs.

A step of a single small image on zeros takes a fraction of a second and has the operations of any other. Counted is
what `--dry-run` of the stage counts: convolutions and matrix products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from radgen.planning.operations import GIGA
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.semantic.settings import SemanticSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from radgen.radiogenomic.synthesis.networks import RadiogenomicShape

# Sides on which maps are counted; operations grow with the area from there, but for a part that stays.
SMALL_PX, LARGE_PX = 32, 64
# Settings that are sizes of the networks of nodules.
NODULE_SIZES = ("hidden", "embed_dim", "g_ls", "g_n_feat", "d_n_feat", "code_kernel")


@dataclass(frozen=True)
class Step:
    """What one image costs.

    Attributes
    ----------
    training
        10^9 operations of a training step to an image shown, penalties and variety spread over all.
    forward
        Of the generator alone.
    """

    training: float
    forward: float


@dataclass(frozen=True)
class Weights:
    """Numbers that files hold: of the generator, and of the networks that learn, the generator among them."""

    generator: int
    learning: int


def semantic_step(settings: SemanticSettings, px: int, labels: int) -> Step:
    """Return what one map costs a semantic source, counted at 32 and 64 pixels and carried on by the area.

    Raises
    ------
    ConfigError
        The side is no multiple of 32.
    """
    from radgen.semantic.generator import SemanticShape

    SemanticShape(px, px, 1, labels, settings.networks)
    small, large = (_semantic_step(settings, side, labels) for side in (SMALL_PX, LARGE_PX))
    further = (px**2 - SMALL_PX**2) / (LARGE_PX**2 - SMALL_PX**2)
    return Step(
        small.training + (large.training - small.training) * further,
        small.forward + (large.forward - small.forward) * further,
    )


def _semantic_step(settings: SemanticSettings, px: int, labels: int) -> Step:
    import torch

    from radgen.semantic.generator import SemanticShape
    from radgen.semantic.system import SemanticSystem

    alone = replace(settings, batch_size=1, part_size=None, precision="fp32")
    shape = SemanticShape(px, px, 1, labels, settings.networks)
    maps, images = torch.zeros(1, px, px, dtype=torch.int64), torch.zeros(1, 1, px, px)
    system = SemanticSystem(shape, alone, _Still((maps, images)), torch.device("cpu"))
    training = _counted(lambda: system.backward(0, 0, 1, 1.0))
    if settings.mode == "unpaired" and settings.penalty > 0:
        # Only the first of every so many steps has the penalty.
        every, rest = settings.penalty_every, _counted(lambda: system.backward(1, 1, 1, 1.0))
        training = (training + (every - 1) * rest) / every
    noise = torch.zeros(1, shape.noise_length)
    return Step(training, _counted(lambda: system.average(maps, noise)))


def radiogenomic_step(settings: RadiogenomicSettings, px: int, genes: int) -> Step:
    """Return what one patch costs a radiogenomic source.

    Raises
    ------
    ConfigError
        No network draws patches of this side.
    """
    import torch

    from radgen.radiogenomic.synthesis.batches import CHANNELS
    from radgen.radiogenomic.synthesis.system import RadiogenomicSystem

    alone = replace(settings, bs=1, part_size=None, precision="fp32")
    shape = _nodule_shape(settings, px, genes)
    pixels, row = torch.zeros(1, CHANNELS, px, px, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)
    profile = torch.zeros(1, genes)
    system = RadiogenomicSystem(shape, alone, _Still((pixels, row)), profile, torch.device("cpu"))
    noise, background = torch.zeros(1, settings.g_ls), torch.zeros(1, 1, px, px)
    return Step(
        _counted(lambda: system.backward(0, 0, 1, 1.0)),
        _counted(lambda: system.average(profile, noise, background)),
    )


def semantic_weights(settings: SemanticSettings, px: int, labels: int) -> Weights:
    """Return the weights of a semantic source."""
    from radgen.semantic.generator import SemanticGenerator, SemanticShape
    from radgen.semantic.judges import PixelJudge, WaveletJudge

    shape = SemanticShape(px, px, 1, labels, settings.networks)
    generator, judges = _size(SemanticGenerator(shape)), _size(PixelJudge(shape, free=settings.mode == "paired"))
    if settings.mode == "unpaired":
        judges += _size(WaveletJudge(shape))
    return Weights(generator, generator + judges)


def radiogenomic_weights(settings: RadiogenomicSettings, px: int, genes: int) -> Weights:
    """Return the weights of a radiogenomic source."""
    from radgen.radiogenomic.synthesis.networks import Discriminator, RadiogenomicGenerator

    shape = _nodule_shape(settings, px, genes)
    generator = _size(RadiogenomicGenerator(shape))
    return Weights(generator, generator + _size(Discriminator(shape)))


def _nodule_shape(settings: RadiogenomicSettings, px: int, genes: int) -> RadiogenomicShape:
    from radgen.radiogenomic.synthesis.networks import RadiogenomicShape

    sizes = {name: getattr(settings, name) for name in NODULE_SIZES}
    return RadiogenomicShape(resolution=px, genes=genes, **sizes)


class _Still:
    """The same batch at every position."""

    def __init__(self, batch: tuple[Tensor, Tensor]) -> None:
        self._batch = batch

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """See `Batches`."""
        return self._batch


def _counted(act: Callable[[], object]) -> float:
    """Return 10^9 operations of what is done."""
    from radgen.training.probe import OperationCount

    with OperationCount() as counter:
        act()
    return float(counter.flops / GIGA)


def _size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
