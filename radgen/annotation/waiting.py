"""Whether painted masks are there: standard library only, because it is asked while the DAG is parsed."""

from __future__ import annotations

from pathlib import Path

MASKS_FOLDER = "masks"
# One file for each image, and exports of many images.
IMAGE_SUFFIXES = (".png", ".nii.gz", ".nii", ".nrrd", ".dcm")
EXPORT_SUFFIXES = (".json", ".xml", ".zip")
MASK_SUFFIXES = IMAGE_SUFFIXES + EXPORT_SUFFIXES
NO_MASKS = frozenset({"generator.json", "labels.json"})  # radgen's own notes, which may lie beside masks
OBJECT_FOLDER = "SegmentationObject"  # of CVAT and Pascal VOC: pictures that colour objects, not labels


def mask_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of masks inside a pack's folder `masks`, sorted by name; hidden files are passed over.

    They lie in `masks` itself, or in a folder of one annotator inside it, at any depth.

    Parameters
    ----------
    folder
        The pack's folder: the one that holds `images`, `nifti` and `masks`.
    """
    masks = folder / MASKS_FOLDER
    found = (path for path in masks.rglob("*") if mask_like(path.relative_to(masks)) and path.is_file())
    return tuple(sorted(found))


def masks_present(folder: Path) -> bool:
    """Tell whether at least one mask has come back to a pack's folder."""
    return bool(mask_files(folder))


def pack_present(folder: Path) -> bool:
    """Tell whether a pack stands whole in its folder."""
    return all((folder / name).is_file() for name in ("pack.parquet", "manifest.json"))


def annotator_of(path: Path, folder: Path) -> str:
    """Return whose folder a file of masks lies in; empty for one that lies in `masks` itself.

    >>> annotator_of(Path("pack/masks/anna/a.png"), Path("pack")), annotator_of(Path("pack/masks/a.png"), Path("pack"))
    ('anna', '')
    """
    parts = path.relative_to(folder / MASKS_FOLDER).parts
    return parts[0] if len(parts) > 1 else ""


def mask_like(path: Path) -> bool:
    """Tell whether a relative path is called as masks are: by its suffix, not hidden, none of radgen's own notes."""
    passed_over = any(part.startswith((".", "__MACOSX")) or part == OBJECT_FOLDER for part in path.parts)
    return path.name.lower().endswith(MASK_SUFFIXES) and path.name not in NO_MASKS and not passed_over
