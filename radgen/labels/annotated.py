"""Annotated synthetic images with the generator's features behind them: drawn again, and proven to be the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.errors import AnnotationError, CheckpointError
from radgen.gan.sampling import BLOCK_SIZE, Block, Sampler, to_grey
from radgen.imageset.core import ImageSet

# Another processor or device rounds differently; another generator differs by far more grey levels than this.
REDRAW_TOLERANCE = 2
PACK_COLUMNS = ("image_id", "class_id", "index", "seed", "sampler_seed", "truncation", "generator")


@dataclass(frozen=True)
class PackFacts:
    """What a pack says: how its images were drawn, and its rows by image id."""

    generator: str
    sampler_seed: int
    truncation: float
    rows: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Annotated:
    """Annotated images, row by row. Features are drawn when they are asked for: memory does not grow with the rows.

    Attributes
    ----------
    sampler
        Draws the features.
    image_ids
        [n], sorted.
    class_ids
        int64 [n].
    seeds
        Of each image, [n].
    w
        Styles float32 [n, w_dim].
    masks
        uint8 [n, H, W] of label ids.
    largest_difference
        Between the images drawn again and those that were annotated, in grey levels.
    """

    sampler: Sampler
    image_ids: tuple[str, ...]
    class_ids: Tensor
    seeds: tuple[int, ...]
    w: Tensor
    masks: Tensor
    largest_difference: int

    def __len__(self) -> int:
        return len(self.image_ids)

    @torch.no_grad()
    def features(self, rows: Sequence[int], styles: Tensor | None = None) -> dict[str, Tensor]:
        """Draw the feature maps of rows by scale name, float [n, c, h, w].

        Styles [n, layers, w_dim] may take the place of the rows' own.
        """
        return self._draw(rows, styles)[1]

    @torch.no_grad()
    def images(self) -> NDArray[np.uint8]:
        """Draw the images of all rows: uint8 [n, C, H, W]."""
        blocks = [range(start, min(start + BLOCK_SIZE, len(self))) for start in range(0, len(self), BLOCK_SIZE)]
        return np.concatenate([to_grey(self._draw(rows)[0]) for rows in blocks])

    def _draw(self, rows: Sequence[int], styles: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        device = self.sampler.generator.mapping.w_avg.device
        w = self.w[list(rows)].to(device) if styles is None else styles
        noise = self.sampler.noise([self.seeds[row] for row in rows])
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            return self.sampler.generator.synthesise(w, noise)

    def take(self, rows: Sequence[int]) -> Annotated:
        """Return some of the rows."""
        return replace(
            self,
            image_ids=tuple(self.image_ids[row] for row in rows),
            class_ids=self.class_ids[list(rows)],
            seeds=tuple(self.seeds[row] for row in rows),
            w=self.w[list(rows)],
            masks=self.masks[list(rows)],
        )

    def targets(self, rows: Sequence[int]) -> Tensor:
        """Return the masks of rows as int64 [n, H, W]."""
        return self.masks[list(rows)].long()


def read_pack_facts(path: Path, generator: str) -> PackFacts:
    """Read pack.parquet, and refuse it when it came from another generator.

    Raises
    ------
    AnnotationError
        The table is missing or damaged.
    CheckpointError
        The generator has changed since the pack was made.
    """
    try:
        rows = pq.read_table(path, columns=list(PACK_COLUMNS)).to_pylist()
        first = rows[0]
    except (OSError, IndexError, pa.ArrowInvalid) as error:
        msg = f"{path}: not a readable pack ({error}); run annotate-pack again"
        raise AnnotationError(msg) from error
    if first["generator"] != generator:
        msg = (
            f"{path}: was made with generator {first['generator']}, but the generator is now {generator}; masks of one "
            "generator's images do not fit another's: bring it back, or make and paint a new pack"
        )
        raise CheckpointError(msg)
    return PackFacts(generator, first["sampler_seed"], first["truncation"], {row["image_id"]: row for row in rows})


def redraw(sampler: Sampler, pack: PackFacts, annotated: ImageSet) -> Annotated:
    """Draw annotated images again, and keep the styles they came from; memory holds one block of images.

    Parameters
    ----------
    sampler
        Of the pack's generator, with the pack's seed and truncation.
    pack
        Where each image lies in the generator.
    annotated
        Images and masks that came back.

    Raises
    ------
    AnnotationError
        An annotated image is not in the pack.
    CheckpointError
        An image drawn again is not the one that was annotated.
    """
    ids = annotated.column("image_id").tolist()
    order = sorted(range(len(ids)), key=lambda position: ids[position])
    missing = [name for name in ids if name not in pack.rows]
    if missing or not ids:
        msg = (
            f"{annotated.folder}: {len(missing)} of {len(ids)} annotated images are not in the pack"
            f"{f', such as {missing[0]}' if missing else ''}; import the masks of this pack again"
        )
        raise AnnotationError(msg)
    rows = [pack.rows[ids[position]] for position in order]
    places: dict[tuple[int, int], list[int]] = {}
    for number, row in enumerate(rows):
        places.setdefault((row["class_id"], row["index"] // BLOCK_SIZE), []).append(number)
    styles: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(rows)
    largest = 0
    for (class_id, number), members in sorted(places.items()):
        block = sampler.block(class_id, number)
        images = annotated.images([order[member] for member in members])
        for member, image in zip(members, images, strict=True):
            place = rows[member]["index"] % BLOCK_SIZE
            largest = max(largest, _difference(rows[member], block, place, image))
            styles[member] = block.w[place]
    return Annotated(
        sampler=sampler,
        image_ids=tuple(row["image_id"] for row in rows),
        class_ids=torch.tensor([row["class_id"] for row in rows], dtype=torch.int64),
        seeds=tuple(row["seed"] for row in rows),
        w=torch.from_numpy(np.stack(styles)),
        masks=torch.from_numpy(annotated.masks(order)),
        largest_difference=largest,
    )


def _difference(row: Mapping[str, Any], block: Block, place: int, image: NDArray[np.uint8]) -> int:
    drawn = block.images[place]
    difference = (
        int(np.abs(drawn.astype(np.int16) - image.astype(np.int16)).max()) if drawn.shape == image.shape else 255
    )
    if int(block.seeds[place]) != row["seed"] or difference > REDRAW_TOLERANCE:
        msg = (
            f"{row['image_id']}: drawn again, it differs from the annotated image by up to {difference} grey levels "
            f"(at most {REDRAW_TOLERANCE} are rounding) and has seed {int(block.seeds[place])}, not {row['seed']}; "
            "the generator has changed: make and paint a new pack"
        )
        raise CheckpointError(msg)
    return difference


def held_out_rows(class_ids: Tensor, fraction: float, members: int, order: Sequence[int]) -> NDArray[np.bool_]:
    """Choose the rows that each member of an ensemble does not learn from: bool [members, n].

    Rows are shared out over 1 / fraction parts, class by class; each member holds out the next part, so that all of
    them together have learnt from every row. No member holds out a whole class; its only row always teaches.

    Parameters
    ----------
    class_ids
        int64 [n] of all annotated images.
    fraction
        Share of the rows that a member holds out, at most half.
    members
        How many members.
    order
        All rows in a random order.

    Notes
    -----
    Source: Krogh and Vedelsby 1995, Neural network ensembles, cross validation, and active learning (NIPS 7).

    >>> held_out_rows(torch.tensor([0, 0, 0, 1]), 0.5, 3, [0, 1, 2, 3]).astype(int).tolist()
    [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0]]
    """
    parts = max(2, round(1 / fraction))
    held = np.zeros((members, len(class_ids)), dtype=bool)
    for rows in _by_class(class_ids, order):
        if len(rows) > 1:
            for place, row in enumerate(rows):
                held[place % parts :: parts, row] = True
    return held


def fold_rows(class_ids: Tensor, folds: int, order: Sequence[int]) -> list[list[int]]:
    """Share rows out over folds, class by class; folds that would stay empty are left out.

    >>> fold_rows(torch.tensor([0, 0, 0, 1, 1]), 3, [0, 1, 2, 3, 4])
    [[0, 3], [1, 4], [2]]
    """
    parts: list[list[int]] = [[] for _ in range(folds)]
    for rows in _by_class(class_ids, order):
        for place, row in enumerate(rows):
            parts[place % folds].append(row)
    return [sorted(part) for part in parts if part]


def _by_class(class_ids: Tensor, order: Sequence[int]) -> list[list[int]]:
    of_rows = class_ids.tolist()
    return [[row for row in order if of_rows[row] == class_id] for class_id in sorted({of_rows[row] for row in order})]
