"""Overlaps, several annotators, agreement and seconds: nothing is decided in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.annotation.agreement import agreement_table, mean_agreement
from radgen.annotation.check import collect
from radgen.annotation.merge import Painted, agree_on, paint, undecided_px
from radgen.annotation.pack import Pack, read_pack
from radgen.annotation.returned import Layer, Returned
from radgen.annotation.seconds import read_seconds
from radgen.annotation.settings import OVERLAPS, AnnotationSettings
from radgen.errors import AnnotationError
from tests.annotation.toys import LABELS, SHAPE, make_pack, save_indexed, toy_mask

NAME = "main_normal_000001"


def layer(label_id: int, *columns: int) -> Layer:
    inside = np.zeros((1, 6), dtype=bool)
    inside[0, list(columns)] = True
    return Layer(label_id, inside)


LAYERS = (layer(2, 0, 1, 2), layer(1, 2, 3), layer(2, 3, 4), layer(0, 0, 1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("overlap", "mask"), [("label", [2, 2, 2, 2, 2, 0]), ("later", [2, 2, 1, 2, 2, 0]), ("first", [2, 2, 2, 1, 2, 0])]
)
def test_overlaps_go_to_whom_the_setting_says_and_are_counted(overlap: str, mask: list[int]) -> None:
    painted = paint(Returned("a", LAYERS, (1, 6), "a.json", "anna", 3.0), overlap, "folder")
    assert painted.mask.tolist() == [mask]
    assert painted.overlap_px == 2
    assert (painted.annotator, painted.seconds, painted.mask.dtype) == ("anna", 3.0, np.uint8)


def test_an_overlap_can_be_refused_with_both_labels_and_the_count() -> None:
    with pytest.raises(AnnotationError, match=r"a.json: labels 1 and 2 overlap on 2 pixels of a; paint them apart, or"):
        paint(Returned("a", LAYERS, (1, 6), "a.json"), "refuse")
    alike = Returned("a", (layer(2, 0, 1), layer(2, 1, 2)), (1, 6), "a.json")
    assert paint(alike, "refuse").overlap_px == 0


def test_overlaps_of_any_two_labels_count_once() -> None:
    layers = (layer(1, 0, 1), layer(2, 1, 2), layer(3, 2, 3), layer(4, 5), layer(4, 5))
    assert paint(Returned("a", layers, (1, 6), "f"), "label").overlap_px == 2


def by(annotator: str, *values: int) -> Painted:
    return Painted("a", annotator, np.array([values], dtype=np.uint8), 0, "a.png")


THREE = (by("anna", 1, 1, 2, 0), by("bert", 1, 2, 2, 0), by("", 0, 0, 2, 1))


def test_a_majority_is_more_than_half() -> None:
    assert agree_on(THREE, "majority").tolist() == [[1, 0, 2, 0]]
    assert agree_on(THREE[:2], "majority").tolist() == [[1, 0, 2, 0]]


def test_pixels_without_a_majority_are_counted() -> None:
    assert undecided_px(THREE) == 1  # 1, 2 and background: nobody has more than half
    assert undecided_px(THREE[:2]) == 1
    assert undecided_px(THREE[:1]) == 0


def test_one_annotator_may_be_preferred_and_a_single_one_needs_no_choice() -> None:
    assert agree_on(THREE, "bert") is THREE[1].mask
    assert agree_on(THREE, "unnamed") is THREE[2].mask
    assert agree_on(THREE[:1], "refuse") is THREE[0].mask


@pytest.mark.parametrize(
    ("consensus", "message"),
    [
        ("refuse", "a: painted by anna, bert, unnamed, and nobody has chosen; set annotation.consensus to majority or"),
        ("carl", "a: painted by anna, bert, unnamed, and carl is not among them"),
    ],
)
def test_several_annotators_are_not_mixed_in_silence(consensus: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        agree_on(THREE, consensus)


def test_agreement_is_dice_of_each_label_and_pair() -> None:
    rows = agreement_table({"a": THREE}, LABELS).to_pylist()
    found = {(row["annotator_a"], row["annotator_b"], row["label"]): row["dice"] for row in rows}
    assert len(rows) == 3 * 2
    assert found["anna", "bert", "liver"] == pytest.approx(2 / 3)
    assert found["anna", "bert", "lesion"] == pytest.approx(2 / 3)
    assert found["anna", "unnamed", "liver"] == 0.0
    means = mean_agreement(agreement_table({"a": THREE[:2], "b": (by("x", 0), by("y", 0))}, LABELS))
    assert means["liver"] == {"dice": pytest.approx(2 / 3), "pairs": 1}
    assert agreement_table({"a": THREE[:1]}, LABELS).num_rows == 0


def two_annotators(folder: Path) -> Pack:
    pack = read_pack(make_pack(folder))
    for name, seed in (("anna", 0), ("bert", 1)):
        (folder / "masks" / name).mkdir()
        save_indexed(folder / "masks" / name / f"{NAME}.png", toy_mask(seed))
    return pack


def test_a_folder_names_its_annotator(tmp_path: Path) -> None:
    pack = two_annotators(tmp_path)
    found = collect(tmp_path, pack, consensus="bert")
    assert np.array_equal(found.masks[NAME], toy_mask(1))
    assert found.annotators == {NAME: "anna; bert"}
    assert found.agreement.num_rows == 2
    with pytest.raises(AnnotationError, match=f"{NAME}: painted by anna, bert, and nobody has chosen"):
        collect(tmp_path, pack)


def test_one_annotator_twice_is_refused_even_with_a_consensus(tmp_path: Path) -> None:
    pack = two_annotators(tmp_path)
    save_indexed(tmp_path / "masks" / "anna" / f"{NAME}.PNG", toy_mask())
    with pytest.raises(AnnotationError, match=rf"a second mask for {NAME} by anna; keep one of them \(the first is in"):
        collect(tmp_path, pack, consensus="majority")


def test_seconds_are_the_tools_sum_or_the_files_word(tmp_path: Path) -> None:
    from radgen.annotation.seconds import seconds_of

    twice = (Painted("a", "x", THREE[0].mask, 0, "f", 20.0), Painted("a", "y", THREE[0].mask, 0, "f", 5.0))
    silent = (Painted("b", "x", THREE[0].mask, 0, "f"),)
    assert seconds_of({"a": twice, "b": silent}, {"c": 3.0}) == {"a": 25.0}
    assert seconds_of({"a": twice, "b": silent}, {"a": 7.0, "b": 0.0}) == {"a": 7.0, "b": 0.0}
    make_pack(tmp_path)
    assert read_seconds(tmp_path, [NAME]) == {}
    (tmp_path / "masks" / "seconds.csv").write_text(f"\ufeffimage_id,seconds,remark\n {NAME} ,12.5,hard\n", "utf-8")
    assert read_seconds(tmp_path, [NAME]) == {NAME: 12.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,time\na,1\n", r"seconds.csv: not a table of image_id, seconds \('image_id'\); a line is NAME,90"),
        (f"image_id,seconds\n{NAME},two minutes\n", "not a table of image_id, seconds .*two minutes"),
        (f"image_id,seconds\n{NAME}\n", "not a table of image_id, seconds"),
        (f"image_id,seconds\n{NAME},-1\n", f"-1 seconds for {NAME}; write a number from 0 on"),
        (f"image_id,seconds\n{NAME},nan\n", f"nan seconds for {NAME}"),
        (f"image_id,seconds\n{NAME},1\n{NAME},2\n", f"'{NAME}' is listed twice"),
        ("image_id,seconds\nsomebody,1\n", "'somebody' is no image of this pack; keep one line"),
    ],
)
def test_faulty_seconds_are_named(tmp_path: Path, text: str, message: str) -> None:
    make_pack(tmp_path)
    (tmp_path / "masks" / "seconds.csv").write_text(text)
    with pytest.raises(AnnotationError, match=message):
        read_seconds(tmp_path, [NAME])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("overlap", "mix", "overlap must be one of label, later, first, refuse, not 'mix'"),
        ("doubt", "hide", "doubt must be one of refuse, note, not 'hide'"),
        ("consensus", " ", "consensus must be refuse, majority or an annotator's name"),
    ],
)
def test_impossible_settings_are_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnotationSettings(**{name: value})


def test_every_overlap_of_the_settings_paints() -> None:
    for overlap in OVERLAPS[:-1]:
        assert paint(Returned("a", LAYERS, (1, 6), "f"), overlap).overlap_px == 2
    assert toy_mask().shape == SHAPE
