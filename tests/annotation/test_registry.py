"""Whatever a tool exports is recognised by its content, as a file, per annotator, or in a zip with its pictures."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radgen.annotation.check import collect, gather
from radgen.annotation.importers import format_of, formats
from radgen.annotation.pack import Pack, read_pack, write_pack
from radgen.annotation.schema import label_schema
from tests.annotation.toys import SHAPE, make_pack, pack_images, save_indexed, toy_mask

NAMES = ("main_normal_000000", "main_normal_000001")
BOX = np.zeros(SHAPE, dtype=np.uint8)
BOX[3:9, 2:8] = 1  # rows 3 to 8, columns 2 to 7


def label_studio() -> str:
    value = {"x": 20, "y": 25, "width": 60, "height": 50, "rotation": 0, "rectanglelabels": ["liver"]}
    result = {
        "id": "a", "type": "rectanglelabels", "value": value, "original_width": SHAPE[1], "original_height": SHAPE[0],
    }  # fmt: skip
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name}.png"},
            "annotations": [{"completed_by": {"email": "anna@x"}, "lead_time": 20.5, "result": [result]}],
        }
        for number, name in enumerate(NAMES)
    ]
    return json.dumps(tasks)


def coco() -> str:
    images = [
        {"id": n, "file_name": f"images/{name}.png", "height": SHAPE[0], "width": SHAPE[1]}
        for n, name in enumerate(NAMES)
    ]
    outline = [2, 3, 8, 3, 8, 9, 2, 9]
    annotations = [
        {"id": n, "image_id": n, "category_id": 1, "segmentation": [outline], "iscrowd": 0, "area": 36,
         "bbox": [2, 3, 6, 6]}
        for n in range(2)
    ]  # fmt: skip
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "liver"}]})


def labelme(name: str = NAMES[1]) -> str:
    shape: dict[str, Any] = {"label": "liver", "shape_type": "polygon", "points": [[2, 3], [8, 3], [8, 9], [2, 9]]}
    document = {"version": "5.5.0", "shapes": [shape], "imagePath": f"{name}.png"}
    return json.dumps(document | {"imageHeight": SHAPE[0], "imageWidth": SHAPE[1], "flags": {}, "imageData": None})


def cvat() -> str:
    points = "2.0,3.0;8.0,3.0;8.0,9.0;2.0,9.0"
    polygon = '<polygon label="liver" source="manual" points="{}"/>'
    image = '<image id="{}" name="{}.png" width="{}" height="{}">' + polygon + "</image>"
    images = "".join(image.format(n, name, SHAPE[1], SHAPE[0], points) for n, name in enumerate(NAMES))
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{images}</annotations>'


def tdid() -> str:
    corners = [{"x": x, "y": y} for x, y in ((2, 3), (8, 3), (8, 9), (2, 9))]
    marks = "".join(f"<mark><image>{n}</image><svg>{json.dumps([{'points': corners}])}</svg></mark>" for n in (0, 1))
    return f"<?xml version='1.0'?><case><number>12</number>{marks}</case>"


EXPORTS = {
    "Label Studio JSON": ("export.json", label_studio, NAMES),
    "COCO JSON": ("instances_default.json", coco, NAMES),
    "LabelMe JSON": (f"{NAMES[1]}.json", labelme, NAMES[1:]),
    "CVAT XML": ("annotations.xml", cvat, NAMES),
}


def expect(pack: Pack, names: tuple[str, ...], annotator: str | None = None) -> None:
    found = gather(pack.folder, pack, "label")
    assert found.problems == []
    assert tuple(found.by_image) == names
    for item in found.painted:
        assert np.array_equal(item.mask, BOX)
        assert annotator is None or item.annotator == annotator


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_are_recognised_and_read(tmp_path: Path, name: str) -> None:
    file, write, names = EXPORTS[name]
    pack = read_pack(make_pack(tmp_path))
    path = tmp_path / "masks" / file
    path.write_text(write())
    assert format_of(path, formats(tmp_path)).name == name
    expect(pack, names)


@pytest.mark.parametrize("name", EXPORTS)
def test_zips_of_exports_are_read_without_their_pictures(tmp_path: Path, name: str) -> None:
    file, write, names = EXPORTS[name]
    pack = read_pack(make_pack(tmp_path))
    (tmp_path / "masks" / "bert").mkdir()
    with zipfile.ZipFile(tmp_path / "masks" / "bert" / "project.zip", "w") as archive:
        archive.writestr(f"annotations/{file}", write())
        archive.write(tmp_path / "images" / f"{NAMES[1]}.png", f"images/{NAMES[1]}.png")
        archive.writestr("notes.json", "{}")
    expect(pack, names, "anna@x" if name.startswith("Label Studio") else "bert")


def test_cases_of_the_thyroid_set_are_recognised_and_read(tmp_path: Path) -> None:
    nodule = label_schema(("nodule",))
    path = tmp_path / "pack.parquet"
    write_pack(path, pack_images(), nodule, generator="g", truncation=0.7, sampler_seed=1)
    (tmp_path / "masks" / "main_normal.xml").write_text(tdid())
    assert format_of(tmp_path / "masks" / "main_normal.xml", formats(tmp_path)).name == "TDID XML"
    expect(read_pack(path), NAMES)


def test_seconds_of_a_tool_are_kept(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    (tmp_path / "masks" / "export.json").write_text(label_studio())
    save_indexed(tmp_path / "masks" / "main_normal_000002.png", toy_mask())
    found = collect(tmp_path, pack, doubt="note")
    assert found.seconds == dict.fromkeys(NAMES, 20.5)
    assert found.annotators == dict.fromkeys(NAMES, "anna@x") | {"main_normal_000002": "unnamed"}


def test_half_an_export_is_refused_in_words(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    for name, (file, write, _) in EXPORTS.items():
        (tmp_path / "masks" / name).mkdir()
        (tmp_path / "masks" / name / file).write_text(write()[:-15])
    found = gather(tmp_path, pack, "label")
    assert len(found.problems) == len(EXPORTS)
    for text, (file, _, _) in zip(found.problems, (EXPORTS[name] for name in sorted(EXPORTS)), strict=True):
        assert text.startswith(f"{file}: ")


def test_every_recognised_format_is_the_only_one(tmp_path: Path) -> None:
    for file, write, _ in EXPORTS.values():
        path = tmp_path / file
        path.write_text(write())
        assert sum(candidate.recognise(path) for candidate in formats(tmp_path)) == 1
