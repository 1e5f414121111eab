"""Images from a trained generator: image i of a class is a function of weights, seed, source, class and i alone.

Batch size changes the lowest bits of sums, so images are made in fixed blocks of 16: image i lives in block i // 16 at
row i % 16, and a last block is made whole whatever is kept of it. Evaluation mode, fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import CheckpointError, InputError
from radgen.gan.checkpoint import load_generator
from radgen.gan.kinds import ImageGenerator
from radgen.gan.latent.centroids import STYLES_PER_CENTROID, Centroids, find_centroids, truncate
from radgen.seeds import derive_seed

BLOCK_SIZE = 16
GREY_HALF_RANGE = 127.5


def image_id(source: str, class_name: str, index: int) -> str:
    """Return the name of a synthetic image, which may be the name of a file: chains of classes are joined by hyphens.

    >>> image_id("main", "liver_lesion", 7), image_id("main", "CT/lung", 7)
    ('main_liver_lesion_000007', 'main_CT-lung_000007')
    """
    return f"{_head(source, class_name)}{index:06d}"


def _head(source: str, class_name: str) -> str:
    return f"{source}_{class_name.replace('/', '-')}_"


def parse_image_id(name: str, sources: Sequence[str], class_names: Sequence[str]) -> tuple[str, str, int]:
    """Split a synthetic image's name into source, class name and index.

    Names may hold underscores themselves, so the known names decide.

    >>> parse_image_id("main_liver_lesion_000007", ["main"], ["normal", "liver_lesion"])
    ('main', 'liver_lesion', 7)

    Raises
    ------
    InputError
        The name is not one of these sources' and classes'.
    """
    for source in sources:
        for class_name in class_names:
            head = _head(source, class_name)
            if name.startswith(head) and name[len(head) :].isdecimal():
                return source, class_name, int(name[len(head) :])
    known = " or ".join(image_id(source, class_name, 0) for source in sources for class_name in class_names)
    msg = f"{name!r} is not an image id of this source; ids look like {known}"
    raise InputError(msg)


@dataclass(frozen=True)
class Block:
    """Sixteen images of one class, and what they came from.

    Attributes
    ----------
    images
        uint8 [16, C, H, W].
    w
        Styles after truncation, float32 [16, w_dim].
    seeds
        Seed of each image, int64 [16].
    features
        Feature map of each scale by name, float32 [16, c, h, w], smallest scale first; empty unless asked for.
    """

    images: NDArray[np.uint8]
    w: NDArray[np.float32]
    seeds: NDArray[np.int64]
    features: dict[str, Tensor]


class Sampler:
    """Make images of a generator, block by block.

    Parameters
    ----------
    generator
        In evaluation mode.
    class_names
        Names by class id.
    source
        The study's name for the generator.
    seed
        Seed of the latents.
    truncation
        1 keeps styles as they are, 0 gives each class's average.
    centroids
        Truncate towards the nearest of these instead of the average.
    """

    def __init__(
        self,
        generator: ImageGenerator,
        class_names: Sequence[str],
        *,
        source: str,
        seed: int,
        truncation: float,
        centroids: Centroids | None = None,
    ) -> None:
        self.generator = generator
        self.class_names = tuple(class_names)
        self.source = source
        self._seed = seed
        self._truncation = truncation
        self._centroids = centroids
        self._device = generator.mapping.w_avg.device

    @property
    def feature_channels(self) -> dict[str, int]:
        """Channels of each scale's feature map by name, smallest scale first."""
        return self.generator.feature_channels

    def seed_of(self, class_id: int, index: int) -> int:
        """Return the seed of one image."""
        return derive_seed("sample", self._seed, self.source, self.class_names[class_id], index)

    @torch.no_grad()
    def block(self, class_id: int, block: int, *, with_features: bool = False) -> Block:
        """Make images 16 * block to 16 * block + 15 of a class."""
        seeds = [self.seed_of(class_id, index) for index in range(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE)]
        shape = self.generator.shape
        draws = torch.stack([_normal(seed, shape.z_dim + self.generator.noise_length) for seed in seeds])
        z, noise = draws.to(self._device).split_with_sizes([shape.z_dim, self.generator.noise_length], dim=1)
        classes = torch.full((BLOCK_SIZE,), class_id, device=self._device)
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            w = self.styles(z, classes)
            images, features = self.generator.synthesise(w, noise)
        return Block(
            images=to_grey(images),
            w=w.cpu().numpy(),
            seeds=np.array(seeds, dtype=np.int64),
            features={name: value.float() for name, value in features.items()} if with_features else {},
        )

    def styles(self, z: Tensor, classes: Tensor) -> Tensor:
        """Map latents [n, z_dim] and class ids [n] to styles after truncation, [n, w_dim]."""
        w = self.generator.mapping(z, classes)
        if self._centroids is None:
            drawn: Tensor = self.generator.mapping.truncate(w, classes, self._truncation)
            return drawn
        return truncate(w, self._centroids.nearest(w, classes), self._truncation)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """Return the noise that belongs to images of these seeds, [n, noise_length]."""
        z_dim, length = self.generator.shape.z_dim, self.generator.noise_length
        if length == 0:
            return torch.zeros(len(seeds), 0, device=self._device)
        return torch.stack([_normal(seed, z_dim + length)[z_dim:] for seed in seeds]).to(self._device)

    def images(self, class_id: int, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.uint8]:
        """Make chosen images of a class: uint8 [n, C, H, W] in the order of the indices."""
        wanted = np.asarray(indices, dtype=np.int64)
        shape = self.generator.shape
        out = np.empty((len(wanted), shape.image_channels, shape.resolution, shape.resolution), dtype=np.uint8)
        for block in np.unique(wanted // BLOCK_SIZE).tolist():
            here = np.flatnonzero(wanted // BLOCK_SIZE == block)
            out[here] = self.block(class_id, block).images[wanted[here] % BLOCK_SIZE]
        return out


def load_sampler(
    weights: Path, *, seed: int, truncation: float, device: torch.device | str, centroids: int = 0
) -> Sampler:
    """Open published weights for sampling.

    Parameters
    ----------
    weights
        Published generator.
    seed, truncation
        See `Sampler`.
    device
        Where images are made.
    centroids
        Truncate towards the nearest of so many centroids of each class, found again here; 0 for the class's average.

    Raises
    ------
    CheckpointError
        The file is missing, damaged or foreign.
    """
    generator, card = load_generator(weights, torch.device(device))
    if generator.shape.classes != len(card.class_names):
        msg = f"{weights}: {generator.shape.classes} classes but {len(card.class_names)} names; run the gan stage again"
        raise CheckpointError(msg)
    found = None
    if centroids and truncation != 1:
        found = find_centroids(generator, centroids, seed=seed, styles=centroids * STYLES_PER_CENTROID)
    return Sampler(generator, card.class_names, source=card.source, seed=seed, truncation=truncation, centroids=found)


def to_grey(images: Tensor) -> NDArray[np.uint8]:
    """Turn images in [-1, 1] into stored grey levels, uint8."""
    grey = ((images + 1) * GREY_HALF_RANGE).round().clamp(0, 255)
    return grey.to(torch.uint8).cpu().contiguous().numpy()


def from_grey(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn stored grey levels into what networks see: float32 in [-1, 1]."""
    return torch.from_numpy(images).to(device).float() / GREY_HALF_RANGE - 1


def _normal(seed: int, length: int) -> Tensor:
    # Drawn on the CPU: the same numbers on every device.
    return torch.randn(length, generator=torch.Generator().manual_seed(seed))
