"""What the radiogenomic generator costs: a full training step, and sampling, on random patches.

    python bench/radiogenomic.py [--px 64] [--genes 400] [--steps 16] [--samples 16]

Published size: 32 and 64 channels at the finest scale; small: those of the phantom study. Processor time, one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from machine import describe
from torch import Tensor

from radgen.radiogenomic.synthesis.batches import CHANNELS
from radgen.radiogenomic.synthesis.checkpoint import RadiogenomicCard
from radgen.radiogenomic.synthesis.networks import RadiogenomicShape
from radgen.radiogenomic.synthesis.sampling import RadiogenomicSampler
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.radiogenomic.synthesis.system import radiogenomic_trainer
from radgen.training.devices import set_threads

CPU = torch.device("cpu")
PATIENTS = 16
SIZES = {"published size": (32, 64), "small": (8, 16)}


@dataclass(frozen=True)
class Random:
    """Random patches in turn, held in memory."""

    pixels: Tensor

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """Return patches and rows of expression of a position."""
        numbers = torch.arange(seen_images, seen_images + size) % len(self.pixels)
        return self.pixels[numbers], numbers


def measure(name: str, settings: RadiogenomicSettings, px: int, genes: int, *, steps: int, samples: int) -> None:
    """Print images per processor-second of training, and of sampling."""
    shape = RadiogenomicShape(
        resolution=px,
        genes=genes,
        hidden=settings.hidden,
        embed_dim=settings.embed_dim,
        g_ls=settings.g_ls,
        g_n_feat=settings.g_n_feat,
        d_n_feat=settings.d_n_feat,
        code_kernel=settings.code_kernel,
    )
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (PATIENTS, CHANNELS, px, px), generator=random, dtype=torch.uint8)
    profiles = torch.randn(PATIENTS, genes, generator=random)
    trainer = radiogenomic_trainer(shape, settings, Random(pixels), profiles, CPU)
    trainer.step(0)
    start = time.process_time()
    for step in range(steps):
        trainer.step((step + 1) * settings.bs)
    rate = steps * settings.bs / (time.process_time() - start)
    card = RadiogenomicCard(shape, tuple(map(str, range(genes))), "", "bench", 0, {}, {})
    sampler = RadiogenomicSampler(trainer.system.average, card, seed=1)
    profile, background = profiles[0].numpy(), np.asarray(pixels[0, 0])
    sampler.draw(profile, background, 0)
    start = time.process_time()
    for number in range(samples):
        sampler.draw(profile, background, number)
    sampling = samples / (time.process_time() - start)
    print(f"{name}: training {rate:.1f} images/s, sampling {sampling:.1f} images/s", flush=True)


def main() -> None:
    """Print both sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--px", type=int, default=64, help="height and width of patches")
    parser.add_argument("--genes", type=int, default=400, help="number of genes")
    parser.add_argument("--steps", type=int, default=16, help="steps timed")
    parser.add_argument("--samples", type=int, default=16, help="samples timed")
    options = parser.parse_args()
    set_threads(1)
    print(describe())
    for name, (generator, discriminator) in SIZES.items():
        settings = RadiogenomicSettings(g_n_feat=generator, d_n_feat=discriminator)
        measure(name, settings, options.px, options.genes, steps=options.steps, samples=options.samples)


if __name__ == "__main__":
    main()
