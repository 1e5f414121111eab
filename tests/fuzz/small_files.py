"""Small files of text that come from outside: tables, lists, schemas, outlines, declarations; and label maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from radgen.annotation.schema import read_labels
from radgen.annotation.seconds import read_seconds
from radgen.cohort.layouts.side_files import read_columns, read_json
from radgen.cohort.merge_tables import read_merge_table
from radgen.cohort.outlines import read_outlines
from radgen.errors import RadgenError
from radgen.imports.ancestry import read_declaration
from radgen.imports.map_reading import MapTask, read_maps
from radgen.imports.reading import Refused
from radgen.radiogenomic.rna_transform import read_gene_list
from radgen.radiogenomic.synthesis.profiles import read_edits
from radgen.semantic.maps.schema import read_schema
from tests.fuzz.document import Document, Said

SIZE = 24
LABELS = [{"id": 0, "name": "background", "colour": "#000000"}, {"id": 5, "name": "liver", "colour": "#d55e00"}]
SCHEMA = json.dumps({"labels": LABELS, "background": 0, "unlabelled": 255}, indent=1)
MERGED = (
    "# organs of one set\nsource,structure,name\n1,liver,Liver\n2,vessels,Aorta\n3,vessels,\nPortal vein,vessels,\n"
)
EDITS = "profile,patient,gene,value\nmore EGFR,P1,EGFR,2.5\nmore EGFR,P1,KRAS,-0.5\nnobody,mean,EGFR,1\n"
GENES = "# of the lung\nEGFR\nKRAS\n\nTP53\nALK\n"
SECONDS = "image_id,seconds\n" + "".join(f"image-{number},{30 + number}\n" for number in range(6))
DECLARATION = json.dumps({"statement": "From another hospital.", "pixels": {"train": ["a"]}, "labels": {}, "masks": {}})
TABLE = "image;label;patient\n" + "".join(f"scan-{number}.png;{number % 3};P{number // 2}\n" for number in range(8))
POINTS = json.dumps([{"points": [{"x": x, "y": y} for x, y in ((3, 3), (18, 4), (12, 19))], "regionType": "freehand"}])
OUTLINES = f"<case><number>12</number><tirads>4a</tirads><mark><image>1</image><svg>{POINTS}</svg></mark></case>"


def _text(name: str, content: str, folder: Path) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def _said(read: Callable[[Path], object]) -> Callable[[Path], Said]:
    return lambda path: {"said": repr(read(path))}


def _load_schema(path: Path) -> Said:
    schema = read_schema(path)
    ids = np.array([label.id for label in schema.labels], np.uint8)
    assert schema.to_classes(ids).tolist() == list(range(schema.classes))
    return {"said": repr(schema)}


def _load_outlines(path: Path) -> Said:
    mask = read_outlines(path, Path("12_1.jpg"), (1, SIZE, SIZE))
    assert mask.shape == (1, SIZE, SIZE)
    assert set(np.unique(mask)) <= {0, 1}
    return {"mask": mask}


def _map(suffix: str, folder: Path) -> Path:
    path = folder / f"map.{suffix}"
    array = np.random.default_rng(3).choice(np.array([0, 5, 9], np.uint8), (3, SIZE, SIZE))
    if suffix == "png":
        Image.fromarray(array[0]).save(path)
    else:
        nib.save(nib.Nifti1Image(array, np.diag([2.0, 1.0, 1.0, 1.0])), path)  # type: ignore[no-untyped-call]
    return path


def _load_map(path: Path) -> Said:
    found = read_maps(MapTask(path, size_px=32, field_of_view_mm=None, background=0))
    if isinstance(found, Refused):
        raise RadgenError(found.sentence)
    assert found.maps.dtype == np.uint8
    assert found.maps.shape[1:] == (32, 32)
    return {"maps": found.maps, "spacing": repr(found.spacing_mm)}


def _side_table(path: Path) -> object:
    return read_columns(path.parent, path.name, ("image", "patient"), separators=",;")


SMALL: dict[str, Document] = {
    "merge-table": Document(partial(_text, "merge.csv", MERGED), _said(read_merge_table)),
    "label-table": Document(partial(_text, "labels.json", SCHEMA), _said(read_labels)),
    "map-schema": Document(partial(_text, "schema.json", SCHEMA), _load_schema),
    "seconds": Document(
        partial(_text, "masks/seconds.csv", SECONDS),
        _said(lambda path: read_seconds(path.parent.parent, [f"image-{number}" for number in range(6)])),
    ),
    "gene-list": Document(partial(_text, "genes.txt", GENES), _said(read_gene_list)),
    "gene-edits": Document(partial(_text, "edits.csv", EDITS), _said(read_edits)),
    "declaration": Document(partial(_text, "declared.json", DECLARATION), _said(read_declaration)),
    "side-table": Document(partial(_text, "side.csv", TABLE), _said(_side_table)),
    "side-json": Document(partial(_text, "side.json", SCHEMA), _said(lambda path: read_json(path.parent, path.name))),
    "outlines": Document(partial(_text, "12.xml", OUTLINES), _load_outlines),
    "map-png": Document(partial(_map, "png"), _load_map, sealed=True),
    "map-nifti": Document(partial(_map, "nii"), _load_map),
    "map-nifti-gz": Document(partial(_map, "nii.gz"), _load_map, sealed=True),
}
