"""Which mask belongs to which image: by the layout, by DICOM reference, by nnU-Net folders, or by lying beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from radgen.cohort.candidates import Candidate, Refused
from radgen.cohort.case_names import CaseFinder
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.grouping import NNUNET_CHANNEL, without_nifti_suffix
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.layouts import FileFacts
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import ScannedFile

# Of masks of several kinds for one series, those of the first kind here are used.
PREFERRED_KINDS = ("seg", "nifti", "nrrd", "picture_stack", "picture")


@dataclass(frozen=True)
class _Mask:
    """One mask file on its way to its image."""

    kind: str
    path: str
    label: str
    mask_of: str


def attach_masks(
    candidates: Sequence[Candidate],
    masks: Sequence[ScannedFile],
    facts: Mapping[str, FileFacts] | None = None,
    labels_of: Mapping[str, str] | None = None,
) -> tuple[list[Candidate], list[Refused]]:
    """Give each candidate its masks.

    What a layout says decides alone: the file a mask belongs to, else the case. Otherwise a DICOM SEG goes to the
    series it references, else to the only series of its frame of reference. A file in `labelsTr` goes to the image of
    the same name in `imagesTr` (with or without a channel suffix). Any other label volume goes to the image in its
    folder, below its folder or below its parent, whichever first holds exactly one. Of an archive that holds the label
    maps of another, a DICOM SEG goes by reference too, and any label map by its names as `CaseFinder` says.

    Parameters
    ----------
    candidates, masks
        Of all archives.
    facts
        What layouts say, by path.
    labels_of
        Archive of images to the archive that holds their label maps, where that is another one.

    Returns
    -------
    candidates, refused
        Candidates with `masks`, `mask_kind` and `mask_labels`; masks that fit no image or several.
    """
    if not masks:
        return list(candidates), []
    finder = _Finder(candidates)
    cases = CaseFinder(candidates, labels_of or {}, [file.path for file in masks])
    found: dict[int, list[_Mask]] = {}
    refused = []
    for file in masks:
        fact = (facts or {}).get(file.path, FileFacts())
        places = _places(file, fact, finder, cases)
        if not places:
            text = "no image of this archive belongs to the mask, or several might"
            refused.append(Refused(file.path, Reason.MASK_WITHOUT_IMAGE, text))
        for place in places:
            own = {fact.mask_of, *fact.also_of}.intersection(candidates[place].paths)
            mask = _Mask(fact.mask_kind or kind_of(file), file.path, fact.label, "".join(own))
            found.setdefault(place, []).append(mask)
    finished = []
    for place, candidate in enumerate(candidates):
        chosen, others = _choose(found.get(place, []), candidate)
        refused.extend(others)
        finished.append(
            replace(
                candidate,
                masks=tuple(mask.path for mask in chosen),
                mask_kind=chosen[0].kind if chosen else None,
                mask_labels=tuple(mask.label for mask in chosen),
            )
        )
    return finished, refused


def _places(file: ScannedFile, fact: FileFacts, finder: _Finder, cases: CaseFinder) -> list[int]:
    if cases.knows(file.path):
        by_reference = finder.by_reference(file.header) if isinstance(file.header, DicomHeader) else []
        return by_reference or cases.find(file.path)
    told = bool(fact.mask_of or fact.case)
    return finder.by_facts(file.path, fact) if told else finder.by_content(file)


def kind_of(file: ScannedFile) -> str:
    """Return how a mask is read, as its content tells."""
    if isinstance(file.header, DicomHeader):
        return "seg"
    return file.header.format if isinstance(file.header, VolumeHeader) else "picture"


def _choose(masks: Sequence[_Mask], candidate: Candidate) -> tuple[list[_Mask], list[Refused]]:
    """Return the masks that a series keeps, in order, and those it does not."""
    kinds = sorted({mask.kind for mask in masks}, key=lambda kind: (_rank(kind), kind))
    chosen = sorted((mask for mask in masks if mask.kind in kinds[:1]), key=lambda mask: mask.path)
    text = f"a {kinds[-1]} mask of a series that has a {kinds[0]} mask" if kinds else ""
    others = [
        Refused(mask.path, Reason.DUPLICATE, text, candidate.series) for mask in masks if mask.kind not in kinds[:1]
    ]
    if kinds[:1] != ["picture_stack"]:
        return chosen, others
    by_slice = {mask.mask_of: mask for mask in chosen}
    if set(by_slice) == set(candidate.paths) and len(by_slice) == len(chosen):
        return [by_slice[path] for path in candidate.paths], others
    text = f"{len(by_slice)} masks for the {len(candidate.paths)} slices of a series; each slice needs one"
    return [], others + [
        Refused(mask.path, Reason.MASK_WITHOUT_IMAGE, text, candidate.series, len(chosen), "masks") for mask in chosen
    ]


def _rank(kind: str) -> int:
    return PREFERRED_KINDS.index(kind) if kind in PREFERRED_KINDS else len(PREFERRED_KINDS)


class _Finder:
    """Looks candidates up by what masks say of them; answers are places in the list of candidates."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._by_file = {path: place for place, candidate in enumerate(candidates) for path in candidate.paths}
        self._by_layout_case: dict[tuple[str, str], list[int]] = {}
        self._by_series: dict[str, list[int]] = {}
        self._by_frame: dict[str, list[int]] = {}
        self._by_folder: dict[PurePosixPath, list[int]] = {}
        self._below: dict[PurePosixPath, list[int]] = {}
        self._by_case: dict[tuple[PurePosixPath, str], list[int]] = {}
        for place, candidate in enumerate(candidates):
            if candidate.case:
                self._by_layout_case.setdefault((candidate.archive, candidate.case), []).append(place)
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

    def by_facts(self, path: str, facts: FileFacts) -> list[int]:
        """Look up what a layout says of a mask: the file it belongs to, else the case."""
        if facts.mask_of:
            files = (facts.mask_of, *facts.also_of)
            return list(dict.fromkeys(self._by_file[file] for file in files if file in self._by_file))
        archive = path.partition("/")[0]
        if not facts.case:
            return []
        return self._by_layout_case.get((archive, facts.case), self._by_layout_case.get(("", facts.case), []))

    def by_content(self, mask: ScannedFile) -> list[int]:
        """Look up what a mask's header or its place in the folders says."""
        return self.by_reference(mask.header) if isinstance(mask.header, DicomHeader) else self.by_path(mask.path)

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
