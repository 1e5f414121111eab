"""The frames of a DICOM file and their places in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pydicom

from radgen.cohort.dicom_elements import number_value
from radgen.cohort.mosaic import is_mosaic, tile_planes
from radgen.cohort.planes import Plane
from radgen.cohort.refusal import Reason, RefusalError


def planes_of(dataset: pydicom.Dataset, file: int) -> list[Plane]:
    """List the frames of a dataset with their places; empty when it has none.

    Raises
    ------
    RefusalError
        Some but not all of position, orientation and spacing are there.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence", None)
    if not per_frame:
        plane = _plane(dataset, [dataset], file, 0)
        if plane is not None and is_mosaic(dataset):
            return tile_planes(dataset, plane)
        return [] if plane is None else [plane]
    shared = list(dataset.get("SharedFunctionalGroupsSequence", ()))
    planes = [_plane(dataset, _macros([frame, *shared]), file, number) for number, frame in enumerate(per_frame)]
    return [plane for plane in planes if plane is not None]


def _macros(groups: Sequence[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Flatten functional groups: the items of their sequences, the frame's own before the shared ones."""
    return [element.value[0] for group in groups for element in group if element.VR == "SQ" and element.value]


def _plane(dataset: pydicom.Dataset, sources: Sequence[pydicom.Dataset], file: int, frame: int) -> Plane | None:
    def find(keyword: str) -> Any:  # noqa: ANN401 - any element value
        return next((source[keyword].value for source in sources if source.get(keyword, None) is not None), None)

    position, directions, spacing = find("ImagePositionPatient"), find("ImageOrientationPatient"), find("PixelSpacing")
    given = [value is not None and len(value) > 0 for value in (position, directions, spacing)]
    if not (given[0] or given[1]):
        return None
    if not all(given) or (len(position), len(directions), len(spacing)) != (3, 6, 2):
        raise RefusalError(Reason.BAD_GEOMETRY, "image position, orientation or pixel spacing is missing or incomplete")
    thickness = find("SpacingBetweenSlices") or find("SliceThickness") or 1.0
    slope, intercept = find("RescaleSlope"), find("RescaleIntercept")
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
        order=(number_value(dataset, "AcquisitionNumber"), number_value(dataset, "InstanceNumber")),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )
