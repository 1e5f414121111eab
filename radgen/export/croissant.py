"""Croissant: the Parquet files of `hf`, and croissant.json, which describes them as schema.org JSON-LD.

Every file stands there with its SHA-256, every column with its kind, so that a loader gives records without code.

Source: Akhtar et al., Croissant: a metadata format for ML-ready datasets, arXiv 2403.19546, version 1.0 of the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from radgen.export import hf
from radgen.export.examples import ExportSet
from radgen.export.folder import sha256_file
from radgen.export.placed import Options, Placed
from radgen.provenance import write_json

FILE = "croissant.json"
KINDS = {pa.string(): "sc:Text", pa.int64(): "sc:Integer", pa.float64(): "sc:Float", hf.PICTURE: "sc:ImageObject"}
# Terms of the format that schema.org lacks; `@json` values are kept as they are.
TERMS = [
    "citeAs",
    "column",
    "dataType",
    "equivalentProperty",
    "extract",
    "field",
    "fileProperty",
    "fileObject",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {term: f"cr:{term}" for term in TERMS}
CONTEXT["dataType"] = {"@id": "cr:dataType", "@type": "@vocab"}


def write(images: ExportSet, out: Path, options: Options) -> Iterator[Placed]:
    """Write the tables and their description; yield where each image went."""
    yield from hf.write(images, out, options)
    files = sorted((out / "data").glob("*.parquet"))
    card_files = {file.name.partition("-")[0]: _file(file) for file in files}
    card = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": options.name,
        "description": " ".join(origin.notice for origin in images.origins),
        "license": options.licence,
        "version": "1.0.0",
        "isLiveDataset": False,
        "distribution": list(card_files.values()),
        "recordSet": [_records(split, str(file["@id"]), hf.schema_of(images)) for split, file in card_files.items()],
    }
    write_json(out / FILE, card)


def _file(path: Path) -> dict[str, str]:
    name = f"data/{path.name}"
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": "application/x-parquet",
        "sha256": sha256_file(path),
    }


def _records(split: str, file: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"Images of split {split}",
        "field": [_field(split, file, column) for column in schema],
    }


def _field(split: str, file: str, column: pa.Field) -> dict[str, Any]:
    source: dict[str, Any] = {"fileObject": {"@id": file}, "extract": {"column": column.name}}
    if column.type == hf.PICTURE:
        source["transform"] = {"jsonPath": "bytes"}
    name = f"{split}/{column.name}"
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": KINDS[column.type], "source": source}
