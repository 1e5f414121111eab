"""Readers of masks, one module per file format, and the registry that finds the reader of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from radgen.annotation.archive import unpacked
from radgen.annotation.importers import (
    coco,
    colour_png,
    cvat,
    dicom_seg,
    label_studio,
    labelme,
    nifti,
    png,
    seg_nrrd,
    tdid,
)
from radgen.annotation.returned import Reader
from radgen.annotation.waiting import EXPORT_SUFFIXES, mask_like
from radgen.errors import AnnotationError


@dataclass(frozen=True)
class Format:
    """A file format: its name for messages, whether a file is of it, and its reader."""

    name: str
    recognise: Callable[[Path], bool]
    read: Reader


def formats(pack: Path) -> tuple[Format, ...]:
    """Return all formats, those of exports first; the first that recognises a file reads it.

    Parameters
    ----------
    pack
        The pack's folder, where readers of masks with a geometry find the grids of its images.
    """
    grids = pack / "nifti"
    return (
        Format("Label Studio JSON", label_studio.recognise, label_studio.read),
        Format("COCO JSON", coco.recognise, coco.read),
        Format("LabelMe JSON", labelme.recognise, labelme.read),
        Format("CVAT XML", cvat.recognise, cvat.read),
        Format("TDID XML", tdid.recognise, tdid.read),
        Format("indexed or grey PNG", png.recognise, png.read),
        Format("colour PNG", colour_png.recognise, colour_png.read),
        Format("NIfTI", nifti.recognise, partial(nifti.read, grids=grids)),
        Format("3D Slicer .seg.nrrd", seg_nrrd.recognise, partial(seg_nrrd.read, grids=grids)),
        Format("DICOM SEG", dicom_seg.recognise, partial(dicom_seg.read, pack=pack)),
    )


def format_of(path: Path, known: Sequence[Format]) -> Format:
    """Return the format of a file.

    Raises
    ------
    AnnotationError
        No reader knows the file.
    """
    for candidate in known:
        if candidate.recognise(path):
            return candidate
    names = ", ".join(candidate.name for candidate in known)
    msg = f"{path.name}: is in none of the formats that are read ({names}), or only half of it is there"
    raise AnnotationError(msg)


@contextmanager
def files_of(path: Path, known: Sequence[Format]) -> Iterator[tuple[Path, ...]]:
    """Give the files of masks that a file is or, as a zip archive, holds.

    Of an archive that holds an export of many images (.json, .xml), the pictures packed with it are passed over.

    Raises
    ------
    AnnotationError
        The archive cannot be unpacked safely (see `radgen.annotation.archive`) or holds no masks.
    """
    if not path.name.lower().endswith(".zip"):
        yield (path,)
        return
    with unpacked(path) as folder:
        inside = sorted(item for item in folder.rglob("*") if item.is_file() and mask_like(item.relative_to(folder)))
        exports = [item for item in inside if item.name.lower().endswith(EXPORT_SUFFIXES)]
        exports = [item for item in exports if any(candidate.recognise(item) for candidate in known)]
        chosen = exports or [item for item in inside if not item.name.lower().endswith(EXPORT_SUFFIXES)]
        if not chosen:
            msg = f"{path.name}: holds no masks in a format that is read; export it again, or unpack it to see"
            raise AnnotationError(msg)
        yield tuple(chosen)
