"""Write found images as an image set, and a table of which file became which image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.cohort.guarded import GuardedPool, Lost
from radgen.errors import InputError
from radgen.imageset.core import gather_index, images_path, masks_path, write_table
from radgen.imageset.writers import ShardWriter
from radgen.imports.found import Found
from radgen.imports.reading import GUARD, Pixels, Refused, Task, read_pixels

FILES_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),  # relative to the folder that was imported
        pa.field("mask", pa.string()),  # relative to the folder of masks
    ]
)
AUTO, GREY, COLOUR = "auto", "grey", "colour"
CHANNELS = (AUTO, GREY, COLOUR)
WHITE = 255


@dataclass(frozen=True)
class Recipe:
    """How images are read.

    Attributes
    ----------
    name
        Of the source: image ids begin with it.
    class_names
        In the order of their ids; empty for images without a class.
    structures
        Names of mask labels from 1; empty where nobody names them.
    window
        Intensities that are black and white, or None.
    channels
        auto (as the first image), grey or colour.
    rows_per_shard
        Images per shard.
    """

    name: str
    class_names: tuple[str, ...]
    structures: tuple[str, ...]
    window: tuple[float, float] | None
    channels: str = AUTO
    rows_per_shard: int = 1024


@dataclass
class Written:
    """What came of it: files, image shape (C, H, W), the labels that masks hold, masks of black and white."""

    files: list[Path] = field(default_factory=list)
    shape: tuple[int, int, int] = (0, 0, 0)
    labels: set[int] = field(default_factory=set)
    white_masks: int = 0


def write_images(folder: Path, found: Sequence[Found], masks: Path | None, recipe: Recipe, workers: int) -> Written:
    """Write shards, index.parquet and files.parquet; memory holds one record batch.

    Parameters
    ----------
    folder
        Of the image set.
    found
        What goes in, in this order.
    masks
        The folder of masks, for the table of files.
    recipe
        How.
    workers
        Child processes that read; no byte depends on it.

    Raises
    ------
    InputError
        A file cannot be read or does not fit the others; the message names it.
    """
    written = Written()
    pixels = _read(found, recipe, workers, written)
    parts = []
    for shard, start in enumerate(range(0, len(found), recipe.rows_per_shard)):
        part = found[start : start + recipe.rows_per_shard]
        first = next(pixels)
        base = folder / f"shard-{shard:03d}"
        with ShardWriter(folder, base.name, written.shape, with_masks=masks is not None) as writer:
            for place, item in enumerate(part):
                one = first if place == 0 else next(pixels)
                writer.append(_row(item, start + place, one, recipe), one.image, one.mask)
        parts.append(folder / f"{base.name}.index.parquet")
        written.files += [parts[-1], images_path(base), *([masks_path(base)] if masks is not None else [])]
    gather_index(parts, folder / "index.parquet")
    write_table(folder / "files.parquet", _table(found, masks, recipe))
    written.files += [folder / "index.parquet", folder / "files.parquet"]
    return written


def _read(found: Sequence[Found], recipe: Recipe, workers: int, written: Written) -> Iterator[Pixels]:
    """Yield pixels in order, all of one shape, labels checked."""
    tasks = [Task(item.image, item.mask, recipe.window) for item in found]
    wanted = {AUTO: 0, GREY: 1, COLOUR: 3}[recipe.channels]
    with GuardedPool(read_pixels, workers, GUARD) as pool:
        for item, read in zip(found, pool.map(tasks), strict=True):
            if not isinstance(read, Pixels):
                raise InputError(_said(item, read))
            wanted = wanted or (1 if _is_grey(read.image) else 3)
            image = _with_channels(item, read.image, wanted, found[0])
            if not written.shape[0]:
                written.shape = (image.shape[0], image.shape[1], image.shape[2])
            if image.shape != written.shape:
                size = f"{image.shape[1]} x {image.shape[2]} pixels"
                msg = (
                    f"{_shown(item.image)}: {size}, but {_shown(found[0].image)} has "
                    f"{written.shape[1]} x {written.shape[2]}; all images of a set have one size, resize them first"
                )
                raise InputError(msg)
            yield Pixels(image, _labels(item, read.mask, recipe.structures, written), read.spacing_mm)


def _shown(path: Path) -> str:
    """Return a path on one line, whatever its name holds."""
    return str(path).encode("unicode_escape").decode()


def _said(item: Found, read: Refused | Lost) -> str:
    path = read.path if isinstance(read, Refused) else item.image
    return f"{_shown(path)}: {read.sentence}"


def _is_grey(image: NDArray[np.uint8]) -> bool:
    return bool(np.all(image == image[:1]))


def _with_channels(item: Found, image: NDArray[np.uint8], wanted: int, first: Found) -> NDArray[np.uint8]:
    if len(image) == wanted:
        return image
    if wanted == 1 and _is_grey(image):
        return image[:1]
    is_now, others = ("in colour", "grey") if wanted == 1 else ("grey", "in colour")
    msg = (
        f"{_shown(item.image)}: is {is_now}, but the set is {others}, as {_shown(first.image)} or --channels says; "
        "store all images in one way"
    )
    raise InputError(msg)


def _labels(
    item: Found, mask: NDArray[np.uint8] | None, structures: tuple[str, ...], written: Written
) -> NDArray[np.uint8] | None:
    if mask is None:
        return None
    present = set(np.unique(mask).tolist()) - {0}
    if present == {WHITE} and len(structures) == 1:
        written.white_masks += 1
        written.labels.add(1)
        return np.asarray(mask == WHITE, dtype=np.uint8)
    largest = len(structures) if structures else WHITE - 1
    if present and max(present) > largest:
        known = f"--structures names {len(structures)}" if structures else "white is no label"
        msg = (
            f"{_shown(item.mask or item.image)}: holds label {max(present)}, but {known}; label ids are 0 for "
            "background, then 1, 2, ... in the order of --structures (one structure: black and white will do)"
        )
        raise InputError(msg)
    written.labels |= present
    return mask


def _row(item: Found, number: int, pixels: Pixels, recipe: Recipe) -> dict[str, Any]:
    row_mm, column_mm = pixels.spacing_mm or (None, None)
    return {
        "image_id": image_name(recipe.name, number),
        "source": recipe.name,
        "split": "synthetic",
        "class_name": item.class_name,
        "class_id": None if item.class_name is None else recipe.class_names.index(item.class_name),
        "spacing_row_mm": row_mm,
        "spacing_col_mm": column_mm,
        "window_low": None if recipe.window is None else [recipe.window[0]],
        "window_high": None if recipe.window is None else [recipe.window[1]],
    }


def image_name(source: str, number: int) -> str:
    """Return the id of an imported image; names of files stay in the table beside.

    >>> image_name("maisi", 7)
    'maisi_000007'
    """
    return f"{source}_{number:06d}"


def _table(found: Sequence[Found], masks: Path | None, recipe: Recipe) -> pa.Table:
    rows = [
        {
            "image_id": image_name(recipe.name, number),
            "file": item.name,
            "mask": None if masks is None or item.mask is None else item.mask.relative_to(masks).as_posix(),
        }
        for number, item in enumerate(found)
    ]
    return pa.Table.from_pylist(rows, schema=FILES_SCHEMA)
