"""The schema file: ids become classes and come back; what contradicts itself is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radgen.annotation.schema import label_schema, write_labels
from radgen.errors import InputError
from radgen.semantic.maps.schema import MapSchema, read_schema, write_schema
from tests.semantic.maps.toys import SCHEMA

LABELS = [
    {"id": 7, "name": "liver", "colour": "#c80000"},
    {"id": 2, "name": "air", "colour": "#000000"},
]


@given(st.lists(st.sampled_from([0, 3, 9, 255]), min_size=1, max_size=40))
def test_ids_become_consecutive_classes_and_come_back(stored: list[int]) -> None:
    classes = SCHEMA.to_classes(np.array(stored, dtype=np.uint8))
    assert classes.dtype == np.int64
    assert classes.tolist() == [{0: 0, 3: 1, 9: 2, 255: -1}[number] for number in stored]
    assert SCHEMA.to_stored(classes).tolist() == stored


def test_background_is_a_class_like_any_other_wherever_its_id_stands(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"labels": LABELS, "background": 7, "unlabelled": None}))
    schema = read_schema(tmp_path / "s.json")
    assert (schema.classes, schema.background_class, schema.names) == (2, 1, ("air", "liver"))
    assert schema.to_classes(np.array([[7, 2]], dtype=np.uint8)).tolist() == [[1, 0]]


def test_a_schema_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_schema(tmp_path / "s.json", SCHEMA)
    assert read_schema(tmp_path / "s.json") == MapSchema(SCHEMA.labels, 0, 255, str(tmp_path / "s.json"))


def test_the_labels_of_an_annotation_pack_are_a_schema(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.json", label_schema(["liver", "spleen"]))
    assert read_schema(tmp_path / "labels.json").names == ("background", "liver", "spleen")
    assert MapSchema.of_structures(["liver", "spleen"]).labels == read_schema(tmp_path / "labels.json").labels


def test_maps_are_painted_in_their_colours_and_unlabelled_pixels_grey() -> None:
    assert SCHEMA.paint(np.array([[1, -1, 0]])).tolist() == [[[200, 0, 0], [128, 128, 128], [0, 0, 0]]]


def test_an_unknown_id_or_an_unlabelled_pixel_without_an_id_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"schema\.json: a map holds id 4, but labels are 0, 3, 9 and 255 \(unlabelled\)"
    ):
        SCHEMA.to_classes(np.array([0, 4], dtype=np.uint8))
    whole = MapSchema(SCHEMA.labels)
    with pytest.raises(InputError, match="a map has unlabelled pixels, but unlabelled is null; give it an id"):
        whole.to_stored(np.array([-1]))


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"labels": LABELS, "background": 0}, r"background is 0, but labels are 2, 7; name it as a label too"),
        ({"labels": LABELS, "background": 2, "unlabelled": 7}, "unlabelled is 7, but that is the label liver"),
        ({"labels": [*LABELS, LABELS[0]], "background": 2}, "id 7 stands for two labels; give each its own"),
        ({"labels": [LABELS[0], LABELS[1] | {"name": "liver"}], "background": 2}, "name liver stands for two labels"),
        ({"labels": [*LABELS, LABELS[0] | {"id": 256}], "background": 2}, "name liver stands for two"),
        ({"labels": LABELS, "background": 2, "unlabelled": 300}, "id 300 does not fit in 8 bits"),
        ({"labels": LABELS, "ignore": 255}, "not a label schema .*unknown key 'ignore'.*; give JSON of labels"),
        ({"labels": [{"id": "7", "name": "a", "colour": "#000000"}]}, "not a label schema .*a label's id is a whole"),
        ({"labels": [{"id": 7, "name": "a", "colour": "red"}]}, "not a label schema"),
        ({"labels": LABELS, "background": True}, "not a label schema"),
        ([], "not a label schema"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_files_name(tmp_path: Path, said: Any, says: str) -> None:
    (tmp_path / "s.json").write_text(json.dumps(said))
    with pytest.raises(InputError, match=rf"s\.json: {says}"):
        read_schema(tmp_path / "s.json")


def test_a_missing_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: not a label schema \(FileNotFoundError"):
        read_schema(tmp_path / "none.json")
