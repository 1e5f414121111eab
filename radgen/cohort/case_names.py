"""How label maps in an archive of their own find their images: by case, by relative path, by folder, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from radgen.cohort.candidates import Candidate
from radgen.cohort.grouping import NNUNET_CHANNEL, without_nifti_suffix

SUFFIXES = (".dcm", ".nrrd", ".png", ".tif", ".tiff")


class CaseFinder:
    """Look images up for label maps of another archive.

    A label map is for the case that its relative path names: `a/b/x.nii.gz` is tried as `a/b/x`, then its folders `a/b`
    and `a`, then, if no other label map has that name, as `x`. An image answers to the case that its layout says;
    without one to its relative path, to its folder, and to its own name, if no other image shares them. Of a DICOM
    series the folder counts, not the names of its slices. A name with an nnU-Net channel is tried with and without it.

    Parameters
    ----------
    candidates
        Of all archives.
    labels_of
        Archive of images to the archive that holds their label maps.
    label_paths
        Paths of all label maps, archive first.
    """

    def __init__(
        self, candidates: Sequence[Candidate], labels_of: Mapping[str, str], label_paths: Iterable[str]
    ) -> None:
        self._holders = frozenset(labels_of.values())
        self._by_case: dict[tuple[str, str], list[int]] = {}
        self._by_name: dict[tuple[str, str], list[int]] = {}
        for place, candidate in enumerate(candidates):
            holder = labels_of.get(candidate.archive)
            if holder is None:
                continue
            if candidate.case:
                self._by_case.setdefault((holder, candidate.case), []).append(place)
                continue
            for name in dict.fromkeys(_names_of_image(candidate)):
                self._by_name.setdefault((holder, name), []).append(place)
        inner = [path.partition("/") for path in label_paths]
        self._times = Counter((holder, name) for holder, _, path in inner for name in bare_names(path))

    def knows(self, path: str) -> bool:
        """Tell whether a label map lies in an archive that holds those of another."""
        return path.partition("/")[0] in self._holders

    def find(self, path: str) -> list[int]:
        """Return the places of the images that a label map belongs to."""
        holder, _, inner = path.partition("/")
        own = bare_names(inner)
        folders = [name for folder in PurePosixPath(inner).parents[:-1] for name in (str(folder), folder.name)]
        paths = [str(PurePosixPath(inner).parent / name) for name in own]
        stems = [name for name in own if self._times[holder, name] == 1]
        for name in (*paths, *folders, *stems):
            one = self._by_name.get((holder, name), [])
            places = self._by_case.get((holder, name)) or (one if len(one) == 1 else [])
            if places:
                return places
        return []


def bare_names(path: str) -> list[str]:
    """List what a file name says of its case: no folder, no suffix; then without what may be an nnU-Net channel.

    >>> bare_names("ct/imagesTr/liver_12_0000.nii.gz")
    ['liver_12_0000', 'liver_12']
    """
    name = without_nifti_suffix(PurePosixPath(path).name)
    suffix = PurePosixPath(name).suffix.lower()
    name = name[: -len(suffix)] if suffix in SUFFIXES else name
    return list(dict.fromkeys((name, NNUNET_CHANNEL.sub("", name))))


def _names_of_image(candidate: Candidate) -> list[str]:
    """List what label maps may call an image that has no case; the archive's own name comes first in its path."""
    inner = candidate.paths[0].partition("/")[2]
    folder = PurePosixPath(inner).parent
    names = [str(folder), folder.name] if str(folder) != "." else []
    if candidate.format != "dicom":
        names += [form for own in bare_names(inner) for form in (str(folder / own), own)]
    return names
