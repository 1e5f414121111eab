"""Where the patient is: a body mask that leaves couch, blankets and air behind and never cuts into the patient.

Components are found on a grid reduced to about `GRID_MM`, slice by slice with neighbours through the slices; the skin
line is then drawn on the source grid. All steps are exact work on booleans, so the mask is the same on every machine.

    tissue      voxels above the threshold
    core        tissue after an opening: a thin couch shell, a blanket or a cable does not survive it
    body        components of the core that are thick somewhere (arms kept), or large in their slice (arms dropped)
    grown       the body given back its corners and rim, inside the tissue
    filled      holes of every slice closed: lungs and bowel gas belong to the patient
    walls       cavities that lost a thin wall to the opening given back, with the wall
    skin line   a band around that mask is decided voxel by voxel on the source grid
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radgen.imaging.settings import BodySettings

# Pixel size of the reduced grid: finer than the gap between arm and trunk, coarser than a source pixel.
GRID_MM = 3.0
# An arm's cross-section is smaller than this share of the largest piece in its slice; a leg's is not.
ARM_SHARE = 0.4
# Half the width of the widest contact at which an arm is told from the trunk it touches.
NECK_MM = 12.0
# A hole wider than this is lung or gas, not the gap beside an arm; an arm is thicker than a neck by this much.
GAP_MM = 12.0
# A wall before lung or gas may be opened away up to this thickness; so much of the cavity must be enclosed by body.
WALL_MM = 15.0
CAVITY_SHARE = 0.8
# Half the thickness of a sheet that lies against the skin and is peeled off again on the source grid.
SHEET_MM = 1.5
# No tissue or metal is so dense: paddings such as 63536 that were meant as signed numbers.
CT_PADDING_HU = 32767
# MR: air is darker than this share of the volume's range; a volume shows air if so much of its slices' frames is dark.
AIR_SHARE = 0.15
AIR_IN_FRAME = 0.2
SAMPLE_VOXELS = 1 << 20
CACHE_VOXELS = 1 << 18

Mask = NDArray[np.bool_]
_IN_PLANE = np.array([np.zeros((3, 3)), ndimage.generate_binary_structure(2, 1), np.zeros((3, 3))], dtype=bool)


def find_body(
    volume: NDArray[Any], spacing_mm: tuple[float, float, float], modality: str, settings: BodySettings
) -> Mask | None:
    """Find the patient in one volume.

    Parameters
    ----------
    volume
        Intensities [slices, rows, columns] in canonical orientation; HU for CT.
    spacing_mm
        Voxel size along the three axes.
    modality
        "CT" uses a fixed threshold in HU; all else a threshold between the volume's dark and bright halves.
    settings
        Thresholds, lengths, arms.

    Returns
    -------
    Boolean [slices, rows, columns]. None for pictures of 8 bits and for volumes without air: nothing is removed there.
    """
    if modality == "CT":
        tissue = volume > settings.ct_threshold_hu
        if volume.dtype != np.int16:  # 16-bit HU cannot reach the paddings in question
            tissue &= volume < CT_PADDING_HU
        return body_mask(tissue, spacing_mm, settings, closed=False)
    threshold = air_threshold(volume, settings.mr_threshold)
    return None if threshold is None else body_mask(volume > threshold, spacing_mm, settings, closed=True)


def air_threshold(volume: NDArray[Any], share: float) -> float | None:
    """Return a threshold between air and tissue of a volume without absolute units, or None where it shows no air.

    Air is looked for in the outermost pixels of every slice: the threshold lies four standard deviations above its
    median, and at least `share` and at most `AIR_SHARE` of the way from the darkest to the brightest voxels.
    """
    low, high = np.percentile(volume.reshape(-1)[:: -(-volume.size // SAMPLE_VOXELS)], [0.1, 99.0])
    frame = np.concatenate([volume[:, :2].ravel(), volume[:, -2:].ravel(), volume[:, :, (0, 1, -2, -1)].ravel()])
    air = frame[frame <= low + AIR_SHARE * (high - low)]
    if air.size < AIR_IN_FRAME * frame.size:
        return None
    centre = np.median(air)
    spread = 1.4826 * np.median(np.abs(air - centre))  # of a normal distribution
    return float(np.clip(centre + 4 * spread, low + share * (high - low), low + AIR_SHARE * (high - low)))


def body_mask(tissue: Mask, spacing_mm: tuple[float, float, float], settings: BodySettings, *, closed: bool) -> Mask:
    """Find the patient among everything that is not air.

    Parameters
    ----------
    tissue
        Boolean [slices, rows, columns], canonical orientation: voxels above the threshold.
    spacing_mm
        Voxel size along the three axes.
    settings
        Lengths that tell a patient from a couch, and what becomes of the arms.
    closed
        Fill holes before thin parts are opened: a scalp beyond dark bone belongs to the patient. Only where there is no
        couch, because a couch and a blanket may close a ring around the patient.

    Returns
    -------
    Boolean [slices, rows, columns]; empty where no piece is thick enough.
    """
    factor = max(1, round(GRID_MM / max(spacing_mm[1:])))
    source_mm = float(np.mean(spacing_mm[1:]))
    coarse = _reduce(tissue, factor)
    if closed:
        coarse = fill_holes(erode(dilate(coarse, 1), 1))
    filled = _components(coarse, source_mm * factor, settings)
    skin = np.empty(tissue.shape, dtype=bool)
    for block in _blocks(tissue.shape):
        skin[block] = _draw_skin(tissue[block], filled[block], factor, source_mm)
    return skin


def fill_holes(mask: Mask) -> Mask:
    """Close the holes of every slice: what cannot reach the slice's border through the background."""
    padded = np.pad(~mask, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    labels, _ = ndimage.label(padded, _IN_PLANE)
    return np.asarray(labels[:, 1:-1, 1:-1] != labels[:, :1, :1])


def erode(mask: Mask, steps: int) -> Mask:
    """Erode every slice by an octagon of radius `steps` pixels; outside the picture counts as body."""
    for step in range(steps):
        mask = _shrink(mask, corners=bool(step % 2))
    return mask


def dilate(mask: Mask, steps: int, within: Mask | None = None) -> Mask:
    """Dilate every slice by an octagon of radius `steps` pixels, after each step cut to `within`."""
    for step in range(steps):
        mask = ~_shrink(~mask, corners=bool(step % 2))
        if within is not None:
            mask &= within
    return mask


def _shrink(mask: Mask, *, corners: bool) -> Mask:
    rows = mask.copy()
    rows[:, 1:] &= mask[:, :-1]
    rows[:, :-1] &= mask[:, 1:]
    out = rows.copy()
    columns = rows if corners else mask
    out[:, :, 1:] &= columns[:, :, :-1]
    out[:, :, :-1] &= columns[:, :, 1:]
    return out


def _reduce(mask: Mask, factor: int) -> Mask:
    """Majority of factor x factor blocks, [s, ceil(r / factor), ceil(c / factor)]."""
    if factor == 1:
        return mask
    slices, rows, columns = mask.shape
    padded = np.pad(mask.view(np.uint8), ((0, 0), (0, -rows % factor), (0, -columns % factor)), mode="edge")
    blocks = padded.reshape(slices, -1, factor, padded.shape[2])
    lines = blocks[:, :, 0].copy()
    for line in range(1, factor):
        lines += blocks[:, :, line]
    counts = lines[:, :, ::factor].copy()
    for column in range(1, factor):
        counts += lines[:, :, column::factor]
    return np.asarray(counts * 2 >= factor**2)


def _components(tissue: Mask, pixel_mm: float, settings: BodySettings) -> Mask:
    steps = max(1, round(settings.opening_mm / pixel_mm))
    marker_steps = max(steps, round(settings.marker_mm / pixel_mm))
    eroded = erode(tissue, steps)
    core = dilate(eroded, steps)
    labels, count = ndimage.label(core)
    thick = np.zeros(count + 1, dtype=bool)
    thick[labels[erode(eroded, marker_steps - steps)]] = True
    thick[0] = False
    body = thick[labels]
    if settings.arms == "drop":
        body = _without_arms(body, pixel_mm)
    reachable = tissue & ~(core & ~body)
    body = dilate(body, max(1, round(settings.give_back_mm / pixel_mm)), within=reachable)
    return _with_thin_walls(fill_holes(body), reachable, pixel_mm)


def _with_thin_walls(filled: Mask, tissue: Mask, pixel_mm: float) -> Mask:
    """Give back cavities that opened to the outside because the wall before them did not survive the opening.

    A hole of the tissue is such a cavity when nearly all of it has the body behind it and on two more of its sides:
    couch foam lies behind the body, and air that a blanket closes off beside the patient has fewer sides.
    """
    lost = fill_holes(tissue) & ~tissue & ~filled
    last_row = filled.shape[1] - 1 - filled[:, ::-1].argmax(axis=1)[:, None]
    in_column = np.any(filled, axis=1, keepdims=True)
    enclosed = lost & (np.arange(filled.shape[1])[:, None] < last_row) & in_column
    some = np.flatnonzero(enclosed.any(axis=(1, 2)))
    if not some.size:
        return filled
    body, tissue, lost, enclosed = filled[some], tissue[some], lost[some], enclosed[some]
    before, right, left = (_accumulate(body, axis, back) for axis, back in ((1, False), (2, False), (2, True)))
    enclosed &= (left & right) | (left & before) | (right & before)
    labels, count = ndimage.label(lost, _IN_PLANE)
    size, seen = (np.bincount(labels[part], minlength=count + 1) for part in (lost, enclosed))
    cavity = (seen >= CAVITY_SHARE * np.maximum(size, 1))[labels] & lost
    restored = filled.copy()
    restored[some] = fill_holes(body | dilate(cavity, max(1, round(WALL_MM / pixel_mm)), within=tissue | cavity))
    return restored


def _accumulate(body: Mask, axis: int, back: bool) -> Mask:
    """Mark pixels that have the body somewhere before them along an axis, or after them (`back`)."""
    turned = np.flip(body, axis) if back else body
    seen = np.logical_or.accumulate(turned, axis=axis)
    return np.flip(seen, axis) if back else seen


def _without_arms(body: Mask, pixel_mm: float) -> Mask:
    """Leave out, slice by slice, the small thick pieces that come off when necks up to twice `NECK_MM` wide are cut."""
    neck, thin = (max(1, round(length / pixel_mm)) for length in (NECK_MM, GAP_MM / 2))
    # Holes wider than a gap beside an arm are closed first, so that the wall around lung or gas does not come off too.
    holes = fill_holes(body) & ~body
    solid = body | _pieces_with(holes, erode(holes, thin))
    pieces = erode(solid, neck)
    labels, count = ndimage.label(pieces, _IN_PLANE)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    area[0] = 0
    area = area[labels]
    small = pieces & (area < ARM_SHARE * area.max(axis=(1, 2), keepdims=True))
    arm = _pieces_with(small, erode(small, thin))
    trunk = pieces & ~arm
    for _ in range(2 * neck):  # both grow back at the same pace and meet in the neck
        trunk = dilate(trunk, 1, within=solid & ~arm)
        arm = dilate(arm, 1, within=solid & ~trunk)
    return np.asarray(body & ~arm)


def _pieces_with(mask: Mask, marker: Mask) -> Mask:
    """Return the pieces, slice by slice, that hold a marked pixel."""
    labels, count = ndimage.label(mask, _IN_PLANE)
    marked = np.zeros(count + 1, dtype=bool)
    marked[labels[marker]] = True
    marked[0] = False
    return np.asarray(marked[labels])


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut a stack into groups of slices that stay in the processor's cache while many steps pass over them."""
    length = max(1, CACHE_VOXELS // (shape[1] * shape[2]))
    return (slice(start, start + length) for start in range(0, shape[0], length))


def _draw_skin(tissue: Mask, filled: Mask, factor: int, pixel_mm: float) -> Mask:
    inner, outer = (_enlarge(mask, factor, tissue.shape) for mask in (erode(filled, 1), dilate(filled, 1)))
    drawn = (outer & tissue) | inner
    thin = max(1, round(SHEET_MM / pixel_mm))
    return np.asarray(dilate(dilate(erode(drawn, thin), thin), 1, within=drawn) | inner)


def _enlarge(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    if factor > 1:
        mask = np.repeat(np.repeat(mask, factor, axis=2), factor, axis=1)
    return mask[:, : shape[1], : shape[2]]
