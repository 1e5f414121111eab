"""From one volume to the stored slices of its series: orient, find the body, window, place, refuse, resize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings
from radgen.cohort.headers import WITHOUT_MM
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imaging.body import find_body
from radgen.imaging.colour import grey_of
from radgen.imaging.morphology import Mask
from radgen.imaging.place import Place
from radgen.imaging.qc import measure_series
from radgen.imaging.quality import QualityFilter
from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.resize import Geometry, resize_image, resize_mask
from radgen.imaging.select import WHOLE_SPLITS, ClassRule, chosen_slices
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.source_masks import SourceMask
from radgen.imaging.volume import Volume, canonical
from radgen.imaging.window import Window, choose_window, picture_window, round_grey


@dataclass(frozen=True)
class Recipe:
    """How a study makes slices: the sections of settings that decide the bytes, and what single archives differ in."""

    slices: SlicesSettings
    classes: ClassSettings
    structures: StructureSettings
    archives: Mapping[str, ArchiveSettings] = field(default_factory=dict)

    def for_archive(self, name: str) -> Recipe:
        """Return the recipe of one archive: with its own display window where it has one."""
        archive = self.archives.get(name)
        if archive is None or archive.window is None:
            return self
        return replace(self, slices=replace(self.slices, window=archive.window))


@dataclass(frozen=True)
class SeriesFacts:
    """What the cohort knows of a series.

    Parameters
    ----------
    series, patient
        Keyed hashes.
    split
        train | val | test | annotator | generator.
    modality, anatomy
        As in the index.
    class_name
        Of the whole series; None where classes are decided by slice.
    is_picture
        A file without millimetres: no intensities to window, no air to remove, no millimetres.
    """

    series: str
    patient: str
    split: str
    modality: str
    anatomy: str
    class_name: str | None
    is_picture: bool = False

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> SeriesFacts:
        """Read the facts from a row of the cohort's series table."""
        return cls(
            series=str(row["series_key"]),
            patient=str(row["patient_key"]),
            split=str(row["split"]),
            modality=str(row["modality"] or ""),
            anatomy=str(row["anatomy"] or ""),
            class_name=row["class_name"],
            is_picture=row["format"] in WITHOUT_MM,
        )


@dataclass
class StoredSlices:
    """What one series gives to the image set.

    Parameters
    ----------
    rows
        Index rows.
    images
        uint8 [1, H, W], one for each row.
    masks
        uint8 [H, W], one for each row; empty where the study has no structures.
    rejects
        Rows of REJECTS_SCHEMA.
    source_mask
        Of a val or test series where the study has structures.
    qc
        What `qc.measure_series` found; None for a series refused as a whole.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    source_mask: SourceMask | None = None
    qc: dict[str, Any] | None = None


def slice_series(volume: Volume, mask: Volume | None, facts: SeriesFacts, recipe: Recipe) -> StoredSlices:
    """Make the stored slices of one series.

    Parameters
    ----------
    volume
        Intensities in any orientation (HU for CT).
    mask
        uint8 label ids on the same grid, or None.
    facts
        Of the series.
    recipe
        Settings.

    Returns
    -------
    StoredSlices
        Refused slices, or the refused series, are rows of `rejects`; nothing is raised for them.
    """
    try:
        return _Series(volume, mask, facts, recipe).store()
    except RefusedError as refusal:
        return StoredSlices(rejects=[refusal.row(facts.series, facts.split, None)])


class _Series:
    """One series on its way: the volume in canonical orientation with its body, window and place."""

    def __init__(self, volume: Volume, mask: Volume | None, facts: SeriesFacts, recipe: Recipe) -> None:
        if recipe.structures.names and mask is None:
            raise RefusedError(Reason.NO_MASK, "the study has structures, but the series has no mask")
        self.facts, self.recipe = facts, recipe
        turned, turn = canonical(volume)
        self.voxels = np.ascontiguousarray(grey_of(turned.array))
        self.spacing_mm = turned.spacing_mm
        self.labels = (
            None if mask is None or not recipe.structures.names else np.ascontiguousarray(turn.apply(mask).array)
        )
        _refuse_not_finite(self.voxels)
        self.body = self._find_body()
        self.window = self._choose_window()
        field_mm = None if facts.is_picture else recipe.slices.field_of_view_mm
        self.place = Place.of(
            self.voxels.shape[1:], self.spacing_mm[1:], self.body, recipe.slices.size_px, field_mm=field_mm
        )
        self.class_of = ClassRule(recipe.classes, recipe.structures, facts.class_name, facts.split)
        self.quality = QualityFilter(recipe.slices.quality)

    def _find_body(self) -> Mask | None:
        if self.recipe.slices.background == "none" or self.facts.is_picture:
            return None
        return find_body(self.voxels, self.spacing_mm, self.facts.modality, self.recipe.slices.body)

    def _choose_window(self) -> Window:
        if self.facts.is_picture and self.voxels.dtype in (np.uint8, np.uint16):
            return picture_window(self.voxels)
        return choose_window(self.voxels, self.body, self.facts.modality, self.recipe.slices.window)

    def store(self) -> StoredSlices:
        stored = StoredSlices(source_mask=self._source_mask())
        for index in chosen_slices(len(self.voxels), self.facts.split, self.recipe.slices, self.labels).tolist():
            try:
                self._store_slice(index, stored)
            except RefusedError as refusal:
                stored.rejects.append(refusal.row(self.facts.series, self.facts.split, index))
        stored.qc = measure_series(
            self.voxels, self.body, self.window, self.spacing_mm, stored, modality=self.facts.modality
        )
        return stored

    def _store_slice(self, index: int, stored: StoredSlices) -> None:
        body = None if self.body is None else self.body[index]
        labels = None if self.labels is None else self.labels[index]
        class_name = self.class_of(index, len(self.voxels), labels, self.spacing_mm[1] * self.spacing_mm[2])
        self.place.refuse_beyond_field(body)
        values = self.voxels[index]
        grey = self.window.scale(values)
        image = stored_grey(grey, body, self.place.geometry)
        if self.facts.split not in WHOLE_SPLITS:
            self.quality.check(index, grey, body, image)
        stored.rows.append(self._row(index, class_name, self.window.clipped(values, body)))
        stored.images.append(image[np.newaxis])
        if labels is not None:
            stored.masks.append(resize_mask(labels, self.place.geometry))

    def _row(self, index: int, class_name: str, clipped_fraction: float) -> dict[str, Any]:
        return {
            "image_id": f"{self.facts.series}-{index:04d}",
            "source": "real",
            "split": self.facts.split,
            "patient": self.facts.patient,
            "series": self.facts.series,
            "slice_index": index,
            "modality": self.facts.modality,
            "anatomy": self.facts.anatomy,
            "class_name": class_name,
            "class_id": self.recipe.classes.names.index(class_name),
            "spacing_row_mm": None if self.facts.is_picture else self.place.pixel_mm,
            "spacing_col_mm": None if self.facts.is_picture else self.place.pixel_mm,
            "window_low": self.window.low,
            "window_high": self.window.high,
            "clipped_fraction": clipped_fraction,
        } | self.place.geometry.columns()

    def _source_mask(self) -> SourceMask | None:
        if self.labels is None or self.facts.split not in WHOLE_SPLITS:
            return None
        return SourceMask(self.facts.series, self.facts.split, self.facts.patient, self.spacing_mm, self.labels)


def stored_grey(grey: NDArray[np.float32], body: NDArray[np.bool_] | None, geometry: Geometry) -> NDArray[np.uint8]:
    """Return the stored picture, uint8 [H, W]: black outside the body, on the stored grid, rounded once."""
    if geometry.is_identity:  # the same bytes as below in a third of the time
        image = np.rint(grey).astype(np.uint8)
        return image if body is None else np.multiply(image, body.view(np.uint8), out=image)
    return round_grey(resize_image(grey if body is None else grey * body, geometry))


def _refuse_not_finite(voxels: NDArray[Any]) -> None:
    if voxels.dtype.kind != "f":
        return
    lost = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    if lost:
        msg = f"{lost} of {voxels.size} voxels are not finite numbers"
        raise RefusedError(Reason.NOT_FINITE, msg, float(lost), 0.0)
