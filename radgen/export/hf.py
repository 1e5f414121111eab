"""Parquet that the `datasets` library loads offline: `data/<split>-00000-of-00001.parquet`, images and masks as PNG.

The schema's metadata say which columns are pictures and what the classes are called; README.md names the files of each
split, so that the folder loads by its path alone. An image without a class has none (null).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from radgen.export.examples import Example, ExportSet
from radgen.export.pictures import image_png, mask_png
from radgen.export.placed import Options, Placed
from radgen.export.splits import SPLITS

ROWS_PER_GROUP = 256  # as the library's own writer does: few enough that one group of pictures fits in memory
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TEXTS = ("image_id", "origin", "source", "generator", "patient", "notice")


def write(images: ExportSet, out: Path, _options: Options) -> Iterator[Placed]:
    """Write the tables; yield where each image went. Memory holds one row group of each split."""
    schema = schema_of(images)
    files = {
        split: _Table(out / f"data/{split}-00000-of-00001.parquet", schema)
        for split in SPLITS
        if split in images.splits
    }
    for example in images:
        files[example.split].append(_row(example, images))
        place = files[example.split].path.relative_to(out).as_posix()
        yield Placed(example.image_id, place, place if images.has_masks else "")
    for table in files.values():
        table.close()


def schema_of(images: ExportSet) -> pa.Schema:
    """Return the columns, with the features that the library reads from the metadata."""
    pictures = ["image", *(["mask"] if images.has_masks else [])]
    columns = [pa.field(name, PICTURE) for name in pictures]
    columns += [pa.field("class", pa.int64())]
    columns += [pa.field(name, pa.string()) for name in TEXTS]
    columns += [pa.field("seed", pa.int64()), pa.field("truncation", pa.float64())]
    kinds = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
    features: dict[str, Any] = {
        field.name: {"dtype": next(name for name, kind in kinds.items() if kind == field.type), "_type": "Value"}
        for field in columns
        if field.type in kinds.values()
    }
    features |= {name: {"_type": "Image"} for name in pictures}
    features["class"] = (
        {"names": list(images.class_names), "_type": "ClassLabel"}
        if images.class_names
        else ({"dtype": "int64", "_type": "Value"})
    )
    ordered = {field.name: features[field.name] for field in columns}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": ordered}})})


def _row(example: Example, images: ExportSet) -> dict[str, Any]:
    name = f"{example.stem}.png"
    class_name = example.row["class_name"]
    row: dict[str, Any] = {
        "image": {"bytes": image_png(example), "path": name},
        "class": None if class_name is None else images.class_names.index(class_name),
        "image_id": example.image_id,
        "origin": example.origin.value,
        "source": example.row["source"],
        "generator": example.row["checkpoint"],
        "patient": example.row["patient"],
        "notice": example.origin.notice,
        "seed": example.row["seed"],
        "truncation": example.truncation,
    }
    painted = mask_png(example, images.labels)
    return row if painted is None else row | {"mask": {"bytes": painted, "path": name}}


class _Table:
    """The file of one split, written one row group at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self._schema = path, schema
        path.parent.mkdir(exist_ok=True)
        self._writer = pq.ParquetWriter(path, schema, compression="none")  # pictures are compressed already
        self._rows: list[dict[str, Any]] = []

    def append(self, row: dict[str, Any]) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._writer.close()
