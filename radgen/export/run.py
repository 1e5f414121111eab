"""One export from beginning to end: the format's files, then what stands beside them in every format."""

from __future__ import annotations

import csv
import importlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from radgen import __version__
from radgen.errors import ConfigError, InputError
from radgen.export.examples import ExportSet
from radgen.export.folder import MARK, new_folder, write_bytes, write_checksums
from radgen.export.notice import Origin
from radgen.export.placed import Options, Placed
from radgen.export.readme import readme
from radgen.export.splits import SPLITS
from radgen.provenance import ASPECTS, digest_file, write_json

FORMATS = ("nnunet", "dicom", "nifti", "png", "folders", "coco", "hf", "croissant")
TABLE = "provenance.csv"
COLUMNS = (
    "image_id",
    "image_file",
    "mask_file",
    "origin",
    "split",
    "own_split",
    "class_name",
    "class_id",
    "source",
    "generator",
    "seed",
    "truncation",
    "patient",
    "series",
    "slice_index",
    "modality",
    "anatomy",
    "spacing_row_mm",
    "spacing_col_mm",
    "window_low",
    "window_high",
)


class Format(Protocol):
    """A module of this room that writes one format."""

    def write(self, images: ExportSet, out: Path, options: Options) -> Iterable[Placed]:
        """Write all files into an empty folder."""


def export(
    images: ExportSet, to: str, out: Path, options: Options, *, real: bool = False, replace: bool = False
) -> None:
    """Write an image set as a folder of another format, whole or not at all.

    Parameters
    ----------
    images
        What goes out.
    to
        One of FORMATS.
    out
        The folder; new or empty unless `replace`.
    options
        Name, number, licence.
    real
        Whether images of patients may go out.
    replace
        Whether an earlier export in `out` may be removed.

    Raises
    ------
    ConfigError
        There is no such format.
    InputError
        Real images were not asked for, the folder is not empty, or the set does not fit the format.
    StorageError
        The disk is full, read-only or out of quota.
    """
    if to not in FORMATS:
        msg = f"--to {to}: no such format; choose one of {', '.join(FORMATS)}"
        raise ConfigError(msg)
    shown = {origin: count for origin, count in images.origins.items() if origin.shows_patients}
    if shown and not real:
        told = {
            Origin.REAL: f"are real, of {images.patients} patients",
            Origin.DRAWN_INTO_REAL: "are nodules drawn into real patches, which show around them",
        }
        found = " and ".join(f"{count} of {len(images)} images {told[origin]}" for origin, count in shown.items())
        msg = f"{images.index.parent}: {found}; give --real if the patients' terms of use let them leave"
        raise InputError(msg)
    module = cast("Format", importlib.import_module(f"radgen.export.{to}"))
    with new_folder(out, replace=replace) as draft:
        placed = {item.image_id: item for item in module.write(images, draft, options)}
        _write_table(draft / TABLE, images, placed)
        facts = _facts(images, to, options)
        write_json(draft / MARK, facts)
        write_bytes(draft / "README.md", readme(facts, images).encode())
        write_checksums(draft)


def _write_table(path: Path, images: ExportSet, placed: Mapping[str, Placed]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in images.table():
        files = placed[row["image_id"]]
        writer.writerow(row | {"image_file": files.image, "mask_file": files.mask})
    write_bytes(path, text.getvalue().encode())


def _facts(images: ExportSet, to: str, options: Options) -> dict[str, Any]:
    saw = images.ancestry
    return {
        "made_by": f"radgen {__version__} export",
        "to": to,
        "name": options.name,
        "licence": options.licence,
        "release": options.release,
        "images": {origin.value: count for origin, count in images.origins.items()},
        "notices": [origin.notice for origin in images.origins],
        "splits": {split: images.splits.count(split) for split in SPLITS},
        "classes": dict(sorted(Counter(str(name) for name in images.images.column("class_name")).items())),
        "shape": list(images.images.image_shape),
        "labels": {label.name: label.id for label in images.labels},
        "image_set": digest_file(images.index),
        # How many patients reached these images through any ancestor; their keys stay with the study.
        "ancestry": {aspect: len(saw.patients(aspect)) for aspect in ASPECTS} | {"unknown": sorted(saw.unknown)},
    }
