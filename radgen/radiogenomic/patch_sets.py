"""Patches as image sets: nodules with their masks, healthy backgrounds, and a table of what only patches have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from radgen.imageset.core import write_table
from radgen.imageset.writers import ShardWriter
from radgen.radiogenomic.pairs import Pair
from radgen.radiogenomic.patches import BACKGROUND, NODULE, Patch, cut_patches
from radgen.radiogenomic.settings import PatchSettings

BACKGROUNDS = "backgrounds"
"""Folder of the healthy patches, below that of the nodules."""

PATCHES_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # nodule | background
        pa.field("patient", pa.string(), nullable=False),
        pa.field("nodule", pa.int32(), nullable=False),  # of the series; of a background, the one it goes with
        pa.field("field_mm", pa.float64()),  # width of what is shown; null where pixels have no size
        pa.field("pixel_mm", pa.float64()),
        pa.field("area_mm2", pa.float64()),  # of the nodule in its slice; 0 for a background
        pa.field("outside_fraction", pa.float64()),  # share of the picture that lies beyond the slice
        pa.field("ct_digest", pa.string()),
        pa.field("seg_digest", pa.string()),
    ]
)
REJECTS_SCHEMA = pa.schema(
    [
        pa.field("series", pa.string(), nullable=False),
        pa.field("patient", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("sentence", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class PatchFiles:
    """Where one shard of patches goes.

    Parameters
    ----------
    folder
        Of the nodules; backgrounds lie in a folder below.
    shard
        Stem of its files.
    """

    folder: Path
    shard: str

    @property
    def files(self) -> dict[str, Path]:
        """Every file of the shard, by the name of its output."""
        ends = {"images": "images.arrow", "masks": "masks.arrow", "index": "index.parquet"}
        paths = {name: self.folder / f"{self.shard}.{end}" for name, end in ends.items()}
        behind = self.folder / BACKGROUNDS
        paths |= {"background_images": behind / f"{self.shard}.images.arrow"}
        paths |= {"backgrounds": behind / f"{self.shard}.index.parquet"}
        sides = {name: self.folder / f"{self.shard}.{name}.parquet" for name in ("patches", "rejects")}
        return paths | sides


class PatchWriter:
    """Write one shard of patches: both image sets, then the side tables.

    Parameters
    ----------
    target
        Where it goes.
    settings
        Size and window.
    """

    def __init__(self, target: PatchFiles, settings: PatchSettings) -> None:
        shape = (1, settings.size_px, settings.size_px)
        self._target, self._settings = target, settings
        self._nodules = ShardWriter(target.folder, target.shard, shape, with_masks=True, covers=True)
        self._healthy = ShardWriter(target.folder / BACKGROUNDS, target.shard, shape, with_masks=False)
        self._sides: list[dict[str, Any]] = []
        self._rejects: list[dict[str, Any]] = []
        self._counts: dict[tuple[str, int], int] = {}

    def __enter__(self) -> Self:
        self._nodules.__enter__()
        self._healthy.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - the three of a context manager
        self._healthy.__exit__(*error)
        self._nodules.__exit__(*error)
        if error[0] is None:
            files = self._target.files
            write_table(files["patches"], pa.Table.from_pylist(self._sides, schema=PATCHES_SCHEMA))
            write_table(files["rejects"], pa.Table.from_pylist(self._rejects, schema=REJECTS_SCHEMA))

    def append(self, patch: Patch, owner: Mapping[str, Any], class_name: str) -> None:
        """Add a patch; `owner` says series, patient, split, modality and anatomy."""
        row = patch.row
        kind, nodule = str(row["kind"]), int(row["nodule"])
        place = (f"{owner['series']}-{kind}", nodule)
        number = self._counts[place] = self._counts.get(place, -1) + 1
        image_id = f"{owner['series']}-{kind}-{nodule}-{number}"
        index = {
            "image_id": image_id,
            "source": "real",
            **{name: owner[name] for name in ("series", "patient", "split", "modality", "anatomy")},
            "slice_index": row["slice"],
            "offset_slice": 0.0,
            "step_slice": 1.0,
            "class_name": class_name,
            "class_id": 0,
            "spacing_row_mm": row["pixel_mm"],
            "spacing_col_mm": row["pixel_mm"],
            "window_low": [self._settings.low_hu],
            "window_high": [self._settings.high_hu],
            **{name: row.get(name) for name in ("source_rows", "source_cols")},
            **{f"{part}_{axis}": row.get(f"{part}_{axis}") for part in ("offset", "step") for axis in ("row", "col")},
        }
        side = {name: row.get(name) for name in PATCHES_SCHEMA.names}
        self._sides.append(side | {"image_id": image_id, "patient": owner["patient"]})
        if kind == NODULE:
            self._nodules.append(index, patch.image[None], patch.mask)
        else:
            self._healthy.append(index, patch.image[None])

    def refuse(self, owner: Mapping[str, Any], sentence: str) -> None:
        """Add a row of the rejects."""
        self._rejects.append({name: owner[name] for name in ("series", "patient", "split")} | {"sentence": sentence})


def write_patches(
    target: PatchFiles,
    series: Sequence[Mapping[str, Any]],
    paths: Mapping[str, Path],
    settings: PatchSettings,
    say: Callable[[str], None],
) -> dict[str, int]:
    """Cut the patches of some series of a cohort and write them as one shard.

    Parameters
    ----------
    target
        Where they go.
    series
        Rows of the cohort's table.
    paths
        File id to place, from `file_paths`.
    settings
        How patches are cut.
    say
        Gets a line now and then.

    Returns
    -------
    Counts of series, patches of both kinds, and rejects.
    """
    counts = {"series": len(series), NODULE: 0, BACKGROUND: 0, "rejects": 0}
    with PatchWriter(target, settings) as writer:
        for number, row in enumerate(series, start=1):
            owner = _owner(row)
            patches, rejects = _cut(row, paths, settings)
            for patch in patches:
                writer.append(patch, owner, str(patch.row["kind"]))
                counts[str(patch.row["kind"])] += 1
            for sentence in rejects:
                writer.refuse(owner, sentence)
            counts["rejects"] += len(rejects)
            if number % max(1, len(series) // 5) == 0:
                say(f"{target.shard}: {number} of {len(series)} series, {counts[NODULE]} nodule patches")
    return counts


def _cut(row: Mapping[str, Any], paths: Mapping[str, Path], settings: PatchSettings) -> tuple[list[Patch], list[str]]:
    if row["format"] != "dicom":
        return [], [f"a series in {row['format']} files; nodules are cut from DICOM CT with DICOM SEG"]
    ct, segs = (tuple(paths[file_id] for file_id in row[name]) for name in ("file_ids", "mask_ids"))
    return cut_patches(Pair(str(row["patient_key"]), ct, segs), settings)


def _owner(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "series": row["series_key"],
        "patient": row["patient_key"],
        "split": row["split"],
        "modality": row["modality"],
        "anatomy": row["anatomy"],
    }
