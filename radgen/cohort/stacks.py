"""From the planes of a DICOM series to its volumes: by orientation, place, echo, acquisition and time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.candidates import Remark
from radgen.cohort.irregular import Regrid, faults_of, regrid
from radgen.cohort.planes import Plane, by_orientation, by_place, check_one_grid, plane_affine
from radgen.cohort.refusal import Reason, RefusalError

# What is done about faults of geometry: the policies of a study, and split, which every policy but refuse allows.
REFUSE, SPLIT, NEAREST, RESAMPLE = "refuse", "split", "nearest", "resample"


def treatment_of(treatments: Iterable[str]) -> str:
    """Return how the planes of a volume are to be read, from the treatments that its remarks name."""
    named = set(treatments)
    return next((treatment for treatment in (RESAMPLE, NEAREST, SPLIT) if treatment in named), REFUSE)


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of one volume in order along their normal, and the grid of that volume.

    Parameters
    ----------
    planes
        From the lowest to the highest projection on the normal.
    shape
        Of the volume; of the planes themselves where there is no `regrid`.
    affine
        float64 [4, 4]; maps (slice, row, column, 1) to RAS+ mm.
    regrid
        How the planes are brought to a regular grid, where they lie on none.
    remarks
        What was unusual, and what is done about it.
    """

    planes: tuple[Plane, ...]
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    regrid: Regrid | None = None
    remarks: tuple[Remark, ...] = ()


def stacks_of(planes: Sequence[Plane], treatment: str = REFUSE) -> list[Stack]:
    """Order the planes of a series into volumes.

    Planes of one orientation that share no place make one volume. Where places repeat, echo and kind of image tell the
    volumes apart, then acquisition, then temporal position, and what is left is counted in order of instance numbers.

    Parameters
    ----------
    planes
        All planes of the series.
    treatment
        refuse | split | nearest | resample. Without a fault they all give the same. Several orientations, and volumes
        of different coverage, are split by all but refuse; uneven gaps and tilt are mended by nearest and resample.

    Raises
    ------
    RefusalError
        mixed-size, mixed-orientation, mixed-spacing, uneven-repeats, uneven-gaps, missing-slices or tilted.
    """
    orientations = by_orientation(planes)
    remarks: tuple[Remark, ...] = ()
    if len(orientations) > 1:
        remarks = (_mixed_orientation(orientations, treatment),)
    stacks = []
    for group in orientations:
        check_one_grid(group)
        volumes = _volumes(group)
        uneven = _uneven_coverage(volumes, treatment)
        for volume in volumes:
            stack = _stack([place[0] for place in by_place(volume)], treatment)
            stacks.append(replace(stack, remarks=(*remarks, *uneven, *stack.remarks)))
    return stacks


def _mixed_orientation(orientations: Sequence[Sequence[Plane]], treatment: str) -> Remark:
    directions = np.array([group[0].directions for group in orientations]).reshape(-1, 2, 3)
    cosines = np.einsum("gdx,dx->gd", directions, directions[0])
    degrees = float(np.degrees(np.arccos(np.clip(cosines.min(), -1.0, 1.0))))
    if treatment == REFUSE:
        text = (
            f"slices of {len(orientations)} orientations, up to {degrees:.1f} degrees apart, in one series, as in a "
            "localizer; on_irregular: nearest or resample splits them"
        )
        raise RefusalError(Reason.MIXED_ORIENTATION, text, degrees, "degrees")
    return Remark(Reason.MIXED_ORIENTATION, SPLIT, degrees, "degrees")


# ---------------------------------------------------------------- volumes that share places

_KEYS: tuple[Callable[[Plane], object], ...] = (
    lambda plane: plane.contrast,
    lambda plane: plane.order[0],
    lambda plane: plane.order[1],
)


def _volumes(planes: Sequence[Plane], keys: Sequence[Callable[[Plane], object]] = _KEYS) -> list[list[Plane]]:
    """Split planes of one orientation until no place repeats within a volume.

    Raises
    ------
    RefusalError
        uneven-repeats: nothing tells the planes of one place apart, and places hold different numbers of them.
    """
    places = by_place(planes)
    counts = {len(place) for place in places}
    if counts == {1}:
        return [list(planes)]
    if not keys:
        return _counted(places)
    groups: dict[object, list[Plane]] = {}
    for plane in sorted(planes, key=lambda item: (item.order, item.file, item.frame)):
        groups.setdefault(keys[0](plane), []).append(plane)
    # A key that tells no two planes of one place apart is no reason to split: a scan may change echo on its way.
    helps = max(len(place) for group in groups.values() for place in by_place(group)) < max(counts)
    if not helps:
        return _volumes(planes, keys[1:])
    return [volume for group in groups.values() for volume in _volumes(group, keys[1:])]


def _counted(places: Sequence[Sequence[Plane]]) -> list[list[Plane]]:
    counts = sorted(len(place) for place in places)
    if counts[0] != counts[-1]:
        lacking = float(sum(count < counts[-1] for count in counts))
        text = f"between {counts[0]} and {counts[-1]} images share one position; time points are missing"
        raise RefusalError(Reason.UNEVEN_REPEATS, text, lacking, "positions")
    return [[place[repeat] for place in places] for repeat in range(counts[0])]


def _uneven_coverage(volumes: Sequence[Sequence[Plane]], treatment: str) -> tuple[Remark, ...]:
    """Notice volumes of one series and orientation that have different numbers of slices."""
    counts = [len(volume) for volume in volumes]
    lacking = float(max(counts) - min(counts))
    if not lacking:
        return ()
    if treatment == REFUSE:
        text = (
            f"volumes of {min(counts)} to {max(counts)} slices in one series; on_irregular: nearest or resample keeps "
            "each as it is"
        )
        raise RefusalError(Reason.UNEVEN_REPEATS, text, lacking, "positions")
    return (Remark(Reason.UNEVEN_REPEATS, SPLIT, lacking, "positions"),)


# ---------------------------------------------------------------- one volume


def _stack(planes: Sequence[Plane], treatment: str) -> Stack:
    """Describe the volume of planes that are in order and share no place."""
    ordered = tuple(planes)
    shape = (len(ordered), *ordered[0].shape)
    if len(ordered) == 1:
        return Stack(ordered, shape, plane_affine(ordered[0]))
    faults = faults_of(ordered)
    if not faults:
        step = (np.array(ordered[-1].position_mm) - ordered[0].position_mm) / (len(ordered) - 1)
        return Stack(ordered, shape, plane_affine(ordered[0], step))
    if treatment not in {NEAREST, RESAMPLE}:
        raise faults[0]
    plan = regrid(ordered, faults, linear=treatment == RESAMPLE)
    remarks = tuple(Remark(fault.reason, treatment, fault.figure or 0.0, fault.unit) for fault in faults)
    return Stack(ordered, plan.shape, plan.affine, plan, remarks)
