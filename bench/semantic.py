"""What semantic synthesis costs: a full training step, and sampling, on random maps.

    python bench/semantic.py [--px 64] [--labels 38] [--steps 16] [--samples 16]

The reference's figures (0.74 images shown and 12 made per processor-second) are for 64 pixels,
38 labels, batches of 4 and networks of 10, 22 and 21 million parameters. Processor time, one thread.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import torch
from machine import describe
from torch import Tensor

from radgen.semantic.generator import SemanticShape
from radgen.semantic.maps.batches import image_tensor
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.settings import REFERENCE, SMALL, SemanticSettings
from radgen.semantic.system import semantic_trainer
from radgen.training.devices import set_threads

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Random:
    """Maps and images in turn, held in memory."""

    maps: Tensor
    images: Tensor

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """Return maps and images of a position."""
        numbers = torch.arange(seen_images, seen_images + size) % len(self.maps)
        return self.maps[numbers], self.images[numbers]


def random_batches(pixels: int, labels: int) -> Random:
    """Return random blocks of labels and random images, three channels."""
    random = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, labels, (16, pixels // 8, pixels // 8), generator=random)
    maps = blocks.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    images = torch.randint(0, 256, (16, 3, pixels, pixels), generator=random, dtype=torch.uint8)
    return Random(maps, image_tensor(images.numpy()))


def measure(name: str, settings: SemanticSettings, pixels: int, labels: int, *, steps: int, samples: int) -> None:
    """Print images per processor-second of training, and of sampling."""
    data = random_batches(pixels, labels)
    shape = SemanticShape(pixels, pixels, 3, labels, settings.networks)
    trainer = semantic_trainer(shape, settings, data, CPU)
    batch = settings.batch_size
    trainer.step(0)
    start = time.process_time()
    for step in range(steps):
        trainer.step((step + 1) * batch)
    rate = steps * batch / (time.process_time() - start)
    sampler = SemanticSampler(trainer.system.average.eval(), source="bench", seed=1)
    label_map = data.maps[0].numpy()
    sampler.images(label_map, "bench", [0])
    start = time.process_time()
    sampler.images(label_map, "bench", range(samples))
    sampling = samples / (time.process_time() - start)
    print(f"{name}, {settings.mode}: training {rate:.2f} images/s, sampling {sampling:.1f} images/s", flush=True)


def main() -> None:
    """Print both sizes in both modes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--px", type=int, default=64, help="height and width of images")
    parser.add_argument("--labels", type=int, default=38, help="number of labels")
    parser.add_argument("--steps", type=int, default=16, help="steps timed; 16 hold one penalty")
    parser.add_argument("--samples", type=int, default=16, help="samples timed")
    options = parser.parse_args()
    set_threads(1)
    print(describe())
    for name, networks in (("reference size", REFERENCE), ("small", SMALL)):
        for mode in ("unpaired", "paired"):
            # The reference takes its penalty every fourth step.
            settings = SemanticSettings(mode=mode, networks=networks, penalty_every=4)
            measure(name, settings, options.px, options.labels, steps=options.steps, samples=options.samples)


if __name__ == "__main__":
    main()
