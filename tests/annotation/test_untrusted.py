"""Files that mean harm, and telling formats apart."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from random import Random
from types import ModuleType

import numpy as np
import pytest

from radgen.annotation.importers import coco, cvat, label_studio, labelme, tdid, untrusted
from radgen.annotation.importers.regions import MOST_REGIONS, layers_in_order
from radgen.annotation.importers.untrusted import HEAD_BYTES, read_json, read_xml
from radgen.errors import AnnotationError
from tests.annotation.drawn import FIXTURES, LABELS, SIZES
from tests.annotation.test_read_coco import document
from tests.annotation.test_read_tdid import saved as save_tdid

READERS = {"label_studio": label_studio, "coco": coco, "labelme": labelme, "cvat": cvat, "tdid": tdid}
BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE annotations [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><annotations>&i;</annotations>"
)
EXTERNAL = '<!DOCTYPE annotations [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;</annotations>'
PARAMETER = '<!DOCTYPE annotations SYSTEM "http://localhost:9/evil.dtd"><annotations/>'


@pytest.mark.parametrize("reader", [cvat, tdid])
@pytest.mark.parametrize("content", [BILLION_LAUGHS, EXTERNAL, PARAMETER], ids=["laughs", "external", "parameter"])
def test_xml_with_a_document_type_is_refused(tmp_path: Path, reader: ModuleType, content: str) -> None:
    path = tmp_path / "evil.xml"
    path.write_text(content)
    with pytest.raises(AnnotationError, match=r"evil.xml: .*declares a document type"):
        list(reader.read(path, SIZES, LABELS[:2]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "is nested deeper than any tool writes"),
        (b'[{"a": 1}', r"is no whole JSON file \(.*; if it is still being copied, wait"),
        (b'{"a": NaN}', "is no whole JSON file .NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b"\xff\xfe\xfa", "is no whole JSON file"),
        (b"1" * 10_000, "is no whole JSON file"),
        (b"", "is no whole JSON file"),
    ],
)
def test_damaged_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "evil.json"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=f"evil.json: .*{message}"):
        read_json(path)


def test_sizes_are_bounded_before_parsing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"[[],[],[]]")
    monkeypatch.setattr(untrusted, "MOST_CONTAINERS", 3)
    with pytest.raises(
        AnnotationError, match="large: holds 4 lists and objects, more than the 3 read; export it in parts"
    ):
        read_json(path)
    path.write_bytes(b"<annotations><a/><a/><a/></annotations>")
    monkeypatch.setattr(untrusted, "MOST_ELEMENTS", 3)
    with pytest.raises(
        AnnotationError, match="large: holds more than the 3 elements that are read; export it in parts"
    ):
        read_xml(path)
    with path.open("wb") as file:
        file.truncate(untrusted.MOST_BYTES + 1)
    for read in (read_json, read_xml):
        with pytest.raises(AnnotationError, match=f"large: has {untrusted.MOST_BYTES + 1} bytes, more than the"):
            read(path)


def test_pipes_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AnnotationError, match="pipe: is no plain file"):
        read_json(tmp_path / "pipe")


def test_numbers_beyond_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.json"
    path.write_text('{"a": 1e999, "b": "' + "x" * 1000 + '"}')
    field = read_json(path)
    with pytest.raises(AnnotationError, match=r"evil.json: a is \[inf\], not a list of finite numbers"):
        field["a"].number()
    with pytest.raises(AnnotationError, match=r"evil.json: b is 'x{39}, not a whole number"):
        field["b"].whole()


def test_regions_of_an_image_are_bounded() -> None:
    inside = np.ones((2, 2), np.bool_)
    assert len(layers_in_order([(1, inside)] * MOST_REGIONS, "toy")) == MOST_REGIONS
    with pytest.raises(AnnotationError, match="toy has more than 1000 regions; join regions of the same label"):
        layers_in_order([(1, inside)] * (MOST_REGIONS + 1), "toy")


def test_background_cuts_what_lies_below_it_only() -> None:
    left, top = np.array([[1, 0], [1, 0]], bool), np.array([[1, 1], [0, 0]], bool)
    layers = layers_in_order([(1, left), (2, top & left), (0, top), (2, top)], "toy")
    assert [(layer.label_id, layer.inside.tolist()) for layer in layers] == [
        (1, [[False, False], [True, False]]),
        (2, top.tolist()),  # the first of label 2 is gone altogether
    ]


def test_each_file_is_recognised_by_its_own_reader_alone(tmp_path: Path) -> None:
    files = {
        "label_studio": [FIXTURES / "label_studio.json"],
        "coco": [FIXTURES / "label_studio_as_coco.json", tmp_path / "document.json"],
        "labelme": [FIXTURES / f"labelme_{number}.json" for number in range(3)],
        "cvat": [FIXTURES / "cvat.xml", FIXTURES / "cvat_datumaro.xml"],
        "tdid": [save_tdid(tmp_path, {1: ()})],
    }
    (tmp_path / "document.json").write_text(json.dumps(document()))
    for name, paths in files.items():
        for path in paths:
            assert [reader for reader, module in READERS.items() if module.recognise(path)] == [name]


def test_exports_that_lose_masks_are_recognised_to_be_refused(tmp_path: Path) -> None:
    path = tmp_path / "minimal.json"
    path.write_text('[{"image": "main_normal_000000.png", "id": 1, "brush": [], "annotator": 1, "annotation_id": 1}]')
    assert [name for name, module in READERS.items() if module.recognise(path)] == ["label_studio"]
    with pytest.raises(
        AnnotationError, match=r"minimal.json: \[0\] has no annotations; export as JSON, not as JSON-MIN"
    ):
        list(label_studio.read(path, SIZES, LABELS))


def test_recognising_reads_the_start_alone(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_bytes(b"\xef\xbb\xbf \n[" + b" " * HEAD_BYTES + b'{"annotations": []}]')
    assert not label_studio.recognise(path)
    path.write_bytes(b'\xef\xbb\xbf \n[{"annotations": []}]')
    assert label_studio.recognise(path)
    assert list(label_studio.read(path, SIZES, LABELS)) == []


WORDS = (
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"1e300",
    b"[]",
    b"{}",
    b'"x"',
    b"9" * 30,
    b"0.5",
    b"nan",
    b"",
    b"4294967295",
)
DAMAGED = {
    "label_studio.json": label_studio,
    "label_studio_as_coco.json": coco,
    "labelme_0.json": labelme,
    "labelme_1.json": labelme,
    "cvat.xml": cvat,
    "cvat_datumaro.xml": cvat,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_changed_files_are_read_or_refused_in_words(tmp_path: Path, name: str) -> None:
    """Of 21,000 mutants made so on 2026-11-28, none did anything else; 300 per file here."""
    random = Random(name)  # noqa: S311 - of tests
    good = (FIXTURES / name).read_bytes()
    path = tmp_path / name
    refused = 0
    for _ in range(300):
        start = random.randrange(len(good))
        place = random.choice([found.span() for found in re.finditer(rb"-?[\d.]+|\"[^\"]{0,40}\"", good)])
        changes = (place, (start, start + 1), (start, start + random.randrange(30)))
        begin, end = random.choice(changes)
        path.write_bytes(good[:begin] + random.choice([*WORDS, random.randbytes(1)]) + good[end:])
        try:
            for item in DAMAGED[name].read(path, SIZES, LABELS):
                assert item.image_id in SIZES
                assert {layer.label_id for layer in item.layers} <= {1, 2}
                assert all(layer.inside.shape == item.shape == SIZES[item.image_id] for layer in item.layers)
        except AnnotationError as error:
            refused += 1
            assert str(error).startswith(f"{name}: ")  # noqa: PT017 - some mutants are still good
            assert "\n" not in str(error)  # noqa: PT017
    assert 50 < refused < 300
