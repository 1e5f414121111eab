"""Masks of whole volumes on their source grid, one row per series: what the segmentation benchmark scores against.

NumPy and PyArrow only, because the benchmark reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.provenance import atomic_path

SOURCE_MASKS_SCHEMA = pa.schema(
    [
        pa.field("series", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("patient", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.int32(), 3), nullable=False),  # slices, rows, columns; canonical orientation
        pa.field("spacing_mm", pa.list_(pa.float64(), 3), nullable=False),  # along the same axes
        pa.field("mask", pa.binary(), nullable=False),  # zstd of uint8 label ids, C order
    ]
)


@dataclass(frozen=True, eq=False)
class SourceMask:
    """The labels of one series in canonical orientation on its source grid.

    Parameters
    ----------
    series, split, patient
        As in the image set's index.
    spacing_mm
        Voxel size along slices, rows, columns.
    labels
        uint8 [slices, rows, columns]; index row `slice_index` k of the series shows labels[k].
    """

    series: str
    split: str
    patient: str
    spacing_mm: tuple[float, float, float]
    labels: NDArray[np.uint8]


class SourceMaskWriter:
    """Write source masks atomically, one at a time, holding one in memory; a file without rows is valid.

    Parameters
    ----------
    path
        The Parquet file.
    """

    def __init__(self, path: Path) -> None:
        self._context = atomic_path(path)

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._context.__enter__(), SOURCE_MASKS_SCHEMA, compression="none")
        return self

    def append(self, mask: SourceMask) -> None:
        """Add one series as a row group of its own."""
        row = {
            "series": mask.series,
            "split": mask.split,
            "patient": mask.patient,
            "shape": list(mask.labels.shape),
            "spacing_mm": list(mask.spacing_mm),
            "mask": pa.compress(np.ascontiguousarray(mask.labels).tobytes(), codec="zstd", asbytes=True),
        }
        self._writer.write_table(pa.Table.from_pylist([row], schema=SOURCE_MASKS_SCHEMA))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._context.__exit__(kind, error, trace)


def read_source_masks(path: Path, split: str | None = None) -> Iterator[SourceMask]:
    """Read source masks one series at a time.

    Parameters
    ----------
    path
        What `SourceMaskWriter` wrote.
    split
        Only this split; all by default.

    Raises
    ------
    InputError
        The file is missing, or is not a table of source masks.
    """
    try:
        file = pq.ParquetFile(path)
        if not file.schema_arrow.equals(SOURCE_MASKS_SCHEMA):
            msg = (
                f"{path}: columns {', '.join(file.schema_arrow.names)} are not those of source masks; run slices again"
            )
            raise InputError(msg)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path}: not a readable table of source masks ({error}); run the slices stage that writes it"
        raise InputError(msg) from error
    with file:
        for group in range(file.num_row_groups):
            for row in file.read_row_group(group).to_pylist():
                if split is None or row["split"] == split:
                    yield _of_row(row)


def _of_row(row: dict[str, Any]) -> SourceMask:
    shape = tuple(row["shape"])
    data = pa.decompress(row["mask"], decompressed_size=int(np.prod(shape)), codec="zstd", asbytes=True)
    labels = np.frombuffer(data, dtype=np.uint8).reshape(shape)
    return SourceMask(row["series"], row["split"], row["patient"], tuple(row["spacing_mm"]), labels)
