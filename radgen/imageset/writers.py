"""Writing the shards of an image set: images and masks beside their rows of the index, whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import COLUMNS, COVERS, ROWS_PER_BATCH, pixels_path, write_index
from radgen.provenance import atomic_path


class _Shard:
    """One shard on its way to disk: rows of the index, and a tensor file for each kind of pixels (image, mask)."""

    def __init__(
        self, folder: Path, shard: str, shapes: Mapping[str, tuple[int, ...]], *, covers: bool = False
    ) -> None:
        self._base = folder / shard
        self._metadata = COVERS if covers else None
        self._shard = shard
        self._shapes = dict(shapes)
        self._rows: list[dict[str, Any]] = []
        self._ids: list[str] = []
        self._waiting: dict[str, list[NDArray[np.uint8]]] = {kind: [] for kind in shapes}

    def __enter__(self) -> Self:
        self._base.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as files:
            self._sinks = {
                kind: _open_sink(
                    files, pixels_path(self._base, kind), kind, shape, self._metadata if kind == "mask" else None
                )
                for kind, shape in self._shapes.items()
            }
            self._files = files.pop_all()
        return self

    def _append(self, row: Mapping[str, Any], pixels: Mapping[str, NDArray[np.uint8]]) -> None:
        self._check_columns(row)
        for kind, array in pixels.items():
            self._check(row, array, kind)
        for kind, array in pixels.items():
            self._waiting[kind].append(array)
        self._ids.append(str(row["image_id"]))
        self._rows.append(dict(row) | {"shard": self._shard, "row": len(self._rows)})
        if len(self._ids) == ROWS_PER_BATCH:
            self._flush()

    def _check_columns(self, row: Mapping[str, Any]) -> None:
        unknown = set(row) - set(COLUMNS)
        if unknown:
            msg = f"{self._shard}: unknown index column {sorted(unknown)[0]!r}; columns are {', '.join(COLUMNS)}"
            raise InputError(msg)

    def _check(self, row: Mapping[str, Any], array: NDArray[np.uint8], kind: str) -> None:
        shape = self._shapes[kind]
        if array.shape != shape or array.dtype != np.uint8:
            msg = (
                f"{self._shard}: {kind} of {row['image_id']} is {array.dtype} {array.shape}, "
                f"but this shard holds uint8 {shape}; convert it before writing"
            )
            raise InputError(msg)

    def _flush(self) -> None:
        if not self._ids:
            return
        for kind, arrays in self._waiting.items():
            self._sinks[kind].write(self._ids, np.stack(arrays))
        self._ids, self._waiting = [], {kind: [] for kind in self._waiting}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._files.callback(self._flush)  # on the stack, so that its error too closes and removes the files
        self._files.__exit__(kind, error, trace)
        if error is None:
            write_index(self._base.parent / f"{self._base.name}.index.parquet", self._rows)


class ShardWriter(_Shard):
    """Write one shard atomically, row by row, holding at most one record batch in memory.

    Parameters
    ----------
    folder
        The image set's folder.
    shard
        Path stem relative to the folder, such as "shard-000".
    image_shape
        (C, H, W) of every image.
    with_masks
        Whether every row brings a mask (H, W).
    covers
        Whether masks are covers of one structure instead of label ids.

    Raises
    ------
    StorageError
        The disk is full, read-only or out of quota.

    Notes
    -----
    Nothing appears under the final names until the block ends without an error, and nothing is left when it does not.
    """

    def __init__(
        self,
        folder: Path,
        shard: str,
        image_shape: tuple[int, int, int],
        *,
        with_masks: bool,
        covers: bool = False,
    ) -> None:
        shapes = {"image": image_shape} | ({"mask": image_shape[1:]} if with_masks else {})
        super().__init__(folder, shard, shapes, covers=covers)
        self._with_masks = with_masks

    def append(self, row: Mapping[str, Any], image: NDArray[np.uint8], mask: NDArray[np.uint8] | None = None) -> None:
        """Add one image with its index row; `shard` and `row` are filled in here.

        Raises
        ------
        InputError
            The image's shape or type differs from the shard's, a mask is missing, or the row has an unknown column.
        """
        if not self._with_masks:
            self._append(row, {"image": image})
            return
        if mask is None:
            self._check_columns(row)
            image_id = row["image_id"]
            msg = f"{self._shard}: image {image_id} has no mask, but the shard stores masks; write an empty one"
            raise InputError(msg)
        self._append(row, {"image": image, "mask": mask})


class MaskShardWriter(_Shard):
    """Write one shard of label maps that have no images, as `ShardWriter` writes images.

    Parameters
    ----------
    folder, shard
        As of `ShardWriter`.
    mask_shape
        (H, W) of every map.
    """

    def __init__(self, folder: Path, shard: str, mask_shape: tuple[int, int]) -> None:
        super().__init__(folder, shard, {"mask": mask_shape})

    def append(self, row: Mapping[str, Any], mask: NDArray[np.uint8]) -> None:
        """Add one map with its index row; `shard` and `row` are filled in here.

        Raises
        ------
        InputError
            The map's shape or type differs from the shard's, or the row has an unknown column.
        """
        self._append(row, {"mask": mask})


class _TensorSink:
    """One Arrow IPC file of an id column and a fixed-shape tensor column."""

    def __init__(self, path: Path, column: str, shape: tuple[int, ...], metadata: Mapping[bytes, bytes] | None) -> None:
        self._type = pa.fixed_shape_tensor(pa.uint8(), shape)
        self._schema = pa.schema([pa.field("image_id", pa.string()), pa.field(column, self._type)], metadata)
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, self._schema)

    def write(self, ids: list[str], stack: NDArray[np.uint8]) -> None:
        flat = pa.array(np.ascontiguousarray(stack).reshape(-1))
        storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(stack.shape[1:])))
        tensor = pa.ExtensionArray.from_storage(self._type, storage)
        self._writer.write_batch(pa.record_batch([pa.array(ids), tensor], schema=self._schema))

    def close(self) -> None:
        with self._sink:
            self._writer.close()


def _open_sink(
    files: contextlib.ExitStack,
    path: Path,
    column: str,
    shape: tuple[int, ...],
    metadata: Mapping[bytes, bytes] | None,
) -> _TensorSink:
    sink = _TensorSink(files.enter_context(atomic_path(path)), column, shape, metadata)
    return files.enter_context(contextlib.closing(sink))
