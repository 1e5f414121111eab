"""Masks as DICOM SEG: BINARY, FRACTIONAL or LABELMAP, placed by geometry, their segments matched by label.

A FRACTIONAL segment is where its fraction is at least half of the largest one (`MaximumFractionalValue`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pydicom

from radgen.annotation.importers.grids import affine_of, put_on_image, refusing
from radgen.annotation.returned import Layer, Returned, Sizes, image_named, label_named
from radgen.annotation.schema import MAX_LABELS, Label
from radgen.cohort.dicom_elements import number_value, read_dataset, text_value, understanding
from radgen.cohort.planes import plane_affine
from radgen.cohort.segmentations import painted
from radgen.cohort.settings import StructureSettings
from radgen.errors import AnnotationError
from radgen.imaging.volume import Volume


def recognise(path: Path) -> bool:
    """Tell whether a file is called DICOM."""
    return path.name.lower().endswith(".dcm")


def read(path: Path, sizes: Sizes, labels: Sequence[Label], *, pack: Path) -> Iterator[Returned]:
    """Read one segmentation; see `radgen.annotation.returned`.

    It belongs to the image that it refers to, one of `dicom` in the folder `pack`, and else to the one it is named
    after. Segments that overlap come in the order of labels.json.
    """
    with refusing(path.name), path.open("rb") as file:
        header = read_dataset(file, stop_before_pixels=True)
    with refusing(path.name), understanding():
        modality = text_value(header, "Modality")
    if modality != "SEG":
        msg = f"{path.name}: is DICOM, but no segmentation (SEG); save the segments, not the image"
        raise AnnotationError(msg)
    with refusing(path.name):
        image_id = _image_of(path, header, sizes, pack)
    with refusing(path.name), understanding():
        _check_extent(path, header, sizes[image_id])
        structures = _structures(path, header, labels)
    affine = affine_of(pack / "nifti", image_id)
    names = {number: label.id for number, label in enumerate(labels)}
    with refusing(path.name):
        pieces = painted(path, structures, affine[:, [2, 1, 0, 3]])
        layers = tuple(
            Layer(names[structure], put_on_image(Volume(seen[None], plane_affine(plane)), sizes[image_id], affine) != 0)
            for structure, plane, seen in pieces
        )
    yield Returned(image_id, layers, sizes[image_id], path.name)


def _image_of(path: Path, header: pydicom.Dataset, sizes: Sizes, pack: Path) -> str:
    """Return the image of a segmentation; refuse one whose name and reference say different things."""
    referred = _referred(header)
    by_reference = [image_id for image_id in sizes if referred and _instance(pack, image_id) in referred]
    try:
        by_name = image_named(path.name, sizes, path.name)
    except AnnotationError:
        if len(by_reference) == 1:
            return by_reference[0]
        raise
    if _instance(pack, by_name) and referred and by_name not in by_reference:
        other = f"image {by_reference[0]}" if by_reference else "an image that is not of this pack"
        msg = f"{path.name}: is named after {by_name}, but refers to {other}; a mask of another image is not used"
        raise AnnotationError(msg)
    return by_name


def _referred(header: pydicom.Dataset) -> set[str]:
    """Return the SOP instance UIDs that a segmentation says it was drawn on."""
    return {
        str(instance.ReferencedSOPInstanceUID)
        for series in header.get("ReferencedSeriesSequence", None) or ()
        for instance in series.get("ReferencedInstanceSequence", None) or ()
        if "ReferencedSOPInstanceUID" in instance
    }


def _instance(pack: Path, image_id: str) -> str:
    """Return the SOP instance UID of a pack's image; empty where the pack has no DICOM."""
    path = pack / "dicom" / f"{image_id}.dcm"
    if not path.is_file():
        return ""
    with refusing(path.name), path.open("rb") as file:
        return text_value(read_dataset(file, stop_before_pixels=True), "SOPInstanceUID")


def _check_extent(path: Path, header: pydicom.Dataset, size: tuple[int, int]) -> None:
    rows, columns = number_value(header, "Rows"), number_value(header, "Columns")
    frames = number_value(header, "NumberOfFrames")
    if max(rows, columns) > max(size) or frames > MAX_LABELS:
        msg = (
            f"{path.name}: is {frames} frames of {rows} rows x {columns} columns, but its image is "
            f"{size[0]} x {size[1]}; masks are never resized, so segment the image of dicom/ itself"
        )
        raise AnnotationError(msg)


def _structures(path: Path, header: pydicom.Dataset, labels: Sequence[Label]) -> StructureSettings:
    """Return the labels as structures of a source whose segments are called as in this file."""
    told: dict[str, dict[str, None]] = {label.name: {} for label in labels}
    for item in header.SegmentSequence:
        if int(item.SegmentNumber) != 0:  # the background of a label map
            name = text_value(item, "SegmentLabel")
            told[label_named(name, labels, path.name).name][name] = None
    names = [label.name for label in labels[1:]]
    # A segment called background is none; unknown ones have been refused above.
    return StructureSettings(
        names=tuple(names), map={name: tuple(told[name]) or (name,) for name in names}, others="background"
    )
