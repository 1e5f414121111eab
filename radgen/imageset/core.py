"""Image set: uncompressed Arrow IPC shards of uint8 images (and masks), and a Parquet index of one row per image.

Files of an image set, all named by the folder that holds `index.parquet`::

    index.parquet                      one row per image (columns of INDEX_SCHEMA)
    <shard>.images.arrow               columns image_id, image: fixed_shape_tensor uint8 [C, H, W], where images exist
    <shard>.masks.arrow                columns image_id, mask: fixed_shape_tensor uint8 [H, W], where masks exist:
                                       label ids, or covers (of one structure, 255 is whole) where its schema says so
    <shard>.index.parquet              the shard's own rows of the index

`<shard>` is a path relative to the index, such as `shard-000` or `main/shard-000`; row r of the index part is row r of
both Arrow files. A set of label maps without images has mask files alone, and its `image_id` names the map. Readers map
files into memory and view one record batch at a time: nothing is copied until rows are gathered.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.blocks import GROUP_ROWS, write_blocks
from radgen.provenance import atomic_path

ROWS_PER_BATCH = 256
COVERS = {b"masks": b"cover"}
"""Metadata of mask files whose numbers are shares of a pixel that the one structure covers."""
INSIDE = 128
"""Cover from which a pixel counts as inside."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),  # path stem relative to the index file
        pa.field("row", pa.int32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # "real", or the name of the generator's section
        pa.field("split", pa.string()),  # train | val | test | annotator | generator; "synthetic" for samples
        pa.field("patient", pa.string()),  # keyed hash; null for synthetic images
        pa.field("series", pa.string()),  # keyed hash; of a synthetic image, the one it was painted on or drawn into
        pa.field("slice_index", pa.int32()),  # along canonical axis 0, feet to head
        # Slice k lies at slice offset_slice + k * step_slice of its file: 0 and 1 unless the series is resampled.
        pa.field("offset_slice", pa.float64()),
        pa.field("step_slice", pa.float64()),
        pa.field("modality", pa.string()),
        pa.field("anatomy", pa.string()),
        pa.field("class_name", pa.string()),
        pa.field("class_id", pa.int32()),
        pa.field("spacing_row_mm", pa.float64()),  # of the stored image
        pa.field("spacing_col_mm", pa.float64()),
        # Source intensities shown as grey 0 and 255: one for each channel, or one that all channels share.
        pa.field("window_low", pa.list_(pa.float64())),
        pa.field("window_high", pa.list_(pa.float64())),
        pa.field("clipped_fraction", pa.float64()),  # share of body pixels outside every window
        pa.field("removed_fraction", pa.float64()),  # share of the source slice made black: air, couch, text
        pa.field("removed_tissue_fraction", pa.float64()),  # share of what is denser than air made black: couch, sheets
        # Stored pixel centre (i, j) lies at source row offset_row + i * step_row and column offset_col + j * step_col.
        pa.field("source_rows", pa.int32()),
        pa.field("source_cols", pa.int32()),
        pa.field("offset_row", pa.float64()),
        pa.field("step_row", pa.float64()),
        pa.field("offset_col", pa.float64()),
        pa.field("step_col", pa.float64()),
        pa.field("seed", pa.int64()),  # of a synthetic image
        pa.field("checkpoint", pa.string()),  # digest of the generator's weights
    ]
)
COLUMNS = tuple(INDEX_SCHEMA.names)


def images_path(base: Path) -> Path:
    """Return the image file of a shard, given folder / shard."""
    return base.parent / f"{base.name}.images.arrow"


def masks_path(base: Path) -> Path:
    """Return the mask file of a shard, given folder / shard."""
    return base.parent / f"{base.name}.masks.arrow"


def pixels_path(base: Path, kind: str) -> Path:
    """Return the path of a shard's images or masks."""
    return images_path(base) if kind == "image" else masks_path(base)


def write_index(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write index rows (missing columns become null) as Parquet, atomically."""
    table = pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema=INDEX_SCHEMA)
    write_table(path, table)


def write_table(path: Path, table: pa.Table) -> None:
    """Write any table as Parquet, atomically and with the same bytes for the same rows."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=GROUP_ROWS)


def read_index(path: Path) -> pa.Table:
    """Read an index.

    Raises
    ------
    InputError
        The file is missing or damaged, lacks a column of INDEX_SCHEMA, or does not say where an image lies.
    """
    try:
        table = pq.read_table(path)
        table.validate(full=True)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        msg = f"{path}: not a readable image-set index ({error}); run the stage that writes it"
        raise InputError(msg) from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        msg = f"{path}: the index lacks column {missing[0]!r}; it was not written by this version of radgen"
        raise InputError(msg)
    for name in ("image_id", "shard", "row"):
        if table.column(name).null_count or (name == "row" and table.num_rows and pc.min(table[name]).as_py() < 0):
            msg = f"{path}: column {name!r} of the index holds nothing or less than nothing; run its stage again"
            raise InputError(msg)
    return table


def gather_index(parts: Sequence[Path], index: Path) -> int:
    """Join index parts into one index, a part at a time, rewriting shard stems relative to the new index's folder.

    Returns
    -------
    int
        How many images it lists.
    """
    return write_blocks(index, (_from_folder_of(index, part) for part in parts), INDEX_SCHEMA)


def _from_folder_of(index: Path, part: Path) -> pa.Table:
    """Read a part of an index as seen from the index's folder."""
    table = read_index(part)
    prefix = part.parent.relative_to(index.parent).as_posix()
    if prefix != ".":
        stems = [f"{prefix}/{stem}" for stem in table.column("shard").to_pylist()]
        table = table.set_column(table.column_names.index("shard"), INDEX_SCHEMA.field("shard"), pa.array(stems))
    return table


class ImageSet:
    """Read an image set: its index as a table, its pixels as memory-mapped views.

    Open it after a worker process has started: memory maps do not travel between processes.

    Parameters
    ----------
    index
        Path of `index.parquet`, or of any index part.
    """

    def __init__(self, index: Path) -> None:
        self.index = index
        self.folder = index.parent
        self.table = read_index(index)
        self._shard_names = sorted(set(self.table.column("shard").to_pylist()))
        shard_of = {name: number for number, name in enumerate(self._shard_names)}
        self._shard = np.array([shard_of[name] for name in self.table.column("shard").to_pylist()], dtype=np.int32)
        self._row = self.table.column("row").to_numpy().astype(np.int64)
        self._views: dict[tuple[int, str], list[NDArray[np.uint8]]] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def take(self, positions: NDArray[np.int64]) -> ImageSet:
        """Return the set of some of its images, in this order; pixels stay where they are."""
        some = copy.copy(self)
        some.table = self.table.take(pa.array(positions))
        some._shard, some._row = self._shard[positions], self._row[positions]
        return some

    def column(self, name: str) -> NDArray[Any]:
        """Return one index column as a NumPy array in index order (object dtype for text; null is None)."""
        column = self.table.column(name)
        if pa.types.is_string(column.type):
            return np.array(column.to_pylist(), dtype=object)
        return np.asarray(column.to_numpy())

    def rows_where(self, **equals: str | int | Iterable[Any]) -> NDArray[np.int64]:
        """Return positions of rows whose columns equal the given values; a list, tuple or set means any member."""
        keep = np.ones(len(self), dtype=bool)
        for name, wanted in equals.items():
            values = self.column(name)
            if isinstance(wanted, str | int):
                keep &= values == wanted
            else:
                keep &= np.isin(values.astype(str), [str(item) for item in wanted])
        return np.flatnonzero(keep)

    @property
    def has_masks(self) -> bool:
        """Whether every shard has its mask file."""
        return all(masks_path(self.folder / name).is_file() for name in self._shard_names) and len(self) > 0

    @functools.cached_property
    def has_covers(self) -> bool:
        """Whether masks are stored as covers of one structure, 255 where a pixel is whole, instead of label ids."""
        return self.has_masks and _metadata(masks_path(self.folder / self._shard_names[0])) == COVERS

    @property
    def has_images(self) -> bool:
        """Whether every shard has its image file; a set of label maps alone has none."""
        return all(images_path(self.folder / name).is_file() for name in self._shard_names) and len(self) > 0

    @property
    def mask_shape(self) -> tuple[int, int]:
        """(H, W) of the masks."""
        height, width = self._batches(0, "mask")[0].shape[1:]
        return int(height), int(width)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        channels, height, width = self._batches(0, "image")[0].shape[1:]
        return int(channels), int(height), int(width)

    def images(self, positions: NDArray[np.integer] | Sequence[int]) -> NDArray[np.uint8]:
        """Gather images by position in the index: uint8 [n, C, H, W], a copy.

        Raises
        ------
        InputError
            The set holds label maps alone.
        """
        return self._gather(np.asarray(positions, dtype=np.int64), "image")

    def masks(self, positions: NDArray[np.integer] | Sequence[int]) -> NDArray[np.uint8]:
        """Gather masks by position in the index: uint8 [n, H, W] of label ids, a copy.

        Of covers label 1 is where at least half of a pixel is covered.

        Raises
        ------
        InputError
            The set has no masks.
        """
        stored = self._gather(np.asarray(positions, dtype=np.int64), "mask")
        return (stored >= INSIDE).astype(np.uint8) if self.has_covers else stored

    def covers(self, positions: NDArray[np.integer] | Sequence[int]) -> NDArray[np.uint8]:
        """Gather covers by position in the index: uint8 [n, H, W], 255 where a pixel is whole, a copy.

        Raises
        ------
        InputError
            The set has no masks, or they are label ids.
        """
        stored = self._gather(np.asarray(positions, dtype=np.int64), "mask")
        if not self.has_covers:
            msg = f"{self.folder}: masks are label ids, where covers of one structure are read; run its stage again"
            raise InputError(msg)
        return stored

    def _gather(self, positions: NDArray[np.int64], kind: str) -> NDArray[np.uint8]:
        if len(self) == 0:
            msg = f"{self.folder}: the image set is empty; see the rejects table of the stage that wrote it"
            raise InputError(msg)
        shards, rows = self._shard[positions], self._row[positions]
        first = self._batches(int(shards[0]) if len(shards) else 0, kind)[0]
        out = np.empty((len(positions), *first.shape[1:]), dtype=np.uint8)
        for place, (shard, row) in enumerate(zip(shards.tolist(), rows.tolist(), strict=True)):
            try:
                out[place] = self._batches(shard, kind)[row // ROWS_PER_BATCH][row % ROWS_PER_BATCH]
            except (IndexError, ValueError) as error:
                name = self._shard_names[shard]
                msg = f"{self.index}: names row {row} of {name}, which has no such {kind}; run its stage again"
                raise InputError(msg) from error
        return out

    def _batches(self, shard: int, kind: str) -> list[NDArray[np.uint8]]:
        found = self._views.get((shard, kind))
        if found is None:
            base = self.folder / self._shard_names[shard]
            found = _map_batches(pixels_path(base, kind), kind)
            self._views[shard, kind] = found
        return found


def _metadata(path: Path) -> dict[bytes, bytes] | None:
    try:
        with pa.memory_map(str(path), "r") as file:
            found: dict[bytes, bytes] | None = pa.ipc.open_file(file).schema.metadata
            return found
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not a whole Arrow file ({error}); delete it and run its stage again")


def _map_batches(path: Path, column: str) -> list[NDArray[np.uint8]]:
    if not path.is_file():
        msg = f"{path}: no such file; the image set has no {column}s here"
        raise InputError(msg)
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path), "r"))
        return [
            np.asarray(reader.get_batch(number).column(column).to_numpy_ndarray())
            for number in range(reader.num_record_batches)
        ]
    except (pa.ArrowException, KeyError, OSError, AttributeError) as error:
        raise _damaged(path, error) from error
