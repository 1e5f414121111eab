"""Impossible settings are refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    LimitSettings,
    LowSettings,
    StructureSettings,
)
from radgen.settings import as_plain, build


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        (ClassSettings, {"by": "guess"}, "by: 'guess' is not one of folder, tag, layout, table, mask, position"),
        (ClassSettings, {"names": ("a", "a")}, "name each class once"),
        (ClassSettings, {"names": ("a", "b", "c")}, "by mask needs two classes .* got 3"),
        (ClassSettings, {"by": "tag", "names": ("a",), "values": {"b": ("x",)}}, "'b' is not among the class names a"),
        (ClassSettings, {"by": "tag", "names": ("a", "b"), "values": {"a": ("b",)}}, "'b' stands for two classes"),
        (StructureSettings, {"names": ("a",), "colours": ("red",)}, "'red' is not of the form #rrggbb"),
        (StructureSettings, {"names": ("a", "b"), "colours": ("#ff0000",)}, "1 colours for 2 names"),
        (StructureSettings, {"names": ("a", "b"), "map": {"a": (2,)}}, "source label 2 stands for two structures"),
        (StructureSettings, {"names": ("a",), "map": {"b": (2,)}}, "'b' is not among the names a"),
        (LimitSettings, {"patients": 0}, "0 keeps nobody"),
        (LowSettings, {"fraction": 0.0}, "fraction: 0 is not a share above 0"),
        (InventorySettings, {"patient_from": "regex"}, "patient_regex: '' has no group"),
        (InventorySettings, {"row_regex": "("}, "is not a regular expression"),
        (InventorySettings, {"shards": 0}, "shards: 0 is too few"),
        (CohortSettings, {"val": 0.5, "test": 0.5}, "val . test . annotator is 1; leave patients for training"),
        (CohortSettings, {"ranges": {"train": (5, 5)}}, "the end must lie after the start"),
        (CohortSettings, {"ranges": {"train": (0, 9), "test": (5, 20)}}, "test starts at row 5, inside train"),
        (CohortSettings, {"ranges": {"holdout": (0, 9)}}, "'holdout' is not one of train"),
    ],
)
def test_impossible_settings_are_refused_in_words(section: type, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        section(**values)


@pytest.mark.parametrize(
    "section",
    [
        ClassSettings(by="folder", names=("a", "b"), values={"a": ("x", "y")}),
        StructureSettings(names=("a", "b"), map={"a": (1, "A"), "b": (2,)}, colours=("#ff0000", "#00ff00")),
        CohortSettings(ranges={"train": (0, 10), "test": (20, 30)}),
        InventorySettings(mask_names=("m.nii",)),
    ],
)
def test_settings_survive_the_way_to_a_stage(section: Any) -> None:
    assert build(type(section), as_plain(section)) == section


def test_a_structure_is_its_own_number_and_name_unless_mapped() -> None:
    structures = StructureSettings(names=("liver", "lesion"), map={"liver": (5, "Liver")})
    assert structures.sources_of("liver") == (5, "Liver")
    assert structures.sources_of("lesion") == (2, "lesion")
    assert (structures.id_of("liver"), structures.id_of("lesion")) == (1, 2)


def test_classes_whose_image_ids_would_be_one_are_refused() -> None:
    with pytest.raises(ValueError, match="two differ in / and - alone"):
        ClassSettings(by="folder", names=("CT/lung", "CT-lung"))
