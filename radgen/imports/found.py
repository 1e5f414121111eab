"""What lies in a folder of images: which files, which mask and which class each has. No pixel is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radgen.cohort.csv_tables import read_pairs
from radgen.cohort.walk import walk
from radgen.errors import InputError

ENDINGS = (".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
FILE_COLUMN, CLASS_COLUMN = "file", "class"


@dataclass(frozen=True)
class Found:
    """One image: its path relative to the folder, its file, its mask's file, its class."""

    name: str
    image: Path
    mask: Path | None
    class_name: str | None


def find_images(folder: Path, masks: Path | None, classes: Path | None) -> list[Found]:
    """List the images of a folder in order of their paths.

    Parameters
    ----------
    folder
        Pictures and one-slice NIfTI files and nothing else, hidden files apart. Sub-folders name classes.
    masks
        A folder in which each image's mask has the image's path, up to the ending.
    classes
        CSV table of file (path in the folder, or name) and class; None takes the sub-folders.

    Raises
    ------
    InputError
        A file is no image, a link or without its mask or class; the message names it.
    """
    if masks is not None and masks.resolve().is_relative_to(folder.resolve()):
        msg = f"{masks}: masks lie inside {folder}, so they would be images too; name the images' own folder"
        raise InputError(msg)
    images = files_by_stem(folder)
    painted = files_by_stem(masks) if masks is not None else {}
    if masks is not None:
        _check_same(folder, images, masks, painted)
    names = [str(path.relative_to(folder).as_posix()) for path in images.values()]
    chosen = _by_folder(folder, names) if classes is None else _by_table(classes, names)
    return [
        Found(name, path, painted.get(stem), chosen[name])
        for (stem, path), name in zip(images.items(), names, strict=True)
    ]


def files_by_stem(folder: Path) -> dict[str, Path]:
    """List the files of a folder, in order of their paths, by their paths without ending.

    Raises
    ------
    InputError
        A file is no image, a link, or differs from another in its ending only; or there is none.
    """
    if not folder.is_dir():
        msg = f"{folder}: no such folder; name the folder of the images"
        raise InputError(msg)
    found: dict[str, Path] = {}
    for entry in walk(folder):
        shown = entry.path.encode("unicode_escape").decode()
        if entry.refusal is not None:
            msg = f"{folder}: {shown}: {entry.refusal[1]}; take it out of the folder"
            raise InputError(msg)
        ending = next((end for end in ENDINGS if entry.path.lower().endswith(end)), None)
        if ending is None:
            msg = (
                f"{folder}: {shown} is neither a picture nor NIfTI by its ending; move it elsewhere, then import again"
            )
            raise InputError(msg)
        stem = entry.path[: -len(ending)]
        if stem in found:
            other = found[stem].relative_to(folder).as_posix().encode("unicode_escape").decode()
            msg = f"{folder}: {other} and {shown} differ in their endings only, so no mask fits just one; rename one"
            raise InputError(msg)
        found[stem] = folder / entry.path
    if not found:
        msg = f"{folder}: no image in it; name the folder of the images"
        raise InputError(msg)
    return found


def _check_same(folder: Path, images: Mapping[str, Path], masks: Path, painted: Mapping[str, Path]) -> None:
    for stem in images:
        if stem not in painted:
            shown = stem.encode("unicode_escape").decode()
            msg = f"{masks}: no mask {shown} for the image of that name in {folder}; add it, an empty one if need be"
            raise InputError(msg)
    for stem in painted:
        if stem not in images:
            shown = stem.encode("unicode_escape").decode()
            msg = f"{masks}: mask {shown} has no image of that name in {folder}; take it away, or add the image"
            raise InputError(msg)


def _by_folder(folder: Path, names: Sequence[str]) -> dict[str, str | None]:
    parents = {name: str(PurePosixPath(name).parent) for name in names}
    outside = [name for name, parent in parents.items() if parent == "."]
    if outside and len(outside) < len(names):
        shown = outside[0].encode("unicode_escape").decode()
        msg = (
            f"{folder}: {shown} lies in no sub-folder, but others do, and sub-folders name classes; "
            "move it, or give --classes a table"
        )
        raise InputError(msg)
    return {name: None if outside else parent for name, parent in parents.items()}


def _by_table(table: Path, names: Sequence[str]) -> dict[str, str | None]:
    pairs = read_pairs(table, FILE_COLUMN, CLASS_COLUMN)
    short = [PurePosixPath(name).name for name in names]
    found: dict[str, str | None] = {}
    used: set[str] = set()
    for name, last in zip(names, short, strict=True):
        key = name if name in pairs else last
        shown = name.encode("unicode_escape").decode()
        if not pairs.get(key):
            msg = f"{table.name}: no class for {shown}; give every file of the folder a line with {CLASS_COLUMN}"
            raise InputError(msg)
        if key == last and short.count(last) > 1 and key != name:
            msg = f"{table.name}: {last} is the name of several files; give their paths in the folder instead"
            raise InputError(msg)
        found[name] = pairs[key]
        used.add(key)
    if set(pairs) - used:
        shown = min(set(pairs) - used).encode("unicode_escape").decode()
        msg = f"{table.name}: {shown} is no file of the folder; correct the line or take it away"
        raise InputError(msg)
    return found
