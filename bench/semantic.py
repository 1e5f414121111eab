"""What semantic synthesis costs: full training steps, and stored images, on random maps. Processor time, one thread.

    python bench/semantic.py [--px 64] [--labels 38] [--steps 16] [--samples 16]

A training step holds the passes of all networks, every fourth one with its penalty, the optimisers and the averages.
Its convolutions are in bf16 where the processor has that. Sampling makes grey levels from seeds, several images of one
map, as `radgen semantic-sample` does (which also writes them): in fp32, its default, and where there is bf16 in bf16.
What the sampler does once in its life, such as dividing spectral norms out, is not timed; what it does once per map is.

The reference's figures (0.74 images shown and 12 made per processor-second) are for 64 pixels,
38 labels, batches of 4 and networks of 10, 22 and 21 million parameters, on another machine; docs/semantic.md has both
beside each other on one.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray
from torch import Tensor

from radgen.semantic.generator import SemanticGenerator, SemanticShape
from radgen.semantic.maps.batches import image_tensor
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.settings import REFERENCE, SMALL, SemanticSettings
from radgen.semantic.system import semantic_trainer
from radgen.training.devices import choose_precision, set_threads

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
    """Print images per processor-second of training, and of sampling in each precision."""
    data = random_batches(pixels, labels)
    shape = SemanticShape(pixels, pixels, 3, labels, settings.networks)
    trainer = semantic_trainer(shape, settings, data, CPU)
    batch = settings.batch_size
    trainer.step(0)
    start = time.process_time()
    for step in range(steps):
        trainer.step((step + 1) * batch)
    rate = steps * batch / (time.process_time() - start)
    average, label_map = trainer.system.average.eval(), data.maps[0].numpy()
    rates = {one: sampling_rate(average, label_map, one, samples) for one in ("fp32", choose_precision("auto", CPU))}
    painted = [f"{value:.1f} images/s in {precision}" for precision, value in rates.items()]
    print(f"{name}, {settings.mode}: training {rate:.2f} images/s, sampling {', '.join(painted)}", flush=True)


def sampling_rate(generator: SemanticGenerator, label_map: NDArray[np.integer], precision: str, samples: int) -> float:
    """Return images of one map per processor-second."""
    sampler = SemanticSampler(generator, source="bench", seed=1, precision=precision)
    sampler.images(label_map, "bench", range(samples))
    start = time.process_time()
    sampler.images(label_map, "bench", range(samples))
    return samples / (time.process_time() - start)


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
