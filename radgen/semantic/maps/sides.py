"""The rows that training reads, and whether two sets may meet: splits, patients, sizes, grids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet

STRIDE_PX = 32  # five halvings of the discriminator's and the generator's pyramids
SAME_SPACING = 0.01  # relative; spacings closer than this are one
ANYBODY = ("train", "synthetic")  # generated maps have no patient, and are there to be learnt from

Rows = NDArray[np.integer] | Sequence[int]


def rows_of(images: ImageSet, splits: Sequence[str], side: str) -> NDArray[np.int64]:
    """Return the rows of some splits.

    Parameters
    ----------
    images
        A set of images, of maps, or of both.
    splits
        Such as ("train", "synthetic") or ("val",).
    side
        What messages call the set: "side A (maps)".

    Raises
    ------
    CohortError
        There are none; the message says what there is.
    """
    rows = images.rows_where(split=tuple(splits)) if len(images) else np.zeros(0, dtype=np.int64)
    if len(rows) == 0:
        held = Counter(str(split) for split in images.column("split")) if len(images) else Counter()
        told = ", ".join(f"{count} of {split}" for split, count in sorted(held.items())) or "nothing"
        msg = (
            f"{side} is empty: {images.folder} has no row of {' or '.join(splits)}, it holds {told}; "
            "name another set, or give these patients that split"
        )
        raise CohortError(msg)
    return rows


def check_one_split(*sets: ImageSet) -> None:
    """Raise CohortError if a patient is in two splits, within a set or across sets.

    Groups of patients who must stay together are the cohort's business (`group_table`): its splits are whole groups.
    """
    first: dict[str, tuple[str, ImageSet]] = {}
    for images in sets:
        for patient, split in sorted(set(zip(images.column("patient"), images.column("split"), strict=True)), key=str):
            if patient is None:
                continue
            other, where = first.setdefault(patient, (split, images))
            if other != split:
                msg = (
                    f"patient {patient} is in split {other} of {where.folder} and in split {split} of {images.folder}; "
                    "give all data of a patient one split"
                )
                raise CohortError(msg)


def check_others(maps: ImageSet, map_rows: Rows, images: ImageSet, image_rows: Rows) -> None:
    """Raise CohortError if a patient's map is on side A and an image of the same patient on side B.

    Unpaired training does not need this, but a study of it on one data set does: else pairs are there, only shuffled.
    """
    here = {name for name in maps.column("patient")[np.asarray(map_rows)] if name is not None}
    there = {name for name in images.column("patient")[np.asarray(image_rows)] if name is not None}
    both = sorted(here & there)
    if both:
        msg = (
            f"patient {both[0]} and {len(both) - 1} others of {len(here)} of side A ({maps.folder}) are among the "
            f"{len(there)} of side B ({images.folder}); unpaired sides are of different patients, split them"
        )
        raise CohortError(msg)


def check_size(shape: tuple[int, int], where: str) -> None:
    """Raise InputError if height or width is no multiple of 32."""
    if any(side % STRIDE_PX or side == 0 for side in shape):
        better = " x ".join(str(max(STRIDE_PX, STRIDE_PX * round(side / STRIDE_PX))) for side in shape)
        msg = (
            f"{where}: {shape[0]} x {shape[1]} pixels, but the networks halve each side five times, so sides are "
            f"multiples of {STRIDE_PX}; store slices at {better}"
        )
        raise InputError(msg)


def check_grids(maps: ImageSet, map_rows: Rows, images: ImageSet, image_rows: Rows) -> None:
    """Compare the grids of two sides.

    Raises
    ------
    InputError
        Sizes differ, or both sides have one pixel spacing each and these differ. Where spacings vary within a side, as
        without a field of view, there is nothing to compare.
    """
    here, there = maps.mask_shape, images.image_shape[1:]
    if here != there:
        msg = (
            f"maps of {maps.folder} are {here[0]} x {here[1]}, but images of {images.folder} are "
            f"{there[0]} x {there[1]}; make both at one size (maps by nearest pixel alone)"
        )
        raise InputError(msg)
    spacings = [_spacing(maps, map_rows), _spacing(images, image_rows)]
    if spacings[0] is None or spacings[1] is None:
        return
    if not np.allclose(spacings[0], spacings[1], rtol=SAME_SPACING):
        shown = [" x ".join(f"{value:g}" for value in spacing) for spacing in spacings if spacing is not None]
        msg = (
            f"pixels of {maps.folder} are {shown[0]} mm, but pixels of {images.folder} are {shown[1]} mm; "
            "make both with one field of view, or bodies come out at another size than the images'"
        )
        raise InputError(msg)


def _spacing(images: ImageSet, rows: Rows) -> tuple[float, float] | None:
    """Return the spacing in mm that all rows share, or None."""
    both = np.stack([images.column(name)[np.asarray(rows)] for name in ("spacing_row_mm", "spacing_col_mm")], axis=1)
    both = both.astype(np.float64)  # null is NaN
    if np.isnan(both).any() or not np.allclose(both, both[0], rtol=SAME_SPACING):
        return None
    return float(both[0, 0]), float(both[0, 1])
