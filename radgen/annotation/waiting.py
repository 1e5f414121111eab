"""Whether painted masks are there: standard library only, because it is asked while the DAG is parsed."""

from __future__ import annotations

from pathlib import Path

MASKS_FOLDER = "masks"
MASK_SUFFIXES = (".png", ".nii.gz", ".nii")


def mask_files(folder: Path) -> tuple[Path, ...]:
    """Return the mask files inside a pack's folder `masks`, sorted by name; hidden files are passed over.

    Parameters
    ----------
    folder
        The pack's folder: the one that holds `images`, `nifti` and `masks`.
    """
    masks = folder / MASKS_FOLDER
    if not masks.is_dir():
        return ()
    found = (path for path in masks.iterdir() if path.name.lower().endswith(MASK_SUFFIXES) and path.is_file())
    return tuple(sorted(path for path in found if not path.name.startswith(".")))


def masks_present(folder: Path) -> bool:
    """Tell whether at least one mask has come back to a pack's folder."""
    return bool(mask_files(folder))


def mask_stem(path: Path) -> str:
    """Return a mask file's name without its suffix, which is the image id it belongs to.

    >>> mask_stem(Path("masks/main_normal_000012.nii.gz"))
    'main_normal_000012'
    """
    name = path.name
    for suffix in MASK_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
