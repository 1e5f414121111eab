"""Which mask belongs to which image: by DICOM reference, by nnU-Net folders, or by lying beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from radgen.cohort.candidates import Candidate, Refused
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.grouping import NNUNET_CHANNEL, without_nifti_suffix
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile


def attach_masks(
    candidates: Sequence[Candidate], masks: Sequence[ScannedFile]
) -> tuple[list[Candidate], list[Refused]]:
    """Give each candidate its masks.

    A DICOM SEG goes to the series it references, else to the only series of its frame of reference. A file in
    `labelsTr` goes to the image of the same name in `imagesTr` (with or without a channel suffix). Any other NIfTI mask
    goes to the image in its folder, below its folder or below its parent, whichever first holds exactly one.

    Returns
    -------
    candidates, refused
        Candidates with `masks` and `mask_kind`; masks that fit no image or several.
    """
    finder = _Finder(candidates)
    found: dict[int, list[tuple[str, str]]] = {}
    refused = []
    for mask in masks:
        kind = "seg" if isinstance(mask.header, DicomHeader) else "nifti"
        places = finder.by_reference(mask.header) if isinstance(mask.header, DicomHeader) else finder.by_path(mask.path)
        if not places:
            text = "no image of this archive belongs to the mask, or several might"
            refused.append(Refused(mask.path, Reason.MASK_WITHOUT_IMAGE, text))
        for place in places:
            found.setdefault(place, []).append((kind, mask.path))
    finished = []
    for place, candidate in enumerate(candidates):
        pairs = sorted(found.get(place, []), reverse=True)
        kinds = {kind for kind, _ in pairs}
        used = "seg" if "seg" in kinds else "nifti" if kinds else None
        text = "a NIfTI mask of a series that has a DICOM SEG"
        refused.extend(Refused(path, Reason.DUPLICATE, text, candidate.series) for k, path in pairs if k != used)
        paths = tuple(sorted(path for k, path in pairs if k == used))
        finished.append(replace(candidate, masks=paths, mask_kind=used))
    return finished, refused


class _Finder:
    """Looks candidates up by what masks say of them; answers are places in the list of candidates."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._by_series: dict[str, list[int]] = {}
        self._by_frame: dict[str, list[int]] = {}
        self._by_folder: dict[PurePosixPath, list[int]] = {}
        self._below: dict[PurePosixPath, list[int]] = {}
        self._by_case: dict[tuple[PurePosixPath, str], list[int]] = {}
        for place, candidate in enumerate(candidates):
            series = candidate.series.split(" ")[0] if candidate.format == "dicom" else candidate.series
            self._by_series.setdefault(series, []).append(place)
            if candidate.frame_of_reference:
                self._by_frame.setdefault(candidate.frame_of_reference, []).append(place)
            self._by_folder.setdefault(candidate.folder, []).append(place)
            for folder in candidate.folder.parents:
                self._below.setdefault(folder, []).append(place)
            name = without_nifti_suffix(PurePosixPath(candidate.paths[0]).name)
            for case in {name, NNUNET_CHANNEL.sub("", name)}:
                self._by_case.setdefault((candidate.folder, case), []).append(place)

    def by_reference(self, header: DicomHeader) -> list[int]:
        for series in header.referenced_series:
            if series in self._by_series:
                return self._by_series[series]
        return _if_one(self._by_frame.get(header.frame_of_reference, []))

    def by_path(self, path: str) -> list[int]:
        folder = PurePosixPath(path).parent
        if folder.name.startswith("labels"):
            images = folder.parent / f"images{folder.name.removeprefix('labels')}"
            return self._by_case.get((images, without_nifti_suffix(PurePosixPath(path).name)), [])
        return (
            _if_one(self._by_folder.get(folder, []))
            or _if_one(self._below.get(folder, []))
            or _if_one(self._below.get(folder.parent, []))
        )


def _if_one(places: list[int]) -> list[int]:
    return places if len(places) == 1 else []
