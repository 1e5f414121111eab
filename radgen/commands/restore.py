"""Put masks or images of stored slices back into their source volumes: NIfTI on the source's own grid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from radgen.config import read_config
from radgen.errors import InputError
from radgen.study import Study
from radgen.workflow import Plan

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet
    from radgen.imaging.volume import Volume

SUFFIXES = (".png", ".npy")
Row = Mapping[str, Any]


def main(words: list[str]) -> int:
    """Write one volume per series, named by the series' hashed key."""
    parser = argparse.ArgumentParser("radgen restore", description=__doc__)
    parser.add_argument("config", type=Path, help="the study's YAML file; its slices must be made")
    parser.add_argument("--archive", help="another place of the archive")
    parser.add_argument("--kind", choices=("masks", "images"), default="masks", help="what comes back (masks)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the volumes; patient data, so keep it safe")
    parser.add_argument("--images", nargs="*", default=(), metavar="ID", help="image ids; all of the series by default")
    parser.add_argument("--series", help="the series key; what is of another series is then refused")
    parser.add_argument(
        "--from", dest="given", type=Path, help="a PNG or .npy file named by its image id, or a folder of them"
    )
    parser.add_argument("--channel", type=int, default=0, help="of images: which channel, counted from 0")
    parser.add_argument("--fill", type=float, help="value of what was not stored: 0 in masks, NaN in images")
    options = parser.parse_args(words)
    plan = Plan(Study.of(read_config(options.config, {"archive": options.archive} if options.archive else None)))
    chosen = _Chosen(plan, options)
    from radgen.imaging.reassemble import write_volume

    options.out.mkdir(parents=True, exist_ok=True)
    for series, places in chosen.by_series().items():
        volume = chosen.restored(series, places)
        write_volume(options.out / f"{series}.nii.gz", volume)
        sys.stdout.write(f"{series}: {len(places)} slices into {' x '.join(map(str, volume.array.shape))} voxels\n")
    return 0


class _Chosen:
    """What a command line asks for: rows of the index, and the pixels that go with them."""

    def __init__(self, plan: Plan, options: argparse.Namespace) -> None:
        from radgen.imageset.core import ImageSet

        self.plan, self.options = plan, options
        self.set: ImageSet = ImageSet(Path(plan.path("slices.index")))
        self.rows: list[dict[str, Any]] = self.set.table.to_pylist()
        self.given = {} if options.given is None else dict(_read_given(options.given))
        self.wanted = tuple(self.given) or tuple(options.images)
        self._place_of = {row["image_id"]: place for place, row in enumerate(self.rows)}

    def by_series(self) -> dict[str, list[int]]:
        """Return places in the index by series."""
        unknown = [name for name in self.wanted if name not in self._place_of]
        if unknown:
            msg = (
                f"{unknown[0]!r} is no image of this study, nor are {len(unknown) - 1} others of {len(self.wanted)}; "
                "image ids stand in slices/index.parquet"
            )
            raise InputError(msg)
        places = [self._place_of[name] for name in self.wanted] or list(range(len(self.rows)))
        if self.options.series is not None:
            places = self._of_series(places)
        groups: dict[str, list[int]] = {}
        for place in sorted(set(places)):
            groups.setdefault(self.rows[place]["series"], []).append(place)
        return groups

    def _of_series(self, places: list[int]) -> list[int]:
        series = self.options.series
        here = [place for place in places if self.rows[place]["series"] == series]
        if self.wanted and len(here) < len(places):
            strange = next(self.rows[place] for place in places if self.rows[place]["series"] != series)
            msg = (
                f"image {strange['image_id']} is of series {strange['series']}, not of {series}; leave one of both out"
            )
            raise InputError(msg)
        if not here:
            msg = f"series {series} has no image in the set; series keys stand in slices/index.parquet"
            raise InputError(msg)
        return here

    def restored(self, series: str, places: Sequence[int]) -> Volume:
        """Return one series' volume."""
        from radgen.imaging.restore import restore

        planes = [self._plane(place) for place in places]
        fill = self.options.fill
        if fill is None:
            fill = 0 if self.options.kind == "masks" else np.nan
        if self.options.kind == "masks" and not (fill == int(fill) and 0 <= fill <= 255):
            msg = f"--fill {fill:g}: masks hold whole numbers from 0 to 255"
            raise InputError(msg)
        return restore(self._source(series), [self.rows[place] for place in places], planes, fill)

    def _plane(self, place: int) -> NDArray[Any]:
        from radgen.imaging.restore import intensities

        row = self.rows[place]
        stored = self.given.get(row["image_id"])
        masks = self.options.kind == "masks"
        if stored is None:
            stored = self.set.masks([place])[0] if masks else self.set.images([place])[0]
        if stored.shape[-2:] != self.set.image_shape[1:] or (masks and stored.ndim != 2):
            size = " x ".join(map(str, stored.shape))
            msg = (
                f"{row['image_id']}: given as {size}, but the study's slices are stored as "
                f"{' x '.join(map(str, self.set.image_shape[1:]))}; give it on the stored grid"
            )
            raise InputError(msg)
        return stored if masks else intensities(row, stored, self.options.channel)

    def _source(self, series: str) -> Volume:
        from radgen.cohort import tables
        from radgen.cohort.readers import file_paths, read_series

        found = tables.read_rows(Path(self.plan.path("cohort.series")), tables.SERIES_SCHEMA)
        row = next((row for row in found if row["series_key"] == series), None)
        if row is None:
            msg = f"series {series} is not in the cohort; make the slices of this study again"
            raise InputError(msg)
        files = Path(self.plan.path("inventory.files"))
        return read_series(row, file_paths(files, self.plan.roots, row["file_ids"]))


def _read_given(place: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield image id and pixels of a file, or of each file of a folder.

    Raises
    ------
    InputError
        There is no such file, it is of another kind, or its pixels are not uint8 labels or greys.
    """
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    files = [file for file in files if not file.name.startswith(".")]
    if not files:
        msg = f"{place}: the folder is empty; give files named by their image ids, such as ID.png"
        raise InputError(msg)
    for file in files:
        if file.suffix not in SUFFIXES:
            msg = f"{file}: neither PNG nor .npy; give files of these kinds only, named by their image ids"
            raise InputError(msg)
        pixels = _pixels(file)
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
            msg = f"{file}: holds {pixels.dtype} of {pixels.ndim} axes; give uint8 [rows, columns] on the stored grid"
            raise InputError(msg)
        yield file.stem, pixels


def _pixels(file: Path) -> NDArray[Any]:
    from PIL import Image

    try:
        if file.suffix == ".npy":
            return np.asarray(np.load(file, allow_pickle=False))
        with Image.open(file, formats=("PNG",)) as picture:
            mode, pixels = picture.mode, np.asarray(picture)  # of a palette, the numbers of its colours: the labels
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        msg = f"{file}: cannot be read ({type(error).__name__}); give a PNG of 8 bits, or an array of uint8"
        raise InputError(msg) from error
    if mode not in ("L", "P"):
        msg = f"{file}: a PNG of mode {mode}; give 8 bits and one channel: greys, or labels with or without a palette"
        raise InputError(msg)
    return pixels
