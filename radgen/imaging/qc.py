"""What a person needs to check one series: its figures, intensity histograms, and a slice before and after.

Everything is measured while the volume is in memory for its slices; nothing is read twice. The histograms count a
sample of voxels at equal steps, so that the cost does not grow with the volume.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.tables import REMARK
from radgen.errors import InputError
from radgen.imaging.resize import Geometry, fit_axis, resize_image
from radgen.imaging.window import Window, round_grey
from radgen.provenance import atomic_path

if TYPE_CHECKING:
    from radgen.imaging.slices import StoredSlices

BINS = 128
# HU of the histogram's first and last edge: 20 HU a bin, the same for every CT; air and water lie in the middle of one.
CT_RANGE_HU = (-1050.0, 1510.0)
# Series without absolute units: the range between these percentiles of the series itself.
OWN_RANGE = (0.1, 99.9)
# About so many voxels are counted: the median of 32,768 is off by 0.3 percentiles (standard error).
SAMPLE_VOXELS = 1 << 15
THUMBNAIL_PX = 128
ROWS_PER_GROUP = 256  # about 5 MB of pictures

# One row per series of a shard, refused ones too. Counts hold BINS + 2 numbers: below the range, the bins, above it.
QC_SCHEMA = pa.schema(
    [
        pa.field("series_key", pa.string(), nullable=False),  # keyed hashes
        pa.field("patient_key", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("archive", pa.string(), nullable=False),  # its name; empty for a study's only archive
        pa.field("format", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("anatomy", pa.string(), nullable=False),
        pa.field("class_names", pa.list_(pa.string()), nullable=False),  # of the stored slices
        pa.field("n_slices", pa.int32(), nullable=False),  # in the source
        pa.field("n_stored", pa.int32(), nullable=False),
        pa.field("n_refused", pa.int32(), nullable=False),  # slices read and refused one by one
        pa.field("refused", pa.string()),  # why the whole series is; null for a series that is read
        pa.field("rows", pa.int32(), nullable=False),  # of the source, canonical orientation
        pa.field("cols", pa.int32(), nullable=False),
        pa.field("spacing_slice_mm", pa.float64()),  # null when the file names none
        pa.field("spacing_row_mm", pa.float64()),
        pa.field("spacing_col_mm", pa.float64()),
        pa.field("remarks", pa.list_(REMARK), nullable=False),  # of the cohort, and of reading the mask
        # All below is null for a series refused as a whole.
        pa.field("window_low", pa.float64()),
        pa.field("window_high", pa.float64()),
        pa.field("clipped_fraction", pa.float64()),  # mean of the stored slices
        pa.field("removed_fraction", pa.float64()),  # of all voxels, by the body mask; 0 where none is sought or found
        pa.field("removed_tissue", pa.float64()),  # of what is denser than air, mean of the stored slices
        pa.field("removed_tissue_most", pa.float64()),  # the largest of any stored slice, and which slice that is
        pa.field("removed_tissue_slice", pa.int32()),
        pa.field("minimum", pa.float64()),  # of all voxels
        pa.field("maximum", pa.float64()),
        pa.field("kept_low", pa.float64()),  # 1st percentile, median, 99th percentile of what is kept
        pa.field("kept_median", pa.float64()),
        pa.field("kept_high", pa.float64()),
        pa.field("histogram_low", pa.float64()),
        pa.field("histogram_high", pa.float64()),
        pa.field("kept_counts", pa.list_(pa.int32())),
        pa.field("removed_counts", pa.list_(pa.int32())),
        pa.field("thumbnail_slice", pa.int32()),  # the stored slice nearest to the middle, or the middle one
        pa.field("before", pa.binary()),  # PNG of the whole slice in the window, nothing removed
        pa.field("after", pa.binary()),  # PNG of that slice as stored, made smaller; null where no slice is stored
    ]
)
COHORT_COLUMNS = (
    "series_key", "patient_key", "split", "archive", "format", "modality", "anatomy", "n_slices", "rows", "cols",
    "spacing_slice_mm", "spacing_row_mm", "spacing_col_mm",
)  # fmt: skip
PICTURE_COLUMNS = ("before", "after")


def measure_series(
    voxels: NDArray[Any],
    body: NDArray[np.bool_] | None,
    window: Window,
    spacing_mm: Sequence[float],
    stored: StoredSlices,
    *,
    modality: str,
    planes_of: Callable[[int], Sequence[NDArray[np.float32]]],
) -> dict[str, Any]:
    """Measure a series whose slices are stored.

    Parameters
    ----------
    voxels
        Source intensities [slices, rows, columns] in canonical orientation.
    body
        Boolean of the same shape, or None where nothing is removed.
    window
        Intensities shown as black and white, of the first channel.
    spacing_mm
        Along the three axes.
    stored
        The slices, images uint8 [channels, H, W].
    modality
        "CT" has histograms over fixed HU, 8-bit pictures over all their values, others over their own range.
    planes_of
        Returns the channels of a slice in their windows, before anything is removed: grey levels [rows, cols] each.

    Returns
    -------
    The columns of QC_SCHEMA that pixels decide.
    """
    middle = len(voxels) / 2 - 0.5
    places = [int(row["slice_index"]) for row in stored.rows]
    nearest = min(range(len(places)), key=lambda at: (abs(places[at] - middle), at), default=None)
    index = len(voxels) // 2 if nearest is None else places[nearest]
    return {
        "window_low": window.low,
        "window_high": window.high,
        "clipped_fraction": _mean([row["clipped_fraction"] for row in stored.rows]),
        "removed_fraction": 0.0 if body is None else 1 - int(np.count_nonzero(body)) / max(body.size, 1),
        **_removed_tissue(stored.rows),
        "minimum": float(voxels.min()),
        "maximum": float(voxels.max()),
        **intensities(voxels, body, modality),
        "thumbnail_slice": index,
        "before": png(shown(whole_slice(plane, tuple(spacing_mm[1:])) for plane in planes_of(index))),
        "after": None if nearest is None else png(shown(smaller(plane) for plane in stored.images[nearest])),
    }


def _removed_tissue(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean share of tissue that is removed, and the largest with its slice; None where it is not known."""
    known = [row for row in rows if row.get("removed_tissue_fraction") is not None]
    if not known:
        return {}
    most = max(known, key=lambda row: row["removed_tissue_fraction"])
    return {
        "removed_tissue": _mean([row["removed_tissue_fraction"] for row in known]),
        "removed_tissue_most": most["removed_tissue_fraction"],
        "removed_tissue_slice": most["slice_index"],
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def qc_row(row: Mapping[str, Any], stored: StoredSlices) -> dict[str, Any]:
    """Return a row of QC_SCHEMA from a row of the cohort's series table and what became of the series."""
    whole = [reject for reject in stored.rejects if reject.get("slice_index") is None]
    return {
        **{name: row[name] for name in COHORT_COLUMNS},
        "class_names": sorted({str(one["class_name"]) for one in stored.rows}),
        "n_stored": len(stored.rows),
        "n_refused": len(stored.rejects) - len(whole),
        "refused": whole[0]["reason"] if whole else None,
        "remarks": [*(row["remarks"] or ()), *map(asdict, stored.remarks)],
        **(stored.qc or {}),
    }


# ---------------------------------------------------------------- intensities


def intensities(voxels: NDArray[Any], body: NDArray[np.bool_] | None, modality: str) -> dict[str, Any]:
    """Count a sample of a volume's intensities, kept and removed voxels apart.

    Returns
    -------
    The columns kept_* and histogram_* of QC_SCHEMA, and both counts: their sum is the number of voxels sampled.
    """
    flat = voxels.reshape(-1)
    step = sample_step(flat.size)
    sample = flat[::step].astype(np.float64)
    kept = np.ones(sample.size, dtype=bool) if body is None else body.reshape(-1)[::step]
    low, high = _histogram_range(sample, voxels.dtype, modality)
    bins = np.clip(np.floor((sample - low) * (BINS / (high - low))), -1, BINS).astype(np.int64) + 1
    counts = np.bincount(bins + (BINS + 2) * kept, minlength=2 * (BINS + 2))
    inside = sample[kept]
    edges = np.percentile(inside, [1, 50, 99]).tolist() if inside.size else [None] * 3
    return {
        **dict(zip(("kept_low", "kept_median", "kept_high"), edges, strict=True)),
        "histogram_low": low,
        "histogram_high": high,
        "kept_counts": counts[BINS + 2 :].tolist(),
        "removed_counts": counts[: BINS + 2].tolist(),
    }


def _histogram_range(sample: NDArray[np.float64], kind: np.dtype[Any], modality: str) -> tuple[float, float]:
    if modality == "CT":
        return CT_RANGE_HU
    if kind == np.uint8:  # every value of the type, so that pictures can be compared
        return 0.0, 256.0
    low, high = np.percentile(sample, OWN_RANGE).tolist()
    if kind.kind in "iu":  # bins of equally many whole numbers, else every few bins one stands above the others
        low = math.floor(low) - 0.5
        return low, low + BINS * max(1, math.ceil((high + 0.5 - low) / BINS))
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def sample_step(voxels: int) -> int:
    """Return a step that takes about `SAMPLE_VOXELS` and visits every column and row alike: coprime to the number.

    >>> sample_step(1000), sample_step(256 * 256 * 128)
    (1, 257)
    """
    step = max(1, voxels // SAMPLE_VOXELS)
    while math.gcd(step, voxels) > 1:
        step += 1
    return step


# ---------------------------------------------------------------- thumbnails


def whole_slice(grey: NDArray[np.float32], spacing_mm: tuple[float, ...]) -> NDArray[np.uint8]:
    """Return a whole slice, grey levels [rows, cols], padded to a square of at most `THUMBNAIL_PX` square pixels."""
    (rows, cols), (row_mm, col_mm) = grey.shape, spacing_mm
    size = min(THUMBNAIL_PX, max(rows, cols))
    pixel_mm = max(rows * row_mm, cols * col_mm) / size
    return _shrunk(grey, size, (pixel_mm / row_mm, pixel_mm / col_mm))


def smaller(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a stored image [H, W] as it is, or by area averages where it is larger than a thumbnail."""
    side = max(image.shape)
    size = min(THUMBNAIL_PX, side)
    return image if size == side else _shrunk(image.astype(np.float32), size, (side / size, side / size))


def _shrunk(grey: NDArray[np.float32], size: int, steps: tuple[float, float]) -> NDArray[np.uint8]:
    rows, cols = (fit_axis(size, side, step, (side - 1) / 2) for side, step in zip(grey.shape, steps, strict=True))
    return round_grey(resize_image(grey, Geometry(rows, cols)).copy())


def shown(planes: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return three channels [H, W] as red, green and blue [H, W, 3], and of any other number the first, [H, W]."""
    channels = list(planes)
    return np.stack(channels, axis=2) if len(channels) == 3 else channels[0]


def png(image: NDArray[np.uint8]) -> bytes:
    """Return a grey image [H, W] or a colour image [H, W, 3] as PNG, without any text in it."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, format="PNG", compress_level=3)
    return out.getvalue()


# ---------------------------------------------------------------- tables


class QcWriter:
    """Write rows of QC_SCHEMA atomically, in groups of a few, so that few thumbnails are in memory at once.

    Parameters
    ----------
    path
        The Parquet file; without rows it is valid too.
    """

    def __init__(self, path: Path) -> None:
        self._context = atomic_path(path)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._context.__enter__(), QC_SCHEMA, compression="zstd")
        return self

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one series."""
        self._rows.append(dict(row))
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=QC_SCHEMA))
        self._rows = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        self._context.__exit__(kind, error, trace)


def join_qc(parts: Sequence[Path], path: Path) -> int:
    """Write the tables of all shards as one, a few rows in memory at a time; return the number of series.

    Raises
    ------
    InputError
        A part cannot be read, or has other columns.
    """
    series = 0
    with QcWriter(path) as writer:
        for part in parts:
            for row in _rows_of(part):
                writer.append(row)
                series += 1
    return series


def _rows_of(part: Path) -> Iterator[dict[str, Any]]:
    try:
        file = pq.ParquetFile(part)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{part}: not a readable table ({error}); run the slices stage that writes it"
        raise InputError(msg) from error
    with file:
        if not file.schema_arrow.equals(QC_SCHEMA):
            found = ", ".join(file.schema_arrow.names)
            msg = f"{part}: columns {found} are not those of quality checks; run slices again"
            raise InputError(msg)
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
            yield from batch.to_pylist()
