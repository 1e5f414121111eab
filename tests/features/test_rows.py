"""Who learns from whom: settings of sources, halves of the judge, and the ancestry that follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import CohortError
from radgen.features.rows import ancestry, class_ids, held_out_rows, judge_rows, pixel_digests, source_rows
from radgen.imageset.core import ImageSet, images_path
from radgen.sources import SourceSettings
from tests.features.toys import CLASSES, PATIENTS, SLICES, write_toy

LOW = LowSettings(fraction=0.25, seed=0)
POSITION = ClassSettings(by="position", names=CLASSES.names)


def _patients(images: ImageSet, rows: object) -> set[str]:
    return set(images.column("patient")[rows].tolist())


def _low(images: ImageSet) -> set[str]:
    return set(low_patients(images.column("patient")[images.rows_where(split="train")].tolist(), 0.25, 0))


def test_shared_sources_see_all_of_training_and_nothing_else(toy_images: ImageSet) -> None:
    rows = source_rows(toy_images, SourceSettings(), LOW, CLASSES)
    assert set(toy_images.column("split")[rows.pixels]) == {"train"}
    assert len(rows.pixels) == len(rows.labelled) == PATIENTS["train"] * SLICES
    assert not rows.few_labels


def test_scarce_sources_see_the_low_patients_alone(toy_images: ImageSet) -> None:
    rows = source_rows(toy_images, SourceSettings(train_on="low", setting="scarce"), LOW, CLASSES)
    assert _patients(toy_images, rows.pixels) == _patients(toy_images, rows.labelled) == _low(toy_images)


def test_scarce_labels_show_all_pixels_and_few_labels(toy_images: ImageSet) -> None:
    rows = source_rows(toy_images, SourceSettings(setting="scarce-labels"), LOW, CLASSES)
    saw = ancestry(toy_images, rows, CLASSES)
    assert len(_patients(toy_images, rows.pixels)) == PATIENTS["train"]
    assert saw.patients("labels") == _low(toy_images)
    assert saw.patients("pixels") == _patients(toy_images, rows.pixels)
    assert rows.few_labels


def test_classes_by_position_are_no_labels(toy_images: ImageSet) -> None:
    rows = source_rows(toy_images, SourceSettings(setting="scarce-labels"), LOW, POSITION)
    assert len(rows.labelled) == PATIENTS["train"] * SLICES
    assert not rows.few_labels
    assert ancestry(toy_images, rows, POSITION).patients("labels") == frozenset()


def test_disjoint_sources_see_the_generators_rows(toy_images: ImageSet) -> None:
    rows = source_rows(toy_images, SourceSettings(train_on="generator", setting="disjoint"), LOW, CLASSES)
    assert set(toy_images.column("split")[rows.pixels]) == {"generator"}


def test_the_judges_half_and_the_floors_half_share_no_patient(toy_images: ImageSet) -> None:
    learnt, unseen = judge_rows(toy_images, CLASSES, seed=2)
    one, two = _patients(toy_images, learnt.pixels), _patients(toy_images, unseen)
    assert not one & two
    assert len(one) == len(two) == PATIENTS["train"] / 2
    assert one != _patients(toy_images, judge_rows(toy_images, CLASSES, seed=3)[0].pixels)
    held_out = _patients(toy_images, held_out_rows(toy_images, CLASSES))
    assert len(held_out) == PATIENTS["val"] + PATIENTS["test"]
    assert not held_out & (one | two)


def test_a_slice_that_is_neither_class_teaches_no_class(toy_images: ImageSet) -> None:
    spots = ClassSettings(by="folder", names=("spot", "other"))
    rows = source_rows(toy_images, SourceSettings(), LOW, spots)
    assert len(rows.labelled) == len(rows.pixels) / 2
    assert set(class_ids(toy_images, rows.labelled, spots)) == {0}


def test_empty_splits_are_refused_in_words(tmp_path: Path, toy_images: ImageSet) -> None:
    few = write_toy(tmp_path / "synthetic", source="main", count=3)
    with pytest.raises(CohortError, match="6 images, but none of split 'train' to learn from"):
        source_rows(ImageSet(few), SourceSettings(), LOW, CLASSES)
    with pytest.raises(CohortError, match="the judge needs 2 training patients"):
        judge_rows(ImageSet(few), CLASSES, seed=2)


def test_digests_see_a_changed_picture_behind_an_equal_index(tmp_path: Path) -> None:
    index = write_toy(tmp_path / "set", source="main", count=2)
    before = pixel_digests(index, "set")
    write_toy(tmp_path / "set", source="main", count=2, blank=True)
    after = pixel_digests(index, "set")
    assert images_path(index.parent / "shard-000").is_file()
    assert before["set"] == after["set"]
    assert before["set/shard-000"] != after["set/shard-000"]
