"""Which slices of a series are used, and which class each of them has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.settings import SlicesSettings

# Choosing or filtering slices here would flatter the scores: real patients to be judged on come whole.
WHOLE_SPLITS = frozenset({"val", "test"})


def chosen_slices(
    count: int, split: str, settings: SlicesSettings, mask: NDArray[np.uint8] | None = None
) -> NDArray[np.int64]:
    """Return the indices of a series' slices that are used, rising.

    Parameters
    ----------
    count
        Number of slices of the series.
    split
        Slices of val and test are all used, whatever the settings say.
    settings
        How to choose.
    mask
        Labels [slices, rows, columns], for choice by mask; a series without a mask then gives no slice.
    """
    everything = np.arange(count)
    if split in WHOLE_SPLITS or settings.slice_choice == "all":
        return everything
    if settings.slice_choice == "every":
        return everything[:: settings.every]
    if settings.slice_choice == "central":
        kept = max(1, round(settings.central_fraction * count))
        first = (count - kept) // 2
        return everything[first : first + kept]
    return everything[:0] if mask is None else np.flatnonzero(mask.any(axis=(1, 2)))


class ClassRule:
    """Gives each slice of one series its class.

    Parameters
    ----------
    classes
        Where classes come from.
    structures
        Ids of the mask labels.
    series_class
        The series' class where it has one.
    split
        Of the series.

    Notes
    -----
    By mask: an area of at least `min_area_mm2` makes the second class. With less, but not nothing, a training slice is
    refused as ambiguous, so that the first class is learnt from clean slices; in val and test, where every slice is
    used, it belongs to the first class, as the rule says.
    """

    def __init__(
        self, classes: ClassSettings, structures: StructureSettings, series_class: str | None, split: str
    ) -> None:
        self._classes = classes
        self._label = structures.id_of(classes.structure) if classes.by == "mask" else 0
        self._series_class = series_class
        self._split = split

    def __call__(self, index: int, count: int, mask: NDArray[np.uint8] | None, pixel_mm2: float) -> str:
        """Return the class name of one slice.

        Parameters
        ----------
        index, count
            Place of the slice among all slices of its series, feet to head.
        mask
            Labels [rows, columns] on the source grid.
        pixel_mm2
            Area of a source pixel.

        Raises
        ------
        RefusedError
            no-mask or ambiguous-class.
        """
        names = self._classes.names
        if self._classes.by == "position":
            return names[index * len(names) // count]
        if self._classes.by != "mask":
            return str(self._series_class)
        if mask is None:
            raise RefusedError(Reason.NO_MASK, "classes come from masks, but the series has none")
        area, least = float(np.count_nonzero(mask == self._label)) * pixel_mm2, self._classes.min_area_mm2
        if 0 < area < least and self._split not in WHOLE_SPLITS:
            msg = f"{area:.1f} mm2 of {self._classes.structure} are less than {least:g} mm2 but not nothing"
            raise RefusedError(Reason.AMBIGUOUS, msg, area, least)
        return names[1] if area >= least and area > 0 else names[0]
