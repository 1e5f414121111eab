"""Where the patient is: a body mask that leaves couch, blankets and air behind and never cuts into the patient.

Components are found on a grid reduced to about `GRID_MM`, slice by slice with neighbours through the slices; the skin
line is then drawn on the source grid. All steps are exact work on booleans, so the mask is the same on every machine.

    tissue      voxels above the threshold
    core        tissue after an opening: a thin couch shell, a blanket or a cable does not survive it
    body        components of the core that are thick somewhere (arms kept), or large in their slice (arms dropped)
    grown       the body given back its corners and rim, inside the tissue
    filled      holes of every slice closed: lungs and bowel gas belong to the patient
    walls       cavities that lost a thin wall to the opening given back, with the wall
    cut         cavities that the edge of the picture, or of its circular field, cuts open given back
    skin line   a band around that mask is decided voxel by voxel on the source grid

Eight slices share a byte (see morphology.py), so that nearly every step works on eight slices at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radgen.imaging.morphology import (
    Mask,
    Packed,
    bounds,
    dilate,
    erode,
    fill_holes,
    neighbours,
    pack,
    spread,
    unpack,
)
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
# So much of a cavity that an edge cuts open must have the body on three sides.
CUT_SHARE = 0.5
# Half the thickness of a sheet that lies against the skin and is peeled off again on the source grid.
SHEET_MM = 1.5
# No tissue or metal is so dense: paddings such as 63536 that were meant as signed numbers.
CT_PADDING_HU = 32767
# MR: air is darker than this share of the volume's range; a volume shows air if so much of its slices' frames is dark.
AIR_SHARE = 0.15
AIR_IN_FRAME = 0.2
SAMPLE_VOXELS = 1 << 20

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
    limits = tissue_limits(volume, modality, settings)
    return None if limits is None else body_mask(volume, limits, spacing_mm, settings, closed=modality != "CT")


def tissue_limits(volume: NDArray[Any], modality: str, settings: BodySettings) -> tuple[float, float] | None:
    """Return the intensities between which lies what is not air, or None for a volume that shows no air."""
    if modality == "CT":
        return settings.ct_threshold_hu, CT_PADDING_HU
    threshold = air_threshold(volume, settings.mr_threshold)
    return None if threshold is None else (threshold, np.inf)


def removed_tissue(values: NDArray[Any], inside: Mask, limits: tuple[float, float]) -> float:
    """Return the share of what is not air that lies outside a mask; 0 where all is air."""
    tissue = _between(values, limits)
    every = int(np.count_nonzero(tissue))
    tissue &= inside
    return 1 - int(np.count_nonzero(tissue)) / every if every else 0.0


def _between(values: NDArray[Any], limits: tuple[float, float]) -> Mask:
    low, high = limits
    if values.dtype.kind == "f":
        return np.asarray((values > low) & (values < high))
    inside = values > int(np.floor(low))  # whole numbers are compared with whole numbers, without a detour over floats
    if np.iinfo(values.dtype).max > high:
        inside &= values < int(np.ceil(high))
    return np.asarray(inside)


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


def body_mask(
    volume: NDArray[Any],
    limits: tuple[float, float],
    spacing_mm: tuple[float, float, float],
    settings: BodySettings,
    *,
    closed: bool,
) -> Mask:
    """Find the patient among everything that is not air.

    Parameters
    ----------
    volume
        Intensities [slices, rows, columns], canonical orientation.
    limits
        Tissue lies above the first and below the second.
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
    tissue, coarse = _find_tissue(volume, limits, factor)
    if closed:
        coarse = fill_holes(erode(dilate(coarse, 1), 1))
    filled = _components(coarse, len(volume), source_mm * factor, settings)
    shown = _shown(volume, factor)
    filled = _with_cut_cavities(filled, shown, len(volume))
    # At the edge of a circular field, as at the edge of the picture, there is no skin to be drawn.
    inner = erode(filled if shown is None else filled | ~shown, 1) & filled
    outer = dilate(filled, 1)
    skin = np.empty(volume.shape, dtype=bool)
    for byte in range(len(tissue)):
        one = slice(byte, byte + 1)
        drawn = _draw_skin(tissue[one], inner[one], outer[one], factor, source_mm)
        part = skin[8 * byte : 8 * byte + 8]
        unpack(drawn, len(part), out=part)
    return skin


def _find_tissue(volume: NDArray[Any], limits: tuple[float, float], factor: int) -> tuple[Packed, Packed]:
    """Return what lies between the limits, on the source grid and on the reduced grid."""
    fine, coarse = [], []
    for start in range(0, len(volume), 8):  # small enough to stay in the processor's cache
        part = volume[start : start + 8]
        tissue = _between(part, limits)
        packed = pack(tissue)
        fine.append(packed)
        coarse.append(packed if factor == 1 else pack(_reduce(tissue, factor)))
    return np.concatenate(fine), np.concatenate(coarse)


def _shown(volume: NDArray[Any], factor: int) -> Packed | None:
    """Return where a slice is not padding, on the reduced grid; None where its corners are not padding."""
    corners = volume[:, (0, 0, -1, -1), (0, -1, 0, -1)]
    return None if corners.min() < corners.max() else pack(volume[:, ::factor, ::factor] != corners[0, 0])


def _reduce(mask: Mask, factor: int) -> Mask:
    """Majority of factor x factor blocks, [s, ceil(r / factor), ceil(c / factor)]."""
    slices, rows, columns = mask.shape
    padded = mask.view(np.uint8)
    if rows % factor or columns % factor:
        padded = np.pad(padded, ((0, 0), (0, -rows % factor), (0, -columns % factor)), mode="edge")
    blocks = padded.reshape(slices, -1, factor, padded.shape[2])
    lines = blocks[:, :, 0].copy()
    for line in range(1, factor):
        lines += blocks[:, :, line]
    counts = lines[:, :, ::factor].copy()
    for column in range(1, factor):
        counts += lines[:, :, column::factor]
    return np.asarray(counts >= (factor**2 + 1) // 2)


def _components(tissue: Packed, slices: int, pixel_mm: float, settings: BodySettings) -> Packed:
    steps = max(1, round(settings.opening_mm / pixel_mm))
    marker_steps = max(steps, round(settings.marker_mm / pixel_mm))
    eroded = erode(tissue, steps)
    core = dilate(eroded, steps)
    body = _pieces_with(core, erode(eroded, marker_steps - steps))
    if settings.arms == "drop":
        body = _without_arms(body, slices, pixel_mm)
    reachable = tissue & ~(core & ~body)
    body = dilate(body, max(1, round(settings.give_back_mm / pixel_mm)), within=reachable)
    return _with_thin_walls(fill_holes(body), reachable, slices, pixel_mm)


def _pieces_with(mask: Packed, marker: Packed) -> Packed:
    """Return the pieces, connected through the slices, that hold a marked voxel."""
    kept = spread(marker, mask)
    while (reached := neighbours(kept) & mask & ~kept).any():
        kept |= spread(reached, mask)
    return kept


def _with_thin_walls(filled: Packed, tissue: Packed, slices: int, pixel_mm: float) -> Packed:
    """Give back cavities that opened to the outside because the wall before them did not survive the opening.

    A hole of the tissue is such a cavity when nearly all of it has the body behind it and on two more of its sides:
    couch foam lies behind the body, and air that a blanket closes off beside the patient has fewer sides.
    """
    lost = fill_holes(tissue) & ~tissue & ~filled
    if not lost.any():
        return filled
    before, behind, right, left = (_beside(filled, axis, back) for axis in (1, 2) for back in (False, True))
    enclosed = lost & behind & ((left & right) | (left & before) | (right & before))
    holes = unpack(spread(enclosed, lost), slices)
    box = bounds(holes)
    labels, count = ndimage.label(holes[box], _IN_PLANE)
    size, seen = (
        np.bincount(labels[part], minlength=count + 1) for part in (holes[box], unpack(enclosed, slices)[box])
    )
    cavity = np.zeros_like(holes)
    cavity[box] = (seen >= CAVITY_SHARE * np.maximum(size, 1))[labels] & holes[box]
    given_back = pack(cavity)
    walls = dilate(given_back, max(1, round(WALL_MM / pixel_mm)), within=tissue | given_back)
    return fill_holes(filled | walls)


def _with_cut_cavities(filled: Packed, shown: Packed | None, slices: int) -> Packed:
    """Give back what lies between the body and an edge that cuts the body: lung in a narrow field of view.

    A piece of the background is such a cavity when most of it has the body on three of its four sides. Air above
    the patient has fewer; where it has not, between an arm and the trunk, keeping air does no harm.
    """
    edge = np.zeros_like(filled)
    edge[:, (0, -1)] = edge[:, :, (0, -1)] = 255
    if shown is not None:
        edge |= dilate(~shown, 1)
    some = np.flatnonzero(unpack(filled & edge, slices).any(axis=(1, 2)))
    if not some.size:
        return filled
    before, behind, right, left = (_beside(filled, axis, back) for axis in (1, 2) for back in (False, True))
    enclosed = (before & behind & (right | left)) | (right & left & (before | behind))
    room = ~filled if shown is None else ~filled & shown
    holes, inside = unpack(room, slices)[some], unpack(room & enclosed, slices)[some]
    labels, count = ndimage.label(holes, _IN_PLANE)
    size, seen = (np.bincount(labels[part], minlength=count + 1) for part in (holes, inside))
    restored = unpack(filled, slices)
    restored[some] |= (seen >= CUT_SHARE * np.maximum(size, 1))[labels] & holes
    return fill_holes(pack(restored))


def _beside(body: Packed, axis: int, back: bool) -> Packed:
    """Mark pixels that have the body somewhere before them along an axis, or after them (`back`)."""
    turned = np.flip(body, axis) if back else body
    seen = np.bitwise_or.accumulate(turned, axis=axis)
    return np.flip(seen, axis) if back else seen


def _without_arms(body: Packed, slices: int, pixel_mm: float) -> Packed:
    """Leave out, slice by slice, the small thick pieces that come off when necks up to twice `NECK_MM` wide are cut."""
    neck, thin = (max(1, round(length / pixel_mm)) for length in (NECK_MM, GAP_MM / 2))
    # Holes wider than a gap beside an arm are closed first, so that the wall around lung or gas does not come off too.
    holes = fill_holes(body) & ~body
    solid = body | spread(erode(holes, thin), holes)
    pieces = erode(solid, neck)
    apart = unpack(pieces, slices)
    labels, count = ndimage.label(apart, _IN_PLANE)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    area[0] = 0
    area = area[labels]
    small = pack(apart & (area < ARM_SHARE * area.max(axis=(1, 2), keepdims=True)))
    arm = spread(erode(small, thin), small)
    trunk = pieces & ~arm
    for _ in range(2 * neck):  # both grow back at the same pace and meet in the neck
        trunk = dilate(trunk, 1, within=solid & ~arm)
        arm = dilate(arm, 1, within=solid & ~trunk)
    return body & ~arm


def _draw_skin(tissue: Packed, inner: Packed, outer: Packed, factor: int, pixel_mm: float) -> Packed:
    inner, outer = (_enlarge(mask, factor, tissue.shape) for mask in (inner, outer))
    drawn = (outer & tissue) | inner
    thin = max(1, round(SHEET_MM / pixel_mm))
    return dilate(dilate(erode(drawn, thin), thin), 1, within=drawn) | inner


def _enlarge(mask: Packed, factor: int, shape: tuple[int, ...]) -> Packed:
    if factor > 1:
        mask = np.repeat(np.repeat(mask, factor, axis=2), factor, axis=1)
    return mask[:, : shape[1], : shape[2]]
