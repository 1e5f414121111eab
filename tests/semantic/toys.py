"""Toy maps and images for tests of semantic synthesis: a disc with a smaller one in it, bright on dark."""

from __future__ import annotations

import torch
from torch import Tensor

from radgen.semantic.generator import SemanticShape
from radgen.semantic.maps.batches import image_tensor
from radgen.semantic.settings import SemanticNetworkSettings, SemanticSettings
from radgen.semantic.system import SemanticSystem, semantic_trainer
from radgen.training.adversarial import AdversarialTrainer

PX = 32
TINY = SemanticNetworkSettings(
    generator_channels=(8, 8, 8, 8, 8, 8),
    modulation_channels=8,
    segmenter_channels=(8, 8, 8),
    discriminator_channels=(8, 8, 8, 8, 8),
    image_noise=2,
    region_noise=2,
    pixel_noise=2,
)
WAVELET = SemanticNetworkSettings(**{**vars(TINY), "wavelet": True})


def maps(count: int = 8, height: int = PX, width: int = PX) -> Tensor:
    """Return maps int64 [count, height, width] of labels 0, 1 and 2, one row unlabelled."""
    random = torch.Generator().manual_seed(3)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    made = []
    for _ in range(count):
        dy, dx = (torch.rand(2, generator=random) * 8 - 4).tolist()
        far = ((y - height / 2 - dy) ** 2 + (x - width / 2 - dx) ** 2).sqrt()
        made.append((far < 10).long() + (far < 5).long())
    stacked = torch.stack(made)
    stacked[:, -1] = -1
    return stacked


def images(count: int = 8) -> Tensor:
    """Return uint8 images [count, 1, PX, PX] of the maps."""
    return (maps(count).clamp(min=0) * 100).to(torch.uint8)[:, None]


class InMemory:
    """Maps and images in turn; in the unpaired mode an image stands beside another's map."""

    def __init__(self, mode: str) -> None:
        self._maps, self._images = maps(), image_tensor(images().numpy())
        self._apart = 0 if mode == "paired" else 3

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """Return maps and images of a position."""
        numbers = torch.arange(seen_images, seen_images + size)
        return self._maps[numbers % len(self._maps)], self._images[(numbers + self._apart) % len(self._images)]


def trainer(mode: str, part_size: int | None = None, **options: object) -> AdversarialTrainer[SemanticSystem]:
    """Return a trainer of tiny networks in fp32."""
    settings = SemanticSettings(
        **{"mode": mode, "networks": TINY, "precision": "fp32", "part_size": part_size, "mask": 1.0} | options  # type: ignore[arg-type]
    )
    shape = SemanticShape(PX, PX, 1, 3, settings.networks)
    return semantic_trainer(shape, settings, InMemory(mode), torch.device("cpu"))
