"""From one volume to the stored slices of its series: orient, find the body, window, place, refuse, resize."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings
from radgen.cohort.candidates import Remark
from radgen.cohort.headers import WITHOUT_MM
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imaging.body import body_mask, removed_tissue, tissue_limits
from radgen.imaging.channels import choose_windows, clipped_fraction, grey_planes, stored_image
from radgen.imaging.colour import grey_of
from radgen.imaging.frame import kept_of_pictures
from radgen.imaging.morphology import Mask
from radgen.imaging.place import Place
from radgen.imaging.qc import measure_series
from radgen.imaging.quality import QualityFilter
from radgen.imaging.refusal import Reason, RefusedError
from radgen.imaging.resize import resize_mask
from radgen.imaging.select import WHOLE_SPLITS, ClassRule, chosen_slices
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.source_masks import SourceMask
from radgen.imaging.through import SliceAxis
from radgen.imaging.volume import Volume, canonical

# DICOM's names of ultrasound, endoscopy, microscopy, dermoscopy, photographs.
CAMERAS = frozenset({"US", "IVUS", "ES", "GM", "SM", "XC", "OP"})


@dataclass(frozen=True)
class Recipe:
    """How a study makes slices: the sections of settings that decide the bytes, and what single archives differ in."""

    slices: SlicesSettings
    classes: ClassSettings
    structures: StructureSettings
    archives: Mapping[str, ArchiveSettings] = field(default_factory=dict)

    def for_archive(self, name: str) -> Recipe:
        """Return the recipe of one archive: with its own window and its own way to fill the channels, if it has them.

        The study's `slices.channels` still says how many there are.
        """
        archive = self.archives.get(name)
        if archive is None:
            return self
        slices = self.slices if archive.window is None else replace(self.slices, window=archive.window)
        return replace(self, slices=replace(slices, channels=archive.channels or slices.channels))


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

    @property
    def is_camera(self) -> bool:
        """Whether the series is seen rather than measured in space: pictures, ultrasound, endoscopy."""
        return self.is_picture or self.modality in CAMERAS

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
        uint8 [channels, H, W], one for each row; a single channel holds for all channels of the study.
    masks
        uint8 [H, W], one for each row; empty where the study has no structures.
    rejects
        Rows of REJECTS_SCHEMA.
    source_mask
        Of a val or test series where the study has structures.
    qc
        What `qc.measure_series` found; None for a series refused as a whole.
    remarks
        What was unusual when the series was read, beside the cohort's remarks; they join the quality table's row.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    source_mask: SourceMask | None = None
    qc: dict[str, Any] | None = None
    remarks: list[Remark] = field(default_factory=list)


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
        _refuse_not_finite(turned.array)
        stays = facts.is_camera or facts.split in WHOLE_SPLITS
        wanted_mm = None if stays else recipe.slices.slice_spacing_mm
        self.axis = SliceAxis.of(len(turned.array), turned.spacing_mm[0], wanted_mm)
        self.spacing_mm = (turned.spacing_mm[0] * self.axis.step, *turned.spacing_mm[1:])
        self.voxels = self.axis.resample(np.ascontiguousarray(grey_of(turned.array)), labels=False)
        self.colours = turned.array if turned.array.ndim == 4 and recipe.slices.channels == "rgb" else None
        self.labels = None
        if mask is not None and recipe.structures.names:
            self.labels = self.axis.resample(np.ascontiguousarray(turn.apply(mask).array), labels=True)
        self.limits, self.body = self._find_body()
        # Slices are chosen by what was drawn; the body is in all of them.
        self.drawn = self.labels
        if self.labels is not None and recipe.structures.body is not None:
            self.labels = with_body(self.labels, self.body, recipe.structures.id_of(recipe.structures.body))
        self.windows = choose_windows(
            self.voxels, self.body, facts.modality, recipe.slices, as_shown=facts.is_camera and _is_shown(self.voxels)
        )
        field_mm = None if facts.is_picture else recipe.slices.field_of_view_mm
        self.place = Place.of(
            self.voxels.shape[1:], self.spacing_mm[1:], self.body, recipe.slices.size_px, field_mm=field_mm
        )
        self.class_of = ClassRule(recipe.classes, recipe.structures, facts.class_name, facts.split)
        self.quality = QualityFilter(recipe.slices.quality)

    def _find_body(self) -> tuple[tuple[float, float] | None, Mask | None]:
        """Return the limits of what is not air, where they are known, and what is kept of each slice."""
        slices = self.recipe.slices
        if self.facts.is_camera:
            return None, kept_of_pictures(self.voxels, slices.picture_background, slices.overlay_boxes)
        if slices.background == "none":
            return None, None
        limits = tissue_limits(self.voxels, self.facts.modality, slices.body)
        if limits is None:
            return None, None
        closed = self.facts.modality != "CT"
        return limits, body_mask(self.voxels, limits, self.spacing_mm, slices.body, closed=closed)

    def store(self) -> StoredSlices:
        stored = StoredSlices(source_mask=self._source_mask())
        for index in chosen_slices(len(self.voxels), self.facts.split, self.recipe.slices, self.drawn).tolist():
            try:
                self._store_slice(index, stored)
            except RefusedError as refusal:
                stored.rejects.append(refusal.row(self.facts.series, self.facts.split, index))
        stored.qc = measure_series(
            self.voxels, self.body, self.windows[0], self.spacing_mm, stored,
            modality=self.facts.modality, planes_of=self._planes,
        )  # fmt: skip
        return stored

    def _store_slice(self, index: int, stored: StoredSlices) -> None:
        body = None if self.body is None else self.body[index]
        labels = None if self.labels is None else self.labels[index]
        class_name = self.class_of(index, len(self.voxels), labels, self.spacing_mm[1] * self.spacing_mm[2])
        self.place.refuse_beyond_field(body)
        values, planes = self.voxels[index], self._planes(index)
        image = stored_image(planes, body, self.place.geometry)
        if self.facts.split not in WHOLE_SPLITS:
            self.quality.check(index, planes, body, image)
        stored.rows.append(self._row(index, class_name) | self._shares(values, body))
        stored.images.append(image)
        if labels is not None:
            stored.masks.append(resize_mask(labels, self.place.geometry))

    def _planes(self, index: int) -> list[NDArray[np.float32]]:
        return grey_planes(self.voxels[index], None if self.colours is None else self.colours[index], self.windows)

    def _row(self, index: int, class_name: str) -> dict[str, Any]:
        return {
            "image_id": f"{self.facts.series}-{index:04d}",
            "source": "real",
            "split": self.facts.split,
            "patient": self.facts.patient,
            "series": self.facts.series,
            "slice_index": index,
            "offset_slice": self.axis.offset,
            "step_slice": self.axis.step,
            "modality": self.facts.modality,
            "anatomy": self.facts.anatomy,
            "class_name": class_name,
            "class_id": self.recipe.classes.names.index(class_name),
            "spacing_row_mm": None if self.facts.is_picture else self.place.pixel_mm,
            "spacing_col_mm": None if self.facts.is_picture else self.place.pixel_mm,
            "window_low": [window.low for window in self.windows],
            "window_high": [window.high for window in self.windows],
        } | self.place.geometry.columns()

    def _shares(self, values: NDArray[Any], body: Mask | None) -> dict[str, Any]:
        tissue = None if body is None or self.limits is None else removed_tissue(values, body, self.limits)
        return {
            "clipped_fraction": clipped_fraction(values, body, self.windows),
            "removed_fraction": 0.0 if body is None else 1 - int(np.count_nonzero(body)) / body.size,
            "removed_tissue_fraction": tissue,
        }

    def _source_mask(self) -> SourceMask | None:
        if self.labels is None or self.facts.split not in WHOLE_SPLITS:
            return None
        return SourceMask(self.facts.series, self.facts.split, self.facts.patient, self.spacing_mm, self.labels)


def with_body(labels: NDArray[np.uint8], body: Mask | None, number: int) -> NDArray[np.uint8]:
    """Give what is kept of a volume and has no label a label of its own; without a mask everything is kept."""
    free = labels == 0 if body is None else (labels == 0) & body
    return np.where(free, np.uint8(number), labels)


def _is_shown(voxels: NDArray[Any]) -> bool:
    """Whether values are grey levels of a picture, rather than amounts that need a window."""
    return voxels.dtype in (np.uint8, np.uint16)


def _refuse_not_finite(voxels: NDArray[Any]) -> None:
    if voxels.dtype.kind != "f":
        return
    lost = voxels.size - int(np.count_nonzero(np.isfinite(voxels)))
    if lost:
        msg = f"{lost} of {voxels.size} voxels are not finite numbers"
        raise RefusedError(Reason.NOT_FINITE, msg, float(lost), 0.0)
