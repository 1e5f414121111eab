"""A generator of phantom slices puts the liver on the side where it is, in each of a thousand samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.cohort.phantom.anatomy import draw_patient
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.gan.run import Lesson, train_generator
from radgen.gan.sampling import load_sampler
from radgen.gan.settings import GanSettings
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.imaging.window import Window
from radgen.settings import build
from tests.gan import toys

SAMPLES = 1000
TINY = {
    "images": 4800,
    "z_dim": 16,
    "w_dim": 32,
    "generator_channels": [24, 24, 16],
    "discriminator_channels": [24, 24, 16],
    "rebuild": {"alone_images": 4000},
    "tick_images": 4800,
    "save_every_images": 4800,
    "guidance": 0.0,
    "ema_half_life_images": 500,
    "publish": "last",
}


def _slices() -> NDArray[np.uint8]:
    """Slices [n, 1, 16, 16] of phantom patients in the display window, before any scanner's noise."""
    settings = PhantomSettings(size_px=64, slices_per_patient=6, slice_mm=16.0, arms_fraction=0.0)
    window = Window(40.0 - 200.0, 40.0 + 200.0)
    stacks = [window.to_grey(draw_patient(settings, number).hu) for number in range(30)]
    grey = np.concatenate(stacks).reshape(-1, 1, 16, 4, 16, 4).mean(axis=(3, 5))
    return np.asarray(grey.round(), dtype=np.uint8)


def _write(folder: Path, slices: NDArray[np.uint8]) -> ImageSet:
    with ShardWriter(folder, "shard-000", (1, 16, 16), with_masks=False) as writer:
        for number, image in enumerate(slices):
            row = {"image_id": f"slice-{number}", "source": "real", "split": "train", "patient": f"p{number // 6}"}
            writer.append({**row, "class_name": "body", "class_id": 0}, image)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")


def _distance_to_nearest(images: NDArray[np.uint8], real: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Distance of each image [n, 1, 16, 16] to the nearest of `real`, grey levels."""
    one, two = (torch.from_numpy(stack.reshape(len(stack), -1).astype(np.float32)) for stack in (images, real))
    return torch.cdist(one, two).min(dim=1).values.numpy()


def _mirrored_samples(folder: Path, *, mirror: bool) -> int:
    """Train, draw, and count the samples that are nearer to a mirrored real slice than to any real slice."""
    slices = _slices()
    images = _write(folder, slices)
    rows = np.arange(len(images))
    lesson = Lesson(images, rows, np.zeros(len(rows), np.int64), ("body",), "main")
    settings = build(GanSettings, TINY | {"mirror": mirror})
    work = folder / "work"
    work.mkdir()
    outcome = train_generator(work, lesson, settings, toys.means(toys.encoder_of(*slices.shape[-2:]), ("body",)))
    assert outcome is not None
    sampler = load_sampler(outcome.files["weights"], seed=1, truncation=1.0, device="cpu")
    samples = sampler.images(0, range(SAMPLES))
    upright, turned = _distance_to_nearest(samples, slices), _distance_to_nearest(samples, slices[..., ::-1].copy())
    return int((turned < upright).sum())


def test_no_mirrored_phantom_among_a_thousand_samples(tmp_path: Path) -> None:
    assert _mirrored_samples(tmp_path, mirror=False) == 0


def test_a_generator_shown_both_sides_draws_both(tmp_path: Path) -> None:
    """The ruler of the test above works."""
    assert _mirrored_samples(tmp_path, mirror=True) > SAMPLES // 4
