"""From DICOM files to candidate series: which files make one volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from radgen.cohort.candidates import Candidate, Refused, canonical_size
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.planes import Stack, stacks_of
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import ScannedFile
from radgen.cohort.settings import InventorySettings


def dicom_series(images: Sequence[ScannedFile], settings: InventorySettings, refused: list[Refused]) -> list[Candidate]:
    """Group DICOM files by series; files of a series that makes no volume are appended to `refused`."""
    groups: dict[str, list[ScannedFile]] = {}
    instances: set[str] = set()
    for file in images:
        if not isinstance(file.header, DicomHeader):
            continue
        series = file.header.series_uid or f"{file.folder} {file.header.frame_of_reference}"
        if file.header.instance_uid and file.header.instance_uid in instances:
            refused.append(Refused(file.path, Reason.DUPLICATE, "the same DICOM instance is there twice", series))
        else:
            instances.add(file.header.instance_uid)
            groups.setdefault(series, []).append(file)
    candidates = []
    for series in sorted(groups):
        try:
            candidates.extend(_one_dicom_series(series, groups[series], settings))
        except RefusalError as refusal:
            refused.extend(Refused.by(refusal, file.path, series) for file in groups[series])
    return candidates


def _one_dicom_series(series: str, files: Sequence[ScannedFile], settings: InventorySettings) -> list[Candidate]:
    headers = [file.header for file in files if isinstance(file.header, DicomHeader)]
    if any(header.localizer for header in headers):
        raise RefusalError(Reason.LOCALIZER, "a localizer")
    if len({header.patient_id for header in headers}) > 1:
        raise RefusalError(Reason.NO_PATIENT, "one series names several patients")
    bare = sum(not header.planes for header in headers)
    if bare == len(headers):
        return [_plain_image(file, header, settings) for file, header in zip(files, headers, strict=True)]
    if bare:
        text = f"{bare} of {len(headers)} images of one series do not say where they lie"
        raise RefusalError(Reason.BAD_GEOMETRY, text)
    planes = [replace(plane, file=n) for n, header in enumerate(headers) for plane in header.planes]
    stacks = stacks_of(planes)
    kept = stacks[:1] if settings.repeats == "first" else stacks
    before: Counter[frozenset[int]] = Counter()
    candidates = []
    for number, stack in enumerate(kept):
        own = frozenset(plane.file for plane in stack.planes)
        candidates.append(_from_stack((series, number, before[own]), stack, files, settings))
        before[own] += 1
    return candidates


def _from_stack(
    which: tuple[str, int, int], stack: Stack, files: Sequence[ScannedFile], settings: InventorySettings
) -> Candidate:
    """Describe one volume: of this series, this number in it, this number among the volumes of the same files."""
    series, number, repeat = which
    paths = tuple(dict.fromkeys(files[plane.file].path for plane in stack.planes))
    first = files[stack.planes[0].file].header
    if not isinstance(first, DicomHeader):
        raise TypeError
    shape, spacing = canonical_size((len(stack.planes), *stack.planes[0].shape), stack.affine)
    return Candidate(
        format="dicom",
        paths=paths,
        repeat=repeat,
        patient=first.patient_id or None,
        study=first.study_uid or str(PurePosixPath(paths[0]).parent),
        series=series if number == 0 else f"{series} {number}",
        modality=first.modality or settings.modality,
        anatomy=settings.anatomy or first.anatomy,
        shape=shape,
        spacing_mm=spacing,
        tag_value=first.tag_value,
        frame_of_reference=first.frame_of_reference,
    )


def _plain_image(file: ScannedFile, header: DicomHeader, settings: InventorySettings) -> Candidate:
    """Describe an image without a place in the patient, such as a plain X-ray: a series of its own."""
    spacing = header.spacing_mm
    return Candidate(
        format="dicom",
        paths=(file.path,),
        repeat=0,
        patient=header.patient_id or None,
        study=header.study_uid or str(file.folder),
        series=header.instance_uid or file.path,
        modality=header.modality or settings.modality,
        anatomy=settings.anatomy or header.anatomy,
        shape=(1, *header.shape),
        spacing_mm=None if spacing is None else (1.0, *spacing),
        tag_value=header.tag_value,
    )
