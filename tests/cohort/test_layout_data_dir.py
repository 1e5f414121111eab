"""Slices that are split already, in miniature: splits, patients where names hold them, label maps by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.cohort.settings import StructureSettings
from radgen.errors import CohortError
from tests.cohort.layout_study import LayoutStudy, texture
from tests.cohort.toys import write_picture

NAMES = {"train": ("slice_0", "slice_1"), "val": ("slice_2",), "test1": ("slice_0031_0", "slice_0031_1")}
SCAN = StructureSettings(names=("liver", "lung"), map={"lung": (7,)})


@pytest.fixture
def study(tmp_path: Path) -> LayoutStudy:
    made = LayoutStudy(tmp_path, "data_dir", structures=SCAN)
    made.inventory = {"patient_from": "none", "modality": "CT"}
    made.cohort = {"given_splits": True}
    labels = np.zeros((24, 24), dtype=np.uint8)
    labels[3:9, 3:9], labels[12:20, 5:15] = 1, 7
    for seed, (split, name) in enumerate((split, name) for split, names in NAMES.items() for name in names):
        write_picture(made.archive / split / "images" / f"{name}.png", texture(seed))
        write_picture(made.archive / split / "labels" / f"{name}.png", np.roll(labels, seed, axis=1))
    return made


def test_splits_are_those_of_the_folders_and_label_maps_those_of_the_names(study: LayoutStudy) -> None:
    images = study.slice(by="position")
    splits = {path: row["split"] for path, row in study.series().items()}
    assert splits == {
        f"{folder}/images/{name}.png": "test" if folder == "test1" else folder
        for folder, names in NAMES.items()
        for name in names
    }
    for path in splits:
        assert study.mask_of(path) == [path.replace("images", "labels")]
    masks = images.masks(range(len(images)))
    assert len(images) == 5
    for mask in masks:
        assert np.bincount(mask.ravel(), minlength=3).tolist()[1:] == [36, 80]


def test_only_names_of_the_test_part_hold_patients(study: LayoutStudy) -> None:
    study.inventory = {"patient_from": "layout"}
    study.take()
    assert list(study.patients().values()) == [{"slice_0031_0", "slice_0031_1"}]
    assert study.rejects()["train/images/slice_0.png"][0] == "no-patient"


def test_near_duplicates_across_the_given_splits_stop_the_run(study: LayoutStudy) -> None:
    write_picture(study.archive / "val" / "images" / "slice_2.png", texture(0) // 2)  # the train image, darker
    with pytest.raises(CohortError, match="is in splits train and val"):
        study.assemble(by="position")


def test_label_maps_without_their_image_and_files_of_no_split_are_set_aside(study: LayoutStudy) -> None:
    write_picture(study.archive / "train" / "labels" / "slice_9.png", texture(3))
    write_picture(study.archive / "extra" / "images" / "slice_9.png", texture(4))
    study.take()
    rejects = study.rejects()
    assert rejects["train/labels/slice_9.png"][0] == "mask-without-image"
    assert rejects["extra/images/slice_9.png"][0] == "side-file"
