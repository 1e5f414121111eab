"""What the label heads cost: a mask beside an image, and training on a number of annotations.

    python bench/labels.py [--px 64] [--members 2] [--runs 20] [--annotations 64] [--images 2400]

The generator has the default channels and random weights, as speed asks for no others. A mask is the likeliest label by
the members' mean logits, which tell its expected error too. Images, masks, and masks with errors
take turns, and medians are compared, so that other jobs on the machine count for all. Without --annotations nothing is
trained. Processor time, one thread.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from machine import describe

from radgen.gan.generator import Generator, GeneratorShape
from radgen.gan.sampling import Sampler
from radgen.labels.annotated import Annotated, held_out_rows
from radgen.labels.head import HeadShape
from radgen.labels.masks import ensemble_masks, masks_and_errors
from radgen.labels.members import start_members
from radgen.labels.settings import LabelHeadSettings
from radgen.labels.train import train_heads
from radgen.training.devices import set_threads

CPU = torch.device("cpu")
CHANNELS = (96, 96, 64, 32, 16)
LABELS = ("background", "liver", "spleen", "kidneys", "aorta", "spine", "lesion")
CLASSES = ("normal", "lesion")


def sampler_at(pixels: int) -> Sampler:
    """Return a sampler of an untrained generator."""
    torch.manual_seed(0)
    shape = GeneratorShape(pixels, 1, len(CLASSES), 64, 128, 2, CHANNELS, noise=False)
    return Sampler(Generator(shape).eval(), CLASSES, source="bench", seed=1, truncation=1.0)


def head_shape(sampler: Sampler, settings: LabelHeadSettings) -> HeadShape:
    """Return the shape of heads on a sampler's features."""
    scales = tuple(sampler.feature_channels.items())
    return HeadShape(scales, CLASSES, LABELS, settings.members, settings.width, generator="bench")


def seconds_of(call: Callable[[], object]) -> float:
    """Return the processor time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def time_masks(pixels: int, settings: LabelHeadSettings, runs: int) -> None:
    """Print the share that masks add to the time of a block of images."""
    sampler = sampler_at(pixels)
    heads = start_members(head_shape(sampler, settings), range(settings.members)).eval()
    block = sampler.block(0, 0, with_features=True)
    class_ids = torch.zeros(len(block.images), dtype=torch.int64)

    tasks: dict[str, Callable[[], object]] = {
        "images": lambda: sampler.block(0, 0),
        "masks": lambda: ensemble_masks(heads, block.features, class_ids),
        "masks and expected errors": lambda: masks_and_errors(heads, block.features, class_ids),
    }
    for call in tasks.values():
        call()
    turns = [{name: seconds_of(call) for name, call in tasks.items()} for _ in range(runs)]
    medians = {name: statistics.median(turn[name] for turn in turns) for name in tasks}
    for name in ("masks", "masks and expected errors"):
        each, image = (1e3 * seconds / len(block.images) for seconds in (medians[name], medians["images"]))
        print(
            f"{name} at {pixels} px, {settings.members} heads: {each / image:.3f} of the images' time "
            f"({each:.2f} ms beside {image:.2f} ms an image)"
        )


def time_training(count: int, pixels: int, settings: LabelHeadSettings) -> None:
    """Print seconds and peak memory of training on random masks of so many images."""
    sampler = sampler_at(pixels)
    torch.manual_seed(0)
    class_ids = torch.arange(count) % len(CLASSES)
    annotated = Annotated(
        sampler=sampler,
        image_ids=tuple(map(str, range(count))),
        class_ids=class_ids,
        seeds=tuple(range(count)),
        w=torch.randn(count, 128),
        masks=torch.randint(0, len(LABELS), (count, pixels, pixels), dtype=torch.uint8),
        largest_difference=0,
    )
    held = held_out_rows(class_ids, settings.validation_fraction, settings.members, range(count))
    patient = replace(settings, patience=settings.checks)  # the whole budget
    seconds = seconds_of(
        lambda: train_heads(annotated, held, head_shape(sampler, patient), patient, device=CPU, say=lambda _: None)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"training on {count} annotations at {pixels} px: {seconds:.1f} s, peak memory {peak:.0f} MiB")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--px", type=int, nargs="+", default=[64, 256], help="heights and widths of images")
    parser.add_argument("--members", type=int, default=LabelHeadSettings.members, help="heads in the ensemble")
    parser.add_argument("--runs", type=int, default=15, help="blocks timed of each")
    parser.add_argument("--annotations", type=int, default=0, help="images to train on; 0 trains nothing")
    parser.add_argument("--images", type=int, default=LabelHeadSettings.images, help="budget of the training")
    options = parser.parse_args()
    set_threads(1)
    settings = LabelHeadSettings(members=options.members, images=options.images)
    print(describe())
    for pixels in options.px:
        if options.runs:
            time_masks(pixels, settings, options.runs)
        if options.annotations:
            time_training(options.annotations, pixels, settings)


if __name__ == "__main__":
    main()
