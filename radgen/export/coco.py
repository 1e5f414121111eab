"""COCO: `images/<id>.png` and annotations.json, one annotation for each structure of an image, as compressed runs.

Boxes are [column, row, width, height] in pixels. `iscrowd` is 0: a structure is one object here, whatever its parts.

Source: Lin et al., Microsoft COCO, arXiv 1405.0312, and the data format page of cocodataset.org.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from radgen.export.examples import Example, ExportSet
from radgen.export.folder import write_bytes
from radgen.export.pictures import image_png
from radgen.export.placed import Options, Placed
from radgen.imaging.run_lengths import run_lengths, text_of_counts
from radgen.provenance import write_json

FILE = "annotations.json"


def write(images: ExportSet, out: Path, options: Options) -> Iterator[Placed]:
    """Write pictures and annotations; yield where each image went."""
    pictures: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, example in enumerate(images, start=1):
        file = f"images/{example.stem}.png"
        write_bytes(out / file, image_png(example))
        height, width = example.image.shape[1:]
        size = {"id": number, "file_name": file, "height": height, "width": width}
        pictures.append(size | {"license": 1, "class_name": example.row["class_name"], "radgen": example.facts()})
        for annotation in _annotations(example, number):
            annotations.append({"id": len(annotations) + 1} | annotation)
        yield Placed(example.image_id, file, FILE if example.mask is not None else "")
    notice = " ".join(origin.notice for origin in images.origins)
    table = {
        "info": {"description": f"{options.name}. {notice}", "version": "1", "contributor": "radgen"},
        "licenses": [{"id": 1, "name": options.licence, "url": ""}],
        "images": pictures,
        "annotations": annotations,
        "categories": [
            {"id": label.id, "name": label.name, "supercategory": ""} for label in images.labels if label.id
        ],
    }
    write_json(out / FILE, table)


def _annotations(example: Example, number: int) -> Iterator[dict[str, Any]]:
    if example.mask is None:
        return
    for label in np.unique(example.mask).tolist():
        if label == 0:
            continue
        here = example.mask == label
        rows, columns = np.flatnonzero(here.any(axis=1)), np.flatnonzero(here.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        yield {
            "image_id": number,
            "category_id": label,
            "segmentation": {"size": list(here.shape), "counts": text_of_counts(run_lengths(here))},
            "area": int(here.sum()),
            "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
            "iscrowd": 0,
        }
