"""From DICOM files to candidate series: which files make one volume, and which are set aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from radgen.cohort.candidates import Candidate, Refused, Remark, canonical_size
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.dicom_volumes import read_frame
from radgen.cohort.planes import Plane, by_orientation, by_place
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import ScannedFile
from radgen.cohort.settings import InventorySettings
from radgen.cohort.stacks import REFUSE, Stack, stacks_of


def dicom_series(images: Sequence[ScannedFile], settings: InventorySettings, refused: list[Refused]) -> list[Candidate]:
    """Group DICOM files by series; files of a series that makes no volume are appended to `refused`.

    Series computed from others and pictures of screens are set aside where their study holds an original, and kept
    where they are all there is.
    """
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
    originals = {_study(file) for file in images if isinstance(file.header, DicomHeader) and _is_original(file.header)}
    candidates = []
    for series in sorted(groups):
        try:
            _set_aside(groups[series], originals)
            candidates.extend(_OneSeries(series, groups[series], settings, refused).candidates())
        except RefusalError as refusal:
            refused.extend(Refused.by(refusal, file.path, series) for file in groups[series])
    return candidates


def _study(file: ScannedFile) -> str:
    header = file.header
    return (header.study_uid if isinstance(header, DicomHeader) else "") or str(file.folder)


def _is_original(header: DicomHeader) -> bool:
    return bool(header.planes) and not (header.localizer or header.reformatted or header.secondary)


def _set_aside(files: Sequence[ScannedFile], originals: set[str]) -> None:
    """Raise the reason for which a series is set aside as a whole, if there is one."""
    headers = [file.header for file in files if isinstance(file.header, DicomHeader)]
    if any(header.localizer for header in headers):
        raise RefusalError(Reason.LOCALIZER, "a localizer")
    if _study(files[0]) not in originals:
        return
    made = next((header.reformatted for header in headers if header.reformatted), "")
    if made:
        text = f"a series computed from others ({made}), whose study holds an original"
        raise RefusalError(Reason.DERIVED, text)
    if all(header.secondary and not header.planes for header in headers):
        raise RefusalError(Reason.DERIVED, "a picture of a screen or a document, whose study holds an original")


class _OneSeries:
    """The files of one series on their way to candidates; files that are not used are appended to `refused`."""

    def __init__(
        self, series: str, files: Sequence[ScannedFile], settings: InventorySettings, refused: list[Refused]
    ) -> None:
        self.series, self.files, self.settings, self.refused = series, files, settings, refused
        self.headers = [file.header for file in files if isinstance(file.header, DicomHeader)]

    def candidates(self) -> list[Candidate]:
        """Return the volumes of the series.

        Raises
        ------
        RefusalError
            The files make no volume.
        """
        if len({header.patient_id for header in self.headers}) > 1:
            raise RefusalError(Reason.NO_PATIENT, "one series names several patients")
        bare = sum(not header.planes for header in self.headers)
        if bare == len(self.headers):
            return [self._plain_image(file, header) for file, header in zip(self.files, self.headers, strict=True)]
        if bare:
            text = f"{bare} of {len(self.headers)} images of one series do not say where they lie"
            raise RefusalError(Reason.BAD_GEOMETRY, text, float(bare), "files")
        planes = [replace(plane, file=n) for n, header in enumerate(self.headers) for plane in header.planes]
        stacks, planes, remarks = self._stacks(planes)
        remarks += self._count_remarks(planes, stacks)
        kept = list(self._chosen(stacks))
        self._refuse_repeats(planes, [stacks[number] for number in kept])
        return [self._from_stack(number, stacks[number], planes, remarks) for number in kept]

    def _stacks(self, planes: list[Plane]) -> tuple[list[Stack], list[Plane], tuple[Remark, ...]]:
        """Make volumes; where images share a place unevenly, once more without those whose pixels are there twice."""
        try:
            return stacks_of(planes, self.settings.on_irregular), planes, ()
        except RefusalError as refusal:
            if refusal.reason != Reason.UNEVEN_REPEATS:
                raise
            doubles = set(self._doubles(planes))
            if not doubles:
                raise
        rest = [plane for plane in planes if plane.file not in doubles]
        stacks = stacks_of(rest, self.settings.on_irregular)
        text = "an image of the same place and the same pixels as another of its series"
        self.refused.extend(
            Refused(self.files[number].path, Reason.DUPLICATE, text, self.series) for number in sorted(doubles)
        )
        return stacks, rest, (Remark(Reason.DUPLICATE, "dropped", float(len(doubles)), "positions"),)

    def _doubles(self, planes: Sequence[Plane]) -> Iterator[int]:
        """Yield files of one frame whose place and pixels another file of the series has, too."""
        for group in by_orientation(planes):
            for place in by_place(group):
                seen = [read_frame(self.headers[place[0].file].path, place[0])] if len(place) > 1 else []
                for plane in place[1:]:
                    pixels = read_frame(self.headers[plane.file].path, plane)
                    if self.headers[plane.file].frames == 1 and any(np.array_equal(pixels, one) for one in seen):
                        yield plane.file
                    else:
                        seen.append(pixels)

    def _count_remarks(self, planes: Sequence[Plane], stacks: Sequence[Stack]) -> tuple[Remark, ...]:
        """Compare the images and time points that are there with those that the headers promise."""
        images = max((header.promised[0] for header in self.headers if not header.reformatted), default=0)
        volumes = max(header.promised[1] for header in self.headers)
        faults = []
        if len(planes) < images:
            text = f"{len(planes)} images where the acquisition has {images}"
            faults.append(RefusalError(Reason.WRONG_COUNT, text, float(images - len(planes)), "images"))
        # A series of one time point may be one of several that share the time points of the scan.
        if 1 < len(stacks) < volumes:
            text = f"{len(stacks)} time points where the scan has {volumes}"
            faults.append(RefusalError(Reason.WRONG_COUNT, text, float(volumes - len(stacks)), "volumes"))
        if faults and self.settings.on_irregular == REFUSE:
            raise faults[0]
        return tuple(Remark(Reason.WRONG_COUNT, "kept", fault.figure or 0.0, fault.unit) for fault in faults)

    def _chosen(self, stacks: Sequence[Stack]) -> Iterator[int]:
        """Yield the numbers of the volumes to use: all, or the first time point of each orientation and contrast."""
        seen = set()
        for number, stack in enumerate(stacks):
            first = stack.planes[0]
            kind = (tuple(round(value, 2) for value in first.directions), first.contrast)
            if self.settings.repeats == "all" or kind not in seen:
                yield number
            seen.add(kind)

    def _refuse_repeats(self, planes: Sequence[Plane], kept: Sequence[Stack]) -> None:
        used = {plane.file for stack in kept for plane in stack.planes}
        text = "a later time point or acquisition of its series; repeats: all uses it"
        unused = sorted({plane.file for plane in planes} - used)
        self.refused.extend(Refused(self.files[file].path, Reason.REPEAT, text, self.series) for file in unused)

    def _from_stack(self, number: int, stack: Stack, planes: Sequence[Plane], remarks: tuple[Remark, ...]) -> Candidate:
        """Describe one volume; `repeat` is its number among the volumes that its own files make."""
        paths = tuple(dict.fromkeys(self.files[plane.file].path for plane in stack.planes))
        first = self.headers[stack.planes[0].file]
        shape, spacing = canonical_size(stack.shape, stack.affine)
        return Candidate(
            format="dicom",
            paths=paths,
            repeat=_repeat_among(stack, planes, self.settings.on_irregular),
            patient=first.patient_id or None,
            study=first.study_uid or str(PurePosixPath(paths[0]).parent),
            series=self.series if number == 0 else f"{self.series} {number}",
            modality=first.modality or self.settings.modality,
            anatomy=self.settings.anatomy or first.anatomy,
            shape=shape,
            spacing_mm=spacing,
            tag_value=first.tag_value,
            frame_of_reference=first.frame_of_reference,
            remarks=remarks + stack.remarks,
        )

    def _plain_image(self, file: ScannedFile, header: DicomHeader) -> Candidate:
        """Describe an image without a place in the patient, such as a plain X-ray: a series of its own."""
        spacing = header.spacing_mm
        return Candidate(
            format="dicom",
            paths=(file.path,),
            repeat=0,
            patient=header.patient_id or None,
            study=header.study_uid or str(file.folder),
            series=header.instance_uid or file.path,
            modality=header.modality or self.settings.modality,
            anatomy=self.settings.anatomy or header.anatomy,
            shape=(header.frames, *header.shape),
            spacing_mm=None if spacing is None else (1.0, *spacing),
            tag_value=header.tag_value,
        )


def _repeat_among(stack: Stack, planes: Sequence[Plane], treatment: str) -> int:
    """Return which of the volumes made by a stack's own files alone the stack is: its reader has only those files."""
    files = {plane.file for plane in stack.planes}
    own = [plane for plane in planes if plane.file in files]
    if len(own) == len(stack.planes):
        return 0
    for number, other in enumerate(stacks_of(own, treatment)):
        if other.planes == stack.planes:
            return number
    raise RefusalError(Reason.UNEVEN_REPEATS, "volumes of one series share some of their files but not all")
