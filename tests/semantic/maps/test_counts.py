"""Counts of ids, and the sentences for ids that should not be there, or should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.errors import InputError
from radgen.semantic.maps.counts import check_labels, count_labels, rarest_classes, with_structures
from radgen.semantic.maps.schema import MapSchema
from tests.semantic.maps.toys import SCHEMA, discs, write_maps

WHOLE = MapSchema(SCHEMA.labels, where="schema.json")


def test_counts_are_those_of_the_pixels_however_many_maps_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = discs(11)
    found = write_maps(tmp_path, maps)
    monkeypatch.setattr("radgen.semantic.maps.counts.MAPS_AT_ONCE", 4)
    rows = [10, 1, 2, 3, 7, 8, 9]
    counts = count_labels(found, rows)
    assert counts.pixels.tolist() == np.bincount(maps[rows].ravel(), minlength=256).tolist()
    assert counts.shows[:, 9].tolist() == [number % 3 > 0 for number in rows]
    table = check_labels(counts, SCHEMA, found).to_pylist()
    assert [(row["id"], row["name"], row["maps"]) for row in table] == [
        (0, "background", 7),
        (3, "liver", 7),
        (9, "lesion", 5),
        (255, "unlabelled", 0),
    ]
    assert sum(row["share"] for row in table) == pytest.approx(1)


def test_an_id_that_the_schema_does_not_know_is_refused_with_both(tmp_path: Path) -> None:
    maps = discs(6)
    maps[[4, 5], 0, :3] = 6
    found = write_maps(tmp_path, maps)
    says = (
        r"map s1-0004 and 1 others of 6 hold id 6 \(6 pixels\), but schema\.json knows 0, 3, 9 and 255 \(unlabelled\);"
    )
    with pytest.raises(InputError, match=says):
        check_labels(count_labels(found, range(6)), SCHEMA, found)


def test_255_is_unlabelled_only_where_the_schema_says_so(tmp_path: Path) -> None:
    maps = discs(6)
    maps[2, 0, 0] = 255
    found = write_maps(tmp_path, maps)
    counts = count_labels(found, range(6))
    assert check_labels(counts, SCHEMA, found).to_pylist()[-1]["pixels"] == 1
    says = (
        r'map s0-0002 and 0 others of 6 hold id 255 \(1 pixels\), but schema\.json knows 0, 3, 9; .*"unlabelled": 255'
    )
    with pytest.raises(InputError, match=says):
        check_labels(counts, WHOLE, found)


def test_a_label_that_no_map_shows_is_refused(tmp_path: Path) -> None:
    maps = discs(6)
    maps[maps == 9] = 3
    found = write_maps(tmp_path, maps)
    with pytest.raises(
        InputError, match=r"schema\.json: label 9 \(lesion\) is in none of the 6 maps of .*, which hold 0, 3; "
    ):
        check_labels(count_labels(found, range(6)), SCHEMA, found)


def test_a_map_of_background_alone_is_refused_or_dropped(tmp_path: Path) -> None:
    maps = discs(6)
    maps[[1, 4]] = 0
    maps[4, :9] = 255
    found = write_maps(tmp_path, maps)
    counts = count_labels(found, [5, 4, 3, 2, 1])
    says = r"map s1-0004 and 1 others of 5 are background alone \(id 0\), so there is nothing .*; drop such maps"
    with pytest.raises(InputError, match=says):
        with_structures(counts, SCHEMA, found)
    assert with_structures(counts, SCHEMA, found, empty="drop").tolist() == [5, 3, 2]
    with pytest.raises(InputError, match=r"2 are background alone .*; give maps that show a structure"):
        with_structures(count_labels(found, [1, 4]), SCHEMA, found, empty="drop")


def test_a_map_counts_for_the_class_that_fewest_maps_show(tmp_path: Path) -> None:
    maps = discs(6)
    maps[5] = 255
    found = write_maps(tmp_path, maps)
    assert rarest_classes(count_labels(found, range(6)), SCHEMA).tolist() == [0, 2, 2, 0, 2, 0]
