"""One look at a series for the leak finder: its value grid, a thumbnail, the texture of its noise, its number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort import dicom_volumes, nifti, pictures
from radgen.cohort.candidates import Candidate
from radgen.cohort.refusal import RefusalError
from radgen.imaging.volume import canonical

THUMBNAIL_PX = 32
# Voxels whose values are looked at, taken at equal steps; a grid shows in far fewer.
GRID_VOXELS = 1 << 20
# More steps than this between the least and the largest value are no grid, but rounding of the type itself.
MOST_STEPS = 1 << 16
FEWEST_VALUES = 16
# A number of the file's list: the last of its name, before the channel of nnU-Net names.
NUMBER = re.compile(r"^(.*?)(\d+)(?:_\d{4})?(?:\.[A-Za-z]+)+$")
LONGEST_NUMBER = 15

Grey = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Look:
    """What the leak finder keeps of a series: a few kilobytes.

    Parameters
    ----------
    step
        Distance of neighbouring values of a float volume whose values are multiples of one number; None without such
        a grid.
    kind
        Type of the values as read, such as uint8.
    thumbnail
        Middle slice, float32 [THUMBNAIL_PX, THUMBNAIL_PX]; None if no picture can be read.
    texture
        float32 [8], see `texture_of`; None with the thumbnail.
    """

    step: float | None = None
    kind: str = ""
    thumbnail: Grey | None = None
    texture: Grey | None = None


def look_at(archive: Path, candidate: Candidate) -> Look:
    """Read one series and keep its traces; nothing but an empty look is left of one that cannot be read."""
    try:
        voxels = _read(archive, candidate)
    except RefusalError:
        return Look()
    middle = voxels[voxels.shape[0] // 2].astype(np.float32)
    if middle.ndim == 3:
        middle = middle.mean(axis=-1)
    step = value_step(voxels.astype(np.promote_types(voxels.dtype, np.float32))) if voxels.dtype.kind == "f" else None
    if not np.isfinite(middle).all() or min(middle.shape) < 4:
        return Look(step, voxels.dtype.name)
    small = Image.fromarray(middle).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    return Look(step, voxels.dtype.name, np.asarray(small), texture_of(middle))


def value_step(voxels: NDArray[np.floating]) -> float | None:
    """Find the number whose multiples all values of a volume are, up to a common offset.

    Scanners' whole numbers, scaled by a factor of the scan, leave such a grid: all crops of the scan share the factor.

    Parameters
    ----------
    voxels
        Floats of any shape.

    Returns
    -------
    float or None
        None without a grid, and for steps that many scans share: whole numbers, and one divided by a whole number.

    >>> round(value_step(np.arange(100, dtype=np.float32) * np.float32(6.33065)), 5)
    6.33065
    >>> value_step(np.arange(100, dtype=np.float32)) is None
    True
    """
    flat = voxels.reshape(-1)[:: -(-voxels.size // GRID_VOXELS)]
    values = np.unique(flat[np.isfinite(flat)]).astype(np.float64)
    if len(values) < FEWEST_VALUES:
        return None
    gaps = np.diff(values)
    step = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    above = values - values[0]
    for _ in range(3):  # the first guess is one gap with the type's rounding; all values together tell it better
        places = np.round(above / step)
        if places[-1] > MOST_STEPS:
            return None
        step = float(above @ places / (places @ places))
    rounding = np.finfo(voxels.dtype).eps * np.abs(values).max()
    if np.abs(above - np.round(above / step) * step).max() > 0.01 * step + 4 * rounding:
        return None
    return None if _is_whole(step) or _is_whole(1 / step) else step


def _is_whole(number: float) -> bool:
    return number >= 0.5 and abs(number - round(number)) < 1e-5 * number


def texture_of(picture: Grey) -> Grey:
    """Measure the noise and the darkness of a picture: they differ between scans more than within one.

    Parameters
    ----------
    picture
        float32 [rows, cols], at least 4 x 4.

    Returns
    -------
    float32 [8]
        Quantiles of the fine detail, of the detail at half the resolution, and of the values.
    """
    rows, cols = (side // 2 * 2 for side in picture.shape)
    half = picture[:rows, :cols].reshape(rows // 2, 2, cols // 2, 2).mean(axis=(1, 3))
    fine = np.quantile(_detail(picture), (0.2, 0.5, 0.8))
    coarse = np.quantile(_detail(half), (0.2, 0.5)) if min(half.shape) > 2 else np.zeros(2)
    return np.concatenate([fine, coarse, np.quantile(picture, (0.05, 0.25, 0.5))]).astype(np.float32)


def _detail(picture: Grey) -> Grey:
    inner = picture[1:-1, 1:-1]
    around = picture[:-2, 1:-1] + picture[2:, 1:-1] + picture[1:-1, :-2] + picture[1:-1, 2:]
    return np.abs(4 * inner - around)


def numbers_of(candidates: list[Candidate]) -> list[tuple[str, int] | None]:
    """Return the list and the number in it that each series' file name tells.

    Files of one name but for the number are one list, across folders, unless a number comes twice: then each folder
    has a list of its own. Series of several files (DICOM) are numbered by slice, and get None.
    """
    found = [
        NUMBER.match(PurePosixPath(item.paths[0]).name) if len(item.paths) == 1 and item.format != "dicom" else None
        for item in candidates
    ]
    lists: dict[str, list[int]] = {}
    for match in found:
        if match is not None:
            lists.setdefault(match[1], []).append(int(match[2][-LONGEST_NUMBER:]))
    numbers: list[tuple[str, int] | None] = []
    for item, match in zip(candidates, found, strict=True):
        if match is None:
            numbers.append(None)
            continue
        alone = len(set(lists[match[1]])) == len(lists[match[1]])
        name = match[1] if alone else f"{item.folder}/{match[1]}"
        numbers.append((name, int(match[2][-LONGEST_NUMBER:])))
    return numbers


def _read(archive: Path, candidate: Candidate) -> NDArray[np.generic]:
    paths = [archive / path for path in candidate.paths]
    if candidate.format == "picture":
        volume = pictures.read_volume(paths[0])
    elif candidate.format == "nifti":
        volume = nifti.read_volume(paths[0], candidate.repeat)
    else:
        volume = dicom_volumes.read_volume(paths, candidate.repeat)
    return np.asarray(canonical(volume)[0].array)
