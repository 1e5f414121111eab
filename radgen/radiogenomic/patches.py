"""From a CT series and its SEG to pictures of nodules, their masks, and healthy patches of the same lung.

Rows of a patch table are `Patch.row`; what gave no patch is a sentence, so that both together account for every pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.refusal import Reason, RefusalError, distrusting
from radgen.cohort.segmentations import read_segmentation
from radgen.cohort.settings import StructureSettings
from radgen.imaging.resize import Geometry, fit_axis, resize_image
from radgen.imaging.volume import Volume, upright
from radgen.provenance import digest_file, digest_json
from radgen.radiogenomic.lungs import find_lungs, share_of_squares
from radgen.radiogenomic.pairs import Pair, check_pair
from radgen.radiogenomic.settings import PatchSettings
from radgen.seeds import random_generator

NODULE, BACKGROUND = "nodule", "background"
# A slice shows a nodule well where it is at least this share of its largest area.
LEAST_AREA = 0.5
CONNECTED = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Patch:
    """One picture.

    Parameters
    ----------
    image
        uint8 [size, size]; 0 is low_hu, 255 high_hu.
    mask
        uint8 [size, size]; cover by the nodule, 255 is whole. All 0 for a background.
    row
        Where it comes from: patient, kind, nodule, slice, centre, field, spacing, digests of CT and SEG.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    row: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Scan:
    """An upright CT and the numbered nodules on its grid."""

    hu: NDArray[Any]
    nodules: NDArray[np.int32]
    pixel_mm: tuple[float, float]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class _Lesion:
    """One nodule: its number, its box (slices, rows, columns) and the width of its patches."""

    number: int
    box: tuple[slice, ...]
    field_mm: float

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the middle of its box."""
        _, rows, columns = self.box
        return (rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2


def cut_patches(pair: Pair, settings: PatchSettings) -> tuple[list[Patch], list[str]]:
    """Cut all patches of one pair.

    A pair that cannot be read, a SEG that does not match its CT, a nodule too small, fewer slices than asked and too
    little healthy lung each give a sentence with the values that show it, without names and paths; nothing is left out
    without one.
    """
    try:
        with distrusting():
            scan = _read(pair, settings)
    except RefusalError as refusal:
        return [], [refusal.sentence]
    patches: list[Patch] = []
    rejects: list[str] = []
    lungs = find_lungs(scan.hu, scan.pixel_mm)
    for number, box in enumerate(ndimage.find_objects(scan.nodules), start=1):
        extent = [part.stop - part.start for part in box[1:]]
        if min(extent) < settings.least_box_px:
            wide = f"{extent[0]} x {extent[1]} pixels"
            rejects.append(f"nodule {number}: a box of {wide}, and least_box_px is {settings.least_box_px}")
            continue
        wide_mm = max(pixels * mm for pixels, mm in zip(extent, scan.pixel_mm, strict=True))
        field_mm = settings.field_mm or 2 * wide_mm
        lesion = _Lesion(number, box, field_mm)
        nodules = list(_nodule_patches(scan, lesion, settings))
        healthy = list(_healthy_patches(scan, lungs, lesion, settings))
        patches += nodules + healthy
        for found, asked, what in (
            (len(nodules), settings.slices_per_nodule, "slices of a good size"),
            (len(healthy), settings.backgrounds_per_nodule, f"healthy patches of {field_mm:.0f} mm"),
        ):
            if found < asked:
                rejects.append(f"nodule {number}: {found} {what} where {asked} were asked for")
    return patches, rejects


def _read(pair: Pair, settings: PatchSettings) -> _Scan:
    check_pair(pair)
    volume = read_volume(pair.ct)
    structures = StructureSettings(names=(NODULE,), map={NODULE: settings.segments}, others="background")
    labels = np.zeros(volume.array.shape, dtype=np.uint8)
    for path in pair.segs:
        labels |= read_segmentation(path, volume.array.shape, volume.affine, structures)
    if not labels.any():
        text = f"a segmentation with no pixel in a segment of the names {', '.join(settings.segments)}; see segments"
        raise RefusalError(Reason.NO_MASK, text)
    ct, mask = upright(volume), upright(Volume(labels, volume.affine))
    nodules, _ = ndimage.label(mask.array, structure=CONNECTED)
    provenance = {
        "patient": pair.patient,
        "ct_digest": digest_json([digest_file(path) for path in pair.ct]),
        "seg_digest": digest_json([digest_file(path) for path in pair.segs]),
        "slice_mm": ct.spacing_mm[0],
        "row_mm": ct.spacing_mm[1],
        "column_mm": ct.spacing_mm[2],
    }
    return _Scan(ct.array, nodules.astype(np.int32), ct.spacing_mm[1:], provenance)


def _nodule_patches(scan: _Scan, lesion: _Lesion, settings: PatchSettings) -> Iterator[Patch]:
    slices = lesion.box[0]
    areas = (scan.nodules[slices] == lesion.number).sum(axis=(1, 2))
    good = np.flatnonzero(areas >= LEAST_AREA * areas.max()) + slices.start
    count = min(settings.slices_per_nodule, len(good))
    # The middles of equal parts: one slice is the middle one, and all are taken where there are no more.
    for part in range(count):
        place = int(good[(2 * part + 1) * len(good) // (2 * count)])
        yield _patch(scan, lesion, place, lesion.centre, settings, kind=NODULE)


def _healthy_patches(
    scan: _Scan, lungs: NDArray[np.bool_], lesion: _Lesion, settings: PatchSettings
) -> Iterator[Patch]:
    """Yield patches of the nodule's side of the chest; their field has no nodule in its slice and the next ones."""
    if not settings.backgrounds_per_nodule or not lungs.any():
        return
    # One pixel more than half the field, so that no interpolation reaches a nodule.
    rows, columns = (int(np.ceil(lesion.field_mm / 2 / mm)) + 1 for mm in scan.pixel_mm)
    used = np.flatnonzero(lungs.any(axis=(0, 1)))
    middle = (used[0] + used[-1]) / 2
    side = (np.arange(lungs.shape[2]) < middle) == (lesion.centre[1] < middle)
    near = ndimage.binary_dilation(scan.nodules > 0, np.ones((3, 1, 1), dtype=bool))
    fits = np.zeros(lungs.shape, dtype=bool)
    for place in np.flatnonzero(lungs.any(axis=(1, 2))):
        enough = share_of_squares(lungs[place] & side, (rows, columns)) >= settings.lung_share
        fits[place] = enough & side & (share_of_squares(near[place], (rows, columns)) == 0)
    places = np.argwhere(fits)
    rng = random_generator("healthy", settings.seed, scan.provenance["seg_digest"], lesion.number)
    for pick in rng.permutation(len(places))[: settings.backgrounds_per_nodule]:
        at, row, column = (int(value) for value in places[pick])
        yield _patch(scan, lesion, at, (row, column), settings, kind=BACKGROUND)


def _patch(
    scan: _Scan, lesion: _Lesion, place: int, centre: tuple[float, float], settings: PatchSettings, *, kind: str
) -> Patch:
    """Cut one square; beyond the slice lies low_hu.

    The mask shows all nodules in the square, and is resampled as cover, so that its edges are smooth.
    """
    size = settings.size_px
    steps = [lesion.field_mm / size / mm for mm in scan.pixel_mm]
    shape = scan.hu.shape[1:]
    geometry = Geometry(*(fit_axis(size, shape[axis], steps[axis], centre[axis]) for axis in (0, 1)))
    grey = (scan.hu[place].astype(np.float32) - settings.low_hu) / (settings.high_hu - settings.low_hu)
    image = resize_image(np.clip(grey, 0, 1).astype(np.float32), geometry)
    cover = resize_image((scan.nodules[place] > 0).astype(np.float32), geometry)
    whole = resize_image(np.ones(shape, dtype=np.float32), geometry)
    own = scan.nodules[place] == lesion.number
    row = {
        **scan.provenance,
        **geometry.columns(),
        "kind": kind,
        "nodule": lesion.number,
        "slice": place,
        "field_mm": lesion.field_mm,
        "pixel_mm": lesion.field_mm / size,
        "area_mm2": float((own * np.prod(scan.pixel_mm)).sum()) if kind == NODULE else 0.0,
        "outside_fraction": float(1 - whole.mean()),
    }
    return Patch(_bytes(image), _bytes(cover), row)


def _bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def hu_of(image: NDArray[np.uint8], settings: PatchSettings) -> NDArray[np.float32]:
    """Return the HU of a stored picture, to within half a grey value, float32 of the same shape."""
    width = settings.high_hu - settings.low_hu
    return (image.astype(np.float32) / 255 * width + settings.low_hu).astype(np.float32)
