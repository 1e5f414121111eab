"""Whether pairs are what they say: an independent segmenter, taught on real training masks, looks at them.

    python bench/pairs_agreement.py results/demo --source main [--images 5000] [--structure lesion]

Printed are, per structure, the segmenter's Dice on real test images and its Dice against the label head's masks on
pairs; and, for one structure, in which share of each class's real and synthetic images the segmenter finds it. The
segmenter is not the simulated annotator: other patients taught it. It takes about a minute on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray

from radgen.annotation.schema import read_labels
from radgen.annotation.settings import FIRST_ROUND
from radgen.imageset.core import ImageSet
from radgen.labels.overlap import score_structures
from radgen.labels.segmenter import Segmenter, predict
from radgen.labels.settings import AnnotatorSettings
from radgen.labels.teach import teach_segmenter
from radgen.paths import TABLE

CPU = torch.device("cpu")
CHUNK = 256  # images in memory at a time


def main() -> None:
    """Teach the segmenter and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results folder of a finished study with masks")
    parser.add_argument("--source", default="main", help="name of the generator")
    parser.add_argument("--images", type=int, default=5_000, help="training images shown to the segmenter")
    parser.add_argument("--structure", default="lesion", help="the structure whose finding is counted class by class")
    parser.add_argument("--pixels", type=int, default=3, help="so many pixels of it count as found")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    labels = options.results / TABLE["annotate.folder"].format(source=options.source, round=FIRST_ROUND) / "labels.json"
    structures = [label.name for label in read_labels(labels)[1:]]
    real = ImageSet(options.results / "slices" / "index.parquet")
    pairs = ImageSet(options.results / "pairs" / options.source / "index.parquet")
    print(describe())
    settings = AnnotatorSettings(images=options.images, seed=77, threads=options.threads)
    train = real.rows_where(split="train")
    segmenter = teach_segmenter(real, train, structures, settings, device=CPU, say=print)
    for name, images, rows in (
        ("real test", real, real.rows_where(split="test")),
        ("pairs", pairs, np.arange(len(pairs))),
    ):
        masks = paint(segmenter, images, rows)
        print_dice(name, masks, images.masks(rows), structures)
        if options.structure in structures:
            found = (masks == structures.index(options.structure) + 1).sum(axis=(1, 2)) >= options.pixels
            print_found(f"{options.structure} in {name}", images.column("class_name")[rows], found)


def paint(segmenter: Segmenter, images: ImageSet, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Paint rows of an image set: uint8 [n, H, W]."""
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    return np.concatenate([predict(segmenter, images.images(chunk), CPU) for chunk in chunks])


def print_dice(name: str, masks: NDArray[np.uint8], truth: NDArray[np.uint8], structures: Sequence[str]) -> None:
    """Print the Dice of each structure over the images whose truth holds it."""
    for score in score_structures(masks, truth, structures):
        print(f"{name:10} {score.structure:12} Dice {score.dice:.3f} on {score.n} images")


def print_found(name: str, classes: NDArray[np.object_], found: NDArray[np.bool_]) -> None:
    """Print the share of each class's images in which the structure was found."""
    for class_name in sorted({str(value) for value in classes}):
        here = classes == class_name
        print(f"{name}: class {class_name}: found in {found[here].mean():.1%} of {int(here.sum())} images")


if __name__ == "__main__":
    main()
