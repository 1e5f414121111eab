"""Images per second of generator training, and its ratio to a plain loop of the same 3 x 3 convolutions.

    python bench/trainer.py [--preset small] [--threads 1] [--px 64] [--steps 64]

Preset small holds the default settings at 64 px, against the goal of 180 images/s on two cores; preset large some 20 M
and 20 M parameters at 32 px with the relativistic loss, its two penalties in every step and every eighth, against three
times the 0.51 images per second of processor time that R3GAN's step of that size takes.

Timed in one command: steps of the trainer (penalties, optimisers, running average and reading batches included) on an
image set of random pictures, and the forward and backward passes of every 3 x 3 convolution of the two networks at the
same sizes, type and layout, as often as a step without penalty needs them. The ratio says how much of the time is not
spent on convolutions.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from machine import describe
from torch import Tensor, nn

from radgen.gan.kinds import kind_of
from radgen.gan.layers import EqualConv, ModulatedConv
from radgen.gan.run import generator_shape
from radgen.gan.settings import GanSettings
from radgen.gan.train import GanSystem, gan_trainer
from radgen.imageset.core import ImageSet
from radgen.imageset.torch import RowBatches
from radgen.imageset.writers import ShardWriter
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.devices import choose_precision, set_threads

PICTURES = 256
GOALS = {"small": 90.0, "large": 3 * 0.51}  # images per second of one core
PIXELS = {"small": 64, "large": 32}
FIRST = 100_000  # an image number well inside the adversarial game
# Passes forward and backward, and further gradients of the input alone, in a step without penalty: the generator runs
# once, on a batch of twice the size; the discriminator on real and on generated images, whose own gradient is the
# generator's.
PASSES = {"generator": (1, 0), "discriminator": (2, 1)}


def trainer(folder: Path, px: int, settings: GanSettings) -> AdversarialTrainer[GanSystem]:
    """Return a trainer on random pictures of two classes."""
    random = np.random.default_rng(0)
    with ShardWriter(folder, "shard", (1, px, px), with_masks=False) as writer:
        for number in range(PICTURES):
            picture = random.integers(0, 256, (1, px, px), dtype=np.uint8)
            writer.append({"image_id": str(number), "source": "real"}, picture)
    images = ImageSet(folder / "shard.index.parquet")
    batches = RowBatches(images, np.arange(PICTURES), np.arange(PICTURES) % 2, seed=0, balanced=True)
    torch.manual_seed(0)
    shape = generator_shape(images, 2, settings)
    generator = kind_of(shape).build(shape)
    return gan_trainer(generator, settings, batches, torch.device("cpu"))


def convolutions(trained: AdversarialTrainer[GanSystem]) -> list[tuple[Tensor, Tensor, str]]:
    """Return input, weight and network of every 3 x 3 convolution, as one step sees them."""
    found: list[tuple[Tensor, Tensor, str]] = []
    precision = choose_precision(trained.system.settings.precision, torch.device("cpu"))
    kind = torch.bfloat16 if precision == "bf16" else torch.float32

    def note(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(module: nn.Module, _inputs: object, output: Tensor) -> None:
            weight: Tensor = module.weight.detach()  # type: ignore[operator]
            if weight.shape[-1] == 3:
                size = (output.shape[0], weight.shape[1], *output.shape[2:])
                x = torch.randn(size, dtype=kind).contiguous(memory_format=torch.channels_last)
                found.append((x, weight.to(kind), name))

        return hook

    networks = {"generator": trained.system.generator, "discriminator": trained.system.discriminator}
    hooks = [
        module.register_forward_hook(note(name))
        for name, network in networks.items()
        for module in network.modules()
        if isinstance(module, EqualConv | ModulatedConv)
    ]
    trained.step(FIRST)
    for hook in hooks:
        hook.remove()
    return list({(id(weight), *x.shape): (x, weight, name) for x, weight, name in found}.values())


def plain_step(layers: list[tuple[Tensor, Tensor, str]]) -> None:
    """Run every convolution forward and backward as often as a step does."""
    for x, weight, name in layers:
        passes, further = PASSES[name]
        x.requires_grad_()
        weight.requires_grad_()
        for number in range(passes):
            y = F.conv2d(x, weight, padding=1)
            slope = torch.ones_like(y)
            if number < further:
                torch.autograd.grad(y, x, slope, retain_graph=True)
            torch.autograd.grad(y, (x, weight), slope)


def seconds_of(call: Callable[[int], object], steps: int) -> float:
    """Return the mean processor time of a call after a warm-up: other jobs on the machine do not count."""
    warm = min(steps, 8)
    for number in range(warm):
        call(number)
    start = time.process_time()
    for number in range(steps):
        call(warm + number)
    return (time.process_time() - start) / steps


def variants(preset: str, threads: int, precision: str) -> dict[str, GanSettings]:
    """Return the settings that a preset times, by name."""
    if preset == "small":
        return {"default settings": GanSettings(threads=threads, precision=precision)}
    return {
        f"penalties every {every} step(s)": GanSettings(
            threads=threads,
            precision=precision,
            loss="relativistic",
            penalty_every=every,
            w_dim=512,
            generator_channels=(576, 576, 576, 288),
            discriminator_channels=(544, 544, 512, 256),
        )
        for every in (1, 8)
    }


def parameters(network: nn.Module) -> str:
    """Return the number of parameters in millions."""
    return f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.2f} M"


def main() -> None:
    """Print images per second of the trainer and of the plain loop, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=sorted(GOALS), default="small", help="size of the networks")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; with several, seconds are theirs in sum")
    parser.add_argument("--px", type=int, help="height and width of images; 64 for small, 32 for large")
    parser.add_argument("--steps", type=int, default=64, help="steps timed of each; a multiple of 8 holds all kinds")
    options = parser.parse_args()
    precision = choose_precision("auto", torch.device("cpu"))
    px = options.px or PIXELS[options.preset]
    set_threads(options.threads)
    print(describe())
    print(f"torch {torch.__version__}, {options.threads} thread(s), {precision}, {px} px")
    for name, settings in variants(options.preset, options.threads, precision).items():
        with tempfile.TemporaryDirectory() as folder:
            trained = trainer(Path(folder), px, settings)
            layers = convolutions(trained)
            step = seconds_of(lambda number: trained.step(FIRST + number * trained.batch_size), options.steps)  # noqa: B023
            plain = seconds_of(lambda _: plain_step(layers), options.steps)  # noqa: B023
        sizes = f"{parameters(trained.system.generator)} + {parameters(trained.system.discriminator)} parameters"
        rate = settings.batch_size / step
        print(f"trainer, {name}, {sizes}: {rate:.3g} images per second of processor time")
        print(f"trainer, {name}: {rate / GOALS[options.preset]:.2f} x the goal of {GOALS[options.preset]:g}")
        print(f"plain loop {settings.batch_size / plain:.3g} images per second of processor time")
        print(f"ratio {plain / step:.2f}")


if __name__ == "__main__":
    main()
