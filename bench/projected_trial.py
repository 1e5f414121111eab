"""Does a residual generator learn from the projected discriminator? Trained on phantom slices, scored as it goes.

    python bench/projected_trial.py [--images 16000] [--px 32] [--discriminator projected] [--out results/projected]

Phantom patients of two classes (a lesion in the slice or none) are drawn without a scanner; an encoder learns to tell
the classes and gives the maps; a second one, of another seed and taught by views, is used in no loss and scores.
At each tick the Frechet distance of 500 samples per class to the real slices is printed, by both, beside that of other
real slices. `--discriminator residual` trains the same generator against
the residual discriminator.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray

from radgen.cohort.phantom.anatomy import draw_patient
from radgen.cohort.phantom.settings import STRUCTURES, PhantomSettings
from radgen.cohort.settings import ClassSettings
from radgen.features.network import FeatureNetwork
from radgen.features.rows import TrainingRows
from radgen.features.settings import EncoderSettings
from radgen.features.train import Lesson, train_network
from radgen.gan.grid import sample_grid, write_png
from radgen.gan.kinds import kind_of
from radgen.gan.projected.embedding import class_means
from radgen.gan.projected.settings import ProjectedSettings
from radgen.gan.run import generator_shape
from radgen.gan.sampling import Sampler
from radgen.gan.settings import GanSettings
from radgen.gan.train import GanSystem, gan_trainer
from radgen.imageset.core import ImageSet
from radgen.imageset.torch import RowBatches
from radgen.imageset.writers import ShardWriter
from radgen.imaging.window import Window
from radgen.metrics.frechet import frechet_between
from radgen.seeds import derive_seed
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.devices import set_threads

CLASSES = ClassSettings(by="folder", names=("normal", "lesion"))
CPU = torch.device("cpu")
SAMPLES = 500  # per class
LEAST_PLACES = 6  # of the lesion, at 64 pixels
WINDOW = Window(-160.0, 240.0)


def build_trainer(
    images: ImageSet, rows: NDArray[np.int64], coach: FeatureNetwork, settings: GanSettings
) -> AdversarialTrainer[GanSystem]:
    """Return the house's trainer of a new generator on these slices."""
    ids = images.column("class_id").astype(np.int64)
    torch.manual_seed(derive_seed("gan", settings.seed, "weights"))
    shape = generator_shape(images, len(CLASSES.names), settings)
    generator = kind_of(shape).build(shape)
    batches = RowBatches(images, rows, ids[rows], seed=settings.seed, balanced=True)
    means = class_means(coach.features, images, rows, ids[rows], len(CLASSES.names))
    return gan_trainer(generator, settings, batches, CPU, encoder=coach, class_means=means)


def write_slices(folder: Path, px: int, patients: int) -> ImageSet:
    """Write phantom slices, the last third of the patients as validation."""
    phantom = PhantomSettings(size_px=64, slices_per_patient=8, slice_mm=12.0, arms_fraction=0.0)
    lesion = list(STRUCTURES).index("lesion") + 1
    with ShardWriter(folder, "shard", (1, px, px), with_masks=False) as writer:
        for number in range(patients):
            anatomy = draw_patient(phantom, number)
            grey = WINDOW.to_grey(anatomy.hu).reshape(-1, px, 64 // px, px, 64 // px).mean(axis=(2, 4))
            places = (anatomy.labels == lesion).sum(axis=(1, 2))
            for place_, (image, count) in enumerate(zip(grey.round().astype(np.uint8), places, strict=True)):
                if 0 < count < LEAST_PLACES:
                    continue
                class_id = int(count > 0)
                row = {
                    "image_id": f"{number}-{place_}",
                    "source": "real",
                    "split": "train" if number < patients * 2 // 3 else "val",
                    "patient": str(number),
                    "class_name": CLASSES.names[class_id],
                    "class_id": class_id,
                }
                writer.append(row, image[None])
    return ImageSet(folder / "shard.index.parquet")


def teach(images: ImageSet, rows: NDArray[np.int64], objective: str, seed: int) -> FeatureNetwork:
    """Return an encoder that learnt from the training slices."""
    lesson = Lesson(images, TrainingRows(rows, rows), CLASSES, objective)
    network, _ = train_network(lesson, EncoderSettings(objective=objective, seed=seed), CPU, lambda _: None)
    return FeatureNetwork(network, "", CPU)


def balanced(ids: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return equally many rows of each class, 500 at most."""
    count = min(SAMPLES, int(np.bincount(ids[rows]).min()))
    return np.concatenate([rows[ids[rows] == number][:count] for number in range(2)])


def main() -> None:
    """Train, and print a line per tick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=16_000, help="real images shown")
    parser.add_argument("--tick", type=int, default=4_000, help="images between scores")
    parser.add_argument("--px", type=int, default=32, choices=(16, 32, 64), help="side of an image")
    parser.add_argument("--patients", type=int, default=450, help="phantom patients of 8 slices")
    parser.add_argument("--batch", type=int, default=16, help="images per step")
    parser.add_argument("--discriminator", choices=("projected", "residual"), default="projected")
    parser.add_argument("--blur-images", type=int, default=ProjectedSettings().blur_images)
    parser.add_argument("--out", type=Path, default=Path("results/projected"), help="folder of the sample sheets")
    options = parser.parse_args()
    set_threads(1)
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        images = write_slices(Path(name), options.px, options.patients)
        ids = images.column("class_id").astype(np.int64)
        train, held_out = (images.rows_where(split=split) for split in ("train", "val"))
        coach, judge = teach(images, train, "classes", 1), teach(images, train, "views", 2)
        reference, other = (images.images(balanced(ids, rows)) for rows in (train, held_out))
        settings = GanSettings(
            discriminator=options.discriminator,
            batch_size=options.batch,
            guidance=0.0,
            projected=ProjectedSettings(blur_images=options.blur_images),
        )
        trainer = build_trainer(images, train, coach, settings)

        def score(pictures: NDArray[np.uint8]) -> str:
            distances = [frechet_between(one.features(reference), one.features(pictures)) for one in (coach, judge)]
            return f"Frechet distance by the encoder {distances[0]:.2f}, by the judge {distances[1]:.2f}"

        print(f"{len(train)} training slices; other real slices: {score(other)}")
        start = time.process_time()
        losses: dict[str, float] = {}
        for seen in range(0, options.images + 1, options.batch):
            if seen % options.tick < options.batch:
                sampler = Sampler(trainer.system.average, CLASSES.names, source="trial", seed=1, truncation=1.0)
                spent = time.process_time() - start
                pictures = np.concatenate([sampler.images(number, range(SAMPLES)) for number in range(2)])
                rounded = {key: round(value, 3) for key, value in losses.items()}
                print(f"{seen} images, {spent:.0f} s of processor time: {score(pictures)}, {rounded}", flush=True)
                write_png(options.out / f"{options.discriminator}-{seen:06d}.png", sample_grid(sampler))
                start = time.process_time() - spent
            losses = trainer.step(seen)


if __name__ == "__main__":
    main()
