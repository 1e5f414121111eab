"""Images per second of processor time of the alias-free generator, and ratios to a plain way of computing the same.

    python bench/aliasfree.py [--threads 1] [--px 32] [--batch 8] [--runs 2]

The generator has 19.2 million parameters: a stem of seven layers and 512 channels. Timed in one command: images as the
sampler makes them in fp32, the same in bf16, and the same weights computed plainly: zeros between pixels, depthwise
convolutions with the filters along each axis, one kernel for each image, whole maps. The largest difference is printed.
The published code made 0.55 images per second of processor time at 32 px, and 0.25 at 64 px, on two cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from machine import describe
from torch import Tensor

from radgen.gan.aliasfree.filters import lowpass
from radgen.gan.aliasfree.generator import OUTPUT_SCALE, AliasFreeGenerator
from radgen.gan.aliasfree.layer import CLAMP, FilteredLayer
from radgen.gan.aliasfree.resampling import Span
from radgen.gan.aliasfree.schedule import TAPS_PER_SAMPLE, AliasFreeShape, Stage
from radgen.gan.layers import LEAK
from radgen.training.devices import place, set_threads

PUBLISHED = {32: 0.55, 64: 0.25}  # images per second of processor time


def along_axes(x: Tensor, taps: Tensor, step: int = 1) -> Tensor:
    """Filter along both axes by depthwise convolutions, taking every n-th pixel."""
    channels = x.shape[1]
    kernel = taps.float().expand(channels, 1, 1, -1)
    x = F.conv2d(x, kernel, stride=(1, step), groups=channels)
    return F.conv2d(x, kernel.transpose(2, 3), stride=(step, 1), groups=channels)


def plain_layer(layer: FilteredLayer, x: Tensor, w: Tensor) -> Tensor:
    """Compute a whole layer the plain way; separable filters."""
    numbers = layer.plan
    style = layer.affine(w)
    kernels = layer.weight * style[:, None, :, None, None]
    kernels = kernels * kernels.square().sum(dim=(2, 3, 4), keepdim=True).rsqrt()
    count, _, size, _ = x.shape
    x = F.conv2d(x.reshape(1, -1, size, size), kernels.flatten(0, 1), padding=numbers.kernel - 1, groups=count)
    x = x.view(count, numbers.outputs, *x.shape[2:]) + layer.bias[:, None, None]
    up_taps, down_taps = TAPS_PER_SAMPLE * numbers.up, TAPS_PER_SAMPLE * numbers.down
    rise = lowpass(up_taps, numbers.in_cutoff, numbers.in_half_width, numbers.inner_rate) * numbers.up
    fall = lowpass(down_taps, numbers.out_cutoff, numbers.out_half_width, numbers.inner_rate)
    stuffed = x.new_zeros(*x.shape[:2], x.shape[2] * numbers.up, x.shape[3] * numbers.up)
    stuffed[:, :, :: numbers.up, :: numbers.up] = x
    total = (numbers.out_size - 1) * numbers.down + down_taps + up_taps - 1 - stuffed.shape[2]
    before = (total + numbers.up) // 2
    x = F.pad(stuffed, (before, total - before, before, total - before))
    x = along_axes(x, torch.from_numpy(rise))
    x = (F.leaky_relu(x, LEAK) * 2**0.5).clamp(-CLAMP, CLAMP)
    return along_axes(x, torch.from_numpy(fall), numbers.down)


def plain_images(generator: AliasFreeGenerator, w: Tensor) -> Tensor:
    """Make images the plain way."""
    layers = [layer for layer in generator.filtered if isinstance(layer, FilteredLayer)]
    x = generator.input(w, Span(0, layers[0].plan.in_size))
    for layer in layers:
        x = plain_layer(layer, x, w)
    images: Tensor = generator.to_image(x, w) * OUTPUT_SCALE
    return images


def seconds_of(call: Callable[[], object], runs: int) -> float:
    """Return the mean processor time of a call after a warm-up: other jobs on the machine do not count."""
    call()
    start = time.process_time()
    for _ in range(runs):
        call()
    return (time.process_time() - start) / runs


def main() -> None:
    """Print images per second of each way, ratios and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; with several, seconds are theirs in sum")
    parser.add_argument("--px", type=int, default=32, choices=sorted(PUBLISHED), help="height and width of images")
    parser.add_argument("--batch", type=int, default=8, help="images at once")
    parser.add_argument("--runs", type=int, default=2, help="batches timed of each")
    options = parser.parse_args()
    set_threads(options.threads)
    torch.manual_seed(0)
    generator = AliasFreeGenerator(AliasFreeShape(3, 20, Stage(options.px, 7, 32768, 512))).eval()
    place(generator, torch.device("cpu"))
    z, classes = torch.randn(options.batch, 64), torch.arange(options.batch) % 20

    def bf16() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return generator.draw(generator.mapping(z, classes))[0]

    ways: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: plain_images(generator, generator.mapping(z, classes)),
        "fp32": lambda: generator.draw(generator.mapping(z, classes))[0],
        "bf16": bf16,
    }
    parameters = sum(parameter.numel() for parameter in generator.parameters()) / 1e6
    print(describe())
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.px} px, {parameters:.1f} M parameters")
    with torch.no_grad():
        exact = ways["plain"]()
        speeds = {name: options.batch / seconds_of(way, options.runs) for name, way in ways.items()}
        for name, speed in speeds.items():
            difference = (ways[name]() - exact).abs().max() if name != "plain" else 0.0
            print(
                f"{name} {speed:.2f} images per second of processor time, {speed / speeds['plain']:.1f} x plain, "
                f"{speed / PUBLISHED[options.px]:.1f} x published, largest difference {difference:.1e}"
            )


if __name__ == "__main__":
    main()
