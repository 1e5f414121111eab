"""Training batches: a pure function of seed and step, with every class drawn equally often, and their augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.benchmark.augmentation import Augmentation, move, shade
from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.seeds import random_generator

if TYPE_CHECKING:
    from radgen.labels.stream import PairBatch


class Drawn(NamedTuple):
    """Stored images uint8 [n, C, H, W], class ids int64 [n] (-1: none), masks uint8 [n, H, W] where wanted."""

    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    masks: NDArray[np.uint8] | None


class Source(Protocol):
    """Where images of a batch come from."""

    name: str
    image_shape: tuple[int, int, int]
    has_masks: bool

    def take(self, count: int, generator: np.random.Generator, *, with_masks: bool) -> Drawn:
        """Return the next images."""
        ...


class Pool:
    """Some rows of an image set to draw from.

    Parameters
    ----------
    images
        The image set.
    positions
        Its rows that may be drawn, int64 [n].
    painted
        Masks uint8 [H, W] by position that stand in for the stored ones.
    by_class
        Whether every class comes equally often; unlabelled rows are drawn as they come.
    """

    def __init__(
        self,
        images: ImageSet,
        positions: NDArray[np.int64],
        *,
        painted: Mapping[int, NDArray[np.uint8]] | None = None,
        by_class: bool = True,
    ) -> None:
        self.images, self.name, self.image_shape = images, str(images.folder), images.image_shape
        self.has_masks = images.has_masks
        self._ids = class_ids(images)
        self._painted = painted or {}
        # Rows without a class are one more group.
        ids = self._ids[positions] if by_class else np.zeros(len(positions), dtype=np.int64)
        self._groups = [positions[ids == number] for number in np.unique(ids)]

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Draw positions with replacement, every class equally often."""
        groups = [self._groups[number] for number in generator.integers(len(self._groups), size=count)]
        return np.array([group[generator.integers(len(group))] for group in groups], dtype=np.int64)

    def classes(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the class ids of some positions; -1 where there is none."""
        return self._ids[positions]

    def take(self, count: int, generator: np.random.Generator, *, with_masks: bool) -> Drawn:
        """Draw images."""
        rows = self.draw(count, generator)
        masks = self.images.masks(rows) if with_masks else None
        if masks is not None and self._painted:
            masks = np.stack([self._painted.get(row, own) for row, own in zip(rows.tolist(), masks, strict=True)])
        return Drawn(self.images.images(rows), self.classes(rows), masks)


class StreamPool:
    """Pairs drawn while a network learns, each one once.

    Parameters
    ----------
    name
        Of their source.
    chunks
        Endless, from `radgen.labels.stream.PairStream`.
    """

    has_masks = True

    def __init__(self, name: str, chunks: Iterable[PairBatch]) -> None:
        self.name, self._chunks = name, iter(chunks)
        self._waiting = next(self._chunks)
        channels, height, width = self._waiting.images.shape[1:]
        self.image_shape = (int(channels), int(height), int(width))

    def take(self, count: int, generator: np.random.Generator, *, with_masks: bool) -> Drawn:
        """Return the next pairs; nothing is drawn from `generator`."""
        del generator, with_masks
        while len(self._waiting) < count:
            self._waiting = self._waiting.join([self._waiting, next(self._chunks)])
        first, rest = self._waiting.take(range(count)), range(count, len(self._waiting))
        self._waiting = self._waiting.take(rest)
        return Drawn(first.images.numpy(), first.class_ids.numpy(), first.masks.numpy())


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


BOTH = frozenset({"real", "synthetic"})


class BatchSource:
    """Draw batches from one source, or a fixed share from a synthetic second one.

    Parameters
    ----------
    real, synthetic
        Either may be None, not both.
    synthetic_share
        Share of the second one in a batch that has both.
    augmentation
        Classical augmentation.
    batch_size
        Images of a batch.
    seed
        Of the draws; a batch depends on it and on the step alone (a stream of pairs goes on from batch to batch).
    with_masks
        Whether masks come along.

    Raises
    ------
    InputError
        The two sources differ in image shape, or masks are wanted and missing.
    """

    def __init__(
        self,
        *,
        real: Source | None,
        synthetic: Source | None,
        synthetic_share: float,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        with_masks: bool,
    ) -> None:
        if real is not None and synthetic is not None:
            _check_shapes(real, synthetic)
        self._sources = {"real": real, "synthetic": synthetic}
        for source in self._sources.values():
            if with_masks and source is not None and not source.has_masks:
                msg = f"{source.name}: no masks here, but segmentation needs them; give image sets with masks"
                raise InputError(msg)
        self.batch_size = batch_size
        self._share, self._seed, self._with_masks = synthetic_share, seed, with_masks
        self._augmentation = augmentation

    def _parts(self, kinds: frozenset[str]) -> list[tuple[Source, int]]:
        """Return what a batch of some kinds is made of: real ones first."""
        wanted = {kind: source for kind, source in self._sources.items() if source is not None and kind in kinds}
        extra = round(self.batch_size * self._share) if len(wanted) == 2 else self.batch_size
        counts = {"real": self.batch_size - extra if len(wanted) == 2 else self.batch_size, "synthetic": extra}
        return [(source, counts[kind]) for kind, source in wanted.items() if counts[kind]]

    def batch(self, step: int, device: torch.device, kinds: frozenset[str] = BOTH) -> Batch:
        """Return the augmented batch of one step, of real images, of synthetic ones or of both."""
        generator = random_generator("benchmark batch", self._seed, step)
        parts = [source.take(count, generator, with_masks=self._with_masks) for source, count in self._parts(kinds)]
        masks = [part.masks[:, None] for part in parts if part.masks is not None]
        batch = Batch(
            as_input(np.concatenate([part.images for part in parts]), device),
            torch.from_numpy(np.concatenate([part.classes for part in parts])).to(device),
            torch.from_numpy(np.concatenate(masks)).to(device).long() if self._with_masks else None,
        )
        return augment(batch, self._augmentation, generator)


class Unlabelled:
    """Real images without their labels, two views at a time.

    Parameters
    ----------
    pool
        Where they come from.
    augmentation
        Of both views, each by its own draw.
    batch_size, seed
        As of `BatchSource`.
    """

    def __init__(self, pool: Pool, augmentation: Augmentation, batch_size: int, seed: int) -> None:
        self._pool, self._augmentation, self._size, self._seed = pool, augmentation, batch_size, seed

    def views(self, step: int, device: torch.device, *, same_place: bool) -> tuple[Tensor, Tensor]:
        """Return two views float32 [n, C, H, W] of the same images, moved alike or each on its own."""
        generator = random_generator("benchmark unlabelled", self._seed, step)
        drawn = self._pool.take(self._size, generator, with_masks=False)
        images = as_input(drawn.images, device)
        one, _ = move(images, None, self._augmentation, generator)
        two = one if same_place else move(images, None, self._augmentation, generator)[0]
        return shade(one, self._augmentation, generator), shade(two, self._augmentation, generator)


def as_input(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn uint8 images into float32 in [-1, 1], channels last in memory."""
    pixels = torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)
    return pixels.float() / 127.5 - 1


def _check_shapes(real: Source, synthetic: Source) -> None:
    if real.image_shape != synthetic.image_shape:
        msg = (
            f"{synthetic.name}: images of shape {synthetic.image_shape}, but the real ones are {real.image_shape}; "
            "make both of one size"
        )
        raise InputError(msg)


def augment(batch: Batch, how: Augmentation, generator: np.random.Generator) -> Batch:
    """Move and shade each image by its own draw; masks follow with the nearest label."""
    images, masks = move(batch.images, batch.masks, how, generator)
    return Batch(shade(images, how, generator), batch.classes, masks)
