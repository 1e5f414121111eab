"""Images per second of processor time of one step against the projected discriminator, and the ratio to 0.114.

    python bench/projected.py [--px 32] [--batch 8] [--steps 5]

One step is a residual generator of about 20 M parameters and the projected discriminator, forward and backward, with
both optimisers. The feature network is the domain encoder at its default width, the encoder widened to about 3.4 M
parameters (the size of EfficientNet-lite0's trunk), and, where timm is installed, EfficientNet-lite0 itself with random
weights at the image's own size. 0.114 images per second is StyleGAN-XL's full step on one core at 32 px
(docs/benchmarks.md).
"""

from __future__ import annotations

import argparse
import importlib.util
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable

import torch
from machine import describe

from radgen.features.network import ConvEncoder, NetworkShape
from radgen.gan.generator import Generator, GeneratorShape
from radgen.gan.projected.backbones import Backbone, encoder_backbone, random_backbone
from radgen.gan.projected.discriminator import ProjectedDiscriminator
from radgen.gan.projected.features import FeatureMaps
from radgen.gan.projected.game import meet
from radgen.gan.projected.settings import ProjectedSettings
from radgen.training.devices import autocast, choose_precision, place, set_threads

REFERENCE = 0.114  # images per second of processor time
CPU = torch.device("cpu")
CHANNELS = (512, 512, 512, 448)  # about 20 M parameters at 32 px
WIDE = 109  # width at which the encoder has about as many parameters as EfficientNet-lite0


def backbones(px: int) -> dict[str, Callable[[], Backbone]]:
    """Return the feature networks that are timed, by name."""

    def encoder(width: int) -> Backbone:
        return encoder_backbone(ConvEncoder(NetworkShape(1, px, px, 64, width)).eval())

    found: dict[str, Callable[[], Backbone]] = {
        "encoder": lambda: encoder(16),
        "encoder as wide as EfficientNet-lite0": lambda: encoder(WIDE),
    }
    if importlib.util.find_spec("timm") is not None:
        found["timm:tf_efficientnet_lite0"] = lambda: random_backbone("timm:tf_efficientnet_lite0")
    return found


def seconds_of(step: Callable[[], None], steps: int) -> float:
    """Return the mean processor time of a step after a warm-up."""
    for _ in range(3):
        step()
    start = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - start) / steps


def training_step(
    generator: Generator, discriminator: ProjectedDiscriminator, px: int, count: int
) -> Callable[[], None]:
    """Return one step of both networks on random images."""
    networks = (generator, discriminator)
    optimisers = [torch.optim.Adam(network.parameters(), 2e-3, betas=(0.0, 0.99), fused=True) for network in networks]
    precision = choose_precision("auto", CPU)
    class_ids = torch.arange(count) % generator.shape.classes
    real, z = torch.rand(count, 1, px, px) * 2 - 1, torch.randn(count, generator.shape.z_dim)
    noise = torch.randn(count, generator.noise_length)

    def step() -> None:
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        with autocast(CPU, precision):
            made = generator(z, class_ids, noise)
            fake = made.detach().requires_grad_()
            meeting = meet(discriminator, real, fake, class_ids, fake)
        torch.autograd.backward(meeting.discriminator, inputs=list(discriminator.parameters()))
        torch.autograd.backward(made, meeting.slope)
        for optimiser in optimisers:
            optimiser.step()

    return step


def main() -> None:
    """Print a line per feature network and width of heads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--px", type=int, default=32, help="height and width of images")
    parser.add_argument("--batch", type=int, default=8, help="images per step")
    parser.add_argument("--steps", type=int, default=5, help="steps timed of each")
    options = parser.parse_args()
    set_threads(1)
    print(describe())
    print(f"torch {torch.__version__}, one thread, {choose_precision('auto', CPU)}, {options.px} px")
    for name, backbone in backbones(options.px).items():
        for width in (ProjectedSettings().head_width, 128):
            torch.manual_seed(0)
            generator = Generator(GeneratorShape(options.px, 1, 20, 64, 512, 2, CHANNELS, noise=False))
            features = FeatureMaps(backbone(), 1, options.px, scales=4)
            discriminator = ProjectedDiscriminator(features, 20, ProjectedSettings(head_width=width))
            for network in (generator, discriminator):
                place(network, CPU)
            rate = options.batch / seconds_of(
                training_step(generator, discriminator, options.px, options.batch), options.steps
            )
            sizes = [
                sum(value.numel() for value in network.parameters()) / 1e6 for network in (generator, discriminator)
            ]
            frozen = sum(value.numel() for value in features.buffers()) / 1e6
            print(
                f"{name} ({frozen:.1f} M frozen), generator {sizes[0]:.1f} M, heads {sizes[1]:.1f} M: "
                f"{rate:.2f} images/s, {rate / REFERENCE:.0f} x {REFERENCE}",
                flush=True,
            )


if __name__ == "__main__":
    main()
