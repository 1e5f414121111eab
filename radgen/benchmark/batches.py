"""Training batches: a pure function of seed and step, with every class drawn equally often, and their augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from radgen.benchmark.settings import ArmTrainingSettings
from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.seeds import random_generator


class Pool:
    """Some rows of an image set to draw from.

    Parameters
    ----------
    images
        The image set.
    positions
        Its rows that may be drawn, int64 [n].
    """

    def __init__(self, images: ImageSet, positions: NDArray[np.int64]) -> None:
        self.images = images
        ids = class_ids(images)
        self._ids = ids
        # Rows without a class are one more group.
        self._groups = [positions[ids[positions] == number] for number in np.unique(ids[positions])]

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw positions with replacement, every class equally often."""
        groups = [self._groups[number] for number in generator.integers(len(self._groups), size=count)]
        return np.array([group[generator.integers(len(group))] for group in groups], dtype=np.int64)

    def classes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the class ids of some positions; -1 where there is none."""
        return self._ids[positions]


def class_ids(images: ImageSet) -> NDArray[np.int64]:
    """Return the class id of every row, int64; -1 where there is none."""
    column = images.table.column("class_id").combine_chunks().fill_null(-1)
    return np.asarray(column.to_numpy(zero_copy_only=False)).astype(np.int64)


@dataclass(frozen=True)
class Batch:
    """Images float32 [n, C, H, W] in [-1, 1], class ids int64 [n] and, for segmentation, masks int64 [n, 1, H, W]."""

    images: Tensor
    classes: Tensor
    masks: Tensor | None


class BatchSource:
    """Draw batches from one pool, or a fixed share from a synthetic second one.

    Parameters
    ----------
    real, synthetic
        Either may be None, not both.
    settings
        Synthetic share and augmentation.
    batch_size
        Images of a batch.
    seed
        Of the draws; a batch depends on it and on the step alone.
    with_masks
        Whether masks come along.

    Raises
    ------
    InputError
        The two pools differ in image shape, or masks are wanted and missing.
    """

    def __init__(
        self,
        *,
        real: Pool | None,
        synthetic: Pool | None,
        settings: ArmTrainingSettings,
        batch_size: int,
        seed: int,
        with_masks: bool,
    ) -> None:
        extra = 0 if synthetic is None else batch_size
        if real is not None and synthetic is not None:
            _check_shapes(real.images, synthetic.images)
            extra = round(batch_size * settings.synthetic_share)
        counted = ((real, batch_size - extra), (synthetic, extra))
        self._parts = [(pool, count) for pool, count in counted if pool is not None and count]
        for pool, _ in self._parts:
            if with_masks and not pool.images.has_masks:
                msg = f"{pool.images.folder}: no masks here, but segmentation needs them; give image sets with masks"
                raise InputError(msg)
        self.batch_size = batch_size
        self._settings, self._seed, self._with_masks = settings, seed, with_masks

    def batch(self, step: int, device: torch.device) -> Batch:
        """Return the augmented batch of one step."""
        generator = random_generator("benchmark batch", self._seed, step)
        images, classes, masks = [], [], []
        for pool, count in self._parts:
            rows = pool.draw(count, generator)
            images.append(pool.images.images(rows))
            classes.append(pool.classes(rows))
            if self._with_masks:
                masks.append(pool.images.masks(rows)[:, None])
        batch = Batch(
            as_input(np.concatenate(images), device),
            torch.from_numpy(np.concatenate(classes)).to(device),
            torch.from_numpy(np.concatenate(masks)).to(device).long() if self._with_masks else None,
        )
        return augment(batch, self._settings, generator)


def as_input(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn uint8 images into float32 in [-1, 1], channels last in memory."""
    pixels = torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)
    return pixels.float() / 127.5 - 1


def _check_shapes(real: ImageSet, synthetic: ImageSet) -> None:
    if real.image_shape != synthetic.image_shape:
        msg = (
            f"{synthetic.folder}: images of shape {synthetic.image_shape}, but the real ones are {real.image_shape}; "
            "make both of one size"
        )
        raise InputError(msg)


def augment(batch: Batch, settings: ArmTrainingSettings, generator: np.random.Generator) -> Batch:
    """Shift, zoom, change brightness and contrast, and mirror where allowed: each image by its own draw.

    The border is repeated outwards. Masks follow with the nearest label.
    """
    count = len(batch.images)
    zoom = 1 + generator.uniform(-settings.scale, settings.scale, count)
    side = np.where(generator.random(count) < 0.5, -1.0, 1.0) if settings.mirror else np.ones(count)
    move = 2 * generator.uniform(-settings.shift, settings.shift, (count, 2))  # the grid spans 2 units
    theta = np.zeros((count, 2, 3))
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = zoom * side, zoom, move
    gain = 1 + generator.uniform(-settings.intensity, settings.intensity, (count, 1, 1, 1))
    offset = 2 * generator.uniform(-settings.intensity, settings.intensity, (count, 1, 1, 1))
    device = batch.images.device
    grid = F.affine_grid(torch.from_numpy(theta).float().to(device), list(batch.images.shape), align_corners=False)
    images = F.grid_sample(batch.images, grid, padding_mode="border", align_corners=False)
    images = images * torch.from_numpy(gain).float().to(device) + torch.from_numpy(offset).float().to(device)
    masks = batch.masks
    if masks is not None:
        moved = F.grid_sample(masks.float(), grid, mode="nearest", padding_mode="border", align_corners=False)
        masks = moved.round().long()
    return Batch(images, batch.classes, masks)
