"""What every generator of the house can do, and which kinds there are.

A generator is built from its shape alone; weights of any kind are published in the same file format, and sampling,
latent tools and the label head see this protocol only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from radgen.gan.aliasfree.generator import AliasFreeGenerator
from radgen.gan.aliasfree.schedule import AliasFreeShape
from radgen.gan.generator import Generator, GeneratorShape


class Shape(Protocol):
    """What decides the tensors of a generator; a frozen dataclass of plain values, stored beside the weights."""

    @property
    def resolution(self) -> int:
        """Height and width of the image in pixels."""

    @property
    def image_channels(self) -> int:
        """Channels of the image."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def z_dim(self) -> int:
        """Length of the latent z."""

    @property
    def w_dim(self) -> int:
        """Length of the style vector w."""


class ImageGenerator(Protocol):
    """A class-conditional generator.

    Attributes
    ----------
    mapping
        From z and class to w.
    """

    mapping: Any  # `ClassAverages` that maps z [n, z_dim] and class ids [n] to w [n, w_dim]

    @property
    def shape(self) -> Any:  # noqa: ANN401 - a Shape of this kind
        """What rebuilds it."""

    @property
    def layers(self) -> int:
        """How many layers take a style of their own."""

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each scale's feature map, by name, smallest scale first."""

    @property
    def noise_length(self) -> int:
        """Numbers of noise that one image needs."""

    def synthesise(self, w: Tensor, noise: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Make images and aligned feature maps from styles [n, w_dim], or one for each layer [n, layers, w_dim]."""

    def __call__(self, z: Tensor, class_ids: Tensor, noise: Tensor) -> Tensor:
        """Make images float32 [n, C, H, W] in [-1, 1] from latents, class ids and noise."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Iterate over its parameters."""

    def state_dict(self) -> dict[str, Any]:
        """Return its tensors by name."""


@dataclass(frozen=True)
class Kind:
    """One kind of generator.

    Attributes
    ----------
    words
        As it stands in error messages and on the card of published weights.
    shape
        Class of its shapes.
    build
        Makes the network with its initial weights from a shape.
    """

    words: str
    shape: type[Any]
    build: Callable[[Any], nn.Module]


KINDS: Mapping[str, Kind] = {
    "residual": Kind("residual generator", GeneratorShape, Generator),
    "alias-free": Kind("alias-free generator", AliasFreeShape, AliasFreeGenerator),
}


def kind_of(shape: object) -> Kind:
    """Return the kind whose shapes are of this class."""
    return next(kind for kind in KINDS.values() if type(shape) is kind.shape)
