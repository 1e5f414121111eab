"""The frames of a DICOM file and their places in the patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pydicom

from radgen.cohort.dicom_elements import first_value, number_value, text_value, value_of
from radgen.cohort.mosaic import is_mosaic, tile_planes
from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError

# Values of an ultrasound region's format and units: an image of tissue, and centimetres.
TISSUE, CENTIMETRES = 1, 3
MM_PER_CM = 10.0


def planes_of(dataset: pydicom.Dataset, file: int) -> list[Plane]:
    """List the frames of a dataset with their places; empty when it has none.

    Raises
    ------
    RefusalError
        bad-geometry: some but not all of position, orientation and spacing are there, or not of every frame.
    """
    per_frame = value_of(dataset, "PerFrameFunctionalGroupsSequence")
    frames = number_value(dataset, "NumberOfFrames") or 1
    if not per_frame:
        plane = _plane(dataset, [dataset], file, 0)
        if plane is not None and is_mosaic(dataset):
            return tile_planes(dataset, plane)
        planes = [plane]
    else:
        shared = list(dataset.get("SharedFunctionalGroupsSequence", ()))
        planes = [_plane(dataset, _macros([frame, *shared]), file, number) for number, frame in enumerate(per_frame)]
    placed = [plane for plane in planes if plane is not None]
    if placed and len(placed) != frames:
        text = f"{len(placed)} of {frames} frames say where they lie"
        raise RefusalError(Reason.BAD_GEOMETRY, text, float(abs(frames - len(placed))), "frames")
    return placed


def _macros(groups: Sequence[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Flatten functional groups: the items of their sequences, the frame's own before the shared ones."""
    return [element.value[0] for group in groups for element in group if element.VR == "SQ" and element.value]


def _contrast(dataset: pydicom.Dataset, find: Callable[[str], Any]) -> tuple[str, ...]:
    """Return echo and kind of image (magnitude, phase, water, ...) as texts; CT series have neither."""
    if text_value(dataset, "Modality") != "MR":
        return ()
    echo = find("EffectiveEchoTime") or find("EchoTime")
    kind = find("FrameType") or find("ImageType") or ()
    return (str(find("EchoNumbers") or ""), str(echo or ""), *(str(item).upper() for item in list(kind)[2:]))


def _plane(dataset: pydicom.Dataset, sources: Sequence[pydicom.Dataset], file: int, frame: int) -> Plane | None:
    def find(keyword: str) -> Any:  # noqa: ANN401 - any element value
        values = (value_of(source, keyword) for source in sources)
        return next((value for value in values if value is not None), None)

    position, directions, spacing = find("ImagePositionPatient"), find("ImageOrientationPatient"), find("PixelSpacing")
    given = [value is not None and len(value) > 0 for value in (position, directions, spacing)]
    if not (given[0] or given[1]):
        return None
    if not all(given) or (len(position), len(directions), len(spacing)) != (3, 6, 2):
        raise RefusalError(Reason.BAD_GEOMETRY, "image position, orientation or pixel spacing is missing or incomplete")
    thickness = find("SpacingBetweenSlices") or find("SliceThickness") or 1.0
    slope, intercept = scale(find("RescaleSlope"), find("RescaleIntercept"))
    x, y, z = (float(value) for value in position)
    d = [float(value) for value in directions]
    return Plane(
        file=file,
        frame=frame,
        shape=(int(dataset.Rows), int(dataset.Columns)),
        position_mm=(x, y, z),
        directions=(d[0], d[1], d[2], d[3], d[4], d[5]),
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        thickness_mm=abs(float(thickness)) or 1.0,
        contrast=_contrast(dataset, find),
        order=(
            number_value(dataset, "AcquisitionNumber"),
            int(find("TemporalPositionIndex") or find("TemporalPositionIdentifier") or 0),
            number_value(dataset, "InstanceNumber"),
        ),
        slope=slope,
        intercept=intercept,
    )


def scale(slope: Any, intercept: Any) -> tuple[float, float]:  # noqa: ANN401 - any element value
    """Return slope and intercept as numbers, 1 and 0 where they are absent.

    Raises
    ------
    RefusalError
        undecodable: a slope of 0, which would leave nothing of the image, or no number.
    """
    factor = 1.0 if slope in (None, "") else float(slope)
    offset = 0.0 if intercept in (None, "") else float(intercept)
    if factor == 0 or not np.isfinite((factor, offset)).all():
        raise RefusalError(Reason.UNDECODABLE, f"a rescale slope of {factor:g} and an intercept of {offset:g}")
    return factor, offset


def pixel_spacing_mm(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Return the distance between rows and between columns of an image without a place in the patient, else None.

    An ultrasound image has the calibration of its regions, where all regions that show tissue agree.
    """
    spacing = first_value(dataset, "PixelSpacing", "ImagerPixelSpacing")
    if spacing is not None and len(spacing) == 2 and min(map(float, spacing)) > 0:
        return float(spacing[0]), float(spacing[1])
    regions = [
        (abs(float(region.PhysicalDeltaY)) * MM_PER_CM, abs(float(region.PhysicalDeltaX)) * MM_PER_CM)
        for region in dataset.get("SequenceOfUltrasoundRegions", None) or ()
        if number_value(region, "RegionSpatialFormat") == TISSUE
    ]
    units = [
        number_value(region, axis)
        for region in dataset.get("SequenceOfUltrasoundRegions", None) or ()
        for axis in ("PhysicalUnitsXDirection", "PhysicalUnitsYDirection")
        if number_value(region, "RegionSpatialFormat") == TISSUE
    ]
    agree = len(set(regions)) == 1 and set(units) == {CENTIMETRES} and min(regions[0]) > 0
    return regions[0] if agree else None
