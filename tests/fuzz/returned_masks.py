"""Small good files of masks that come back from annotation tools, and how they are read."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from radgen.annotation.importers import files_of, format_of, formats
from tests.annotation import drawn
from tests.annotation.fixtures.truth import HOLE, POLYGON
from tests.annotation.test_array_formats import NAME, make_pack_without_dicom
from tests.annotation.test_damaged_files import WRITERS
from tests.annotation.test_read_coco import document
from tests.annotation.test_read_coco import saved as save_coco
from tests.annotation.test_read_tdid import saved as save_tdid
from tests.annotation.toys import toy_mask
from tests.fuzz.document import Said


def painted(kind: str, folder: Path) -> Path:
    make_pack_without_dicom(folder)
    path = folder / "masks" / f"{NAME}.{kind}"
    WRITERS[kind](path, toy_mask())
    return path


def zipped(folder: Path) -> Path:
    mask = painted("indexed.png", folder)
    path = folder / "masks.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(mask, f"masks/{mask.name}")
    mask.unlink()
    return path


def returned(sizes: dict[str, tuple[int, int]], labels: Any, path: Path) -> Said:
    known, said = formats(next(folder for folder in path.parents if folder.name.isdigit())), {}
    with files_of(path, known) as files:
        for file in files:
            for item in format_of(file, known).read(file, sizes, labels):
                assert item.shape == sizes[item.image_id]
                assert {layer.label_id for layer in item.layers} <= {label.id for label in labels}
                said[item.image_id] = drawn.paint(item)
    return said


def exported(name: str, folder: Path) -> Path:
    return Path(shutil.copy(drawn.FIXTURES / name, folder / name))


def coco(folder: Path) -> Path:
    return save_coco(folder, document())


def tdid(folder: Path) -> Path:
    return save_tdid(folder, {1: (POLYGON, HOLE), 3: (HOLE,)})
