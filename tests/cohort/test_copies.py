"""Exact copies in one archive: found by all their bytes, settled by path, refused where their classes differ."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radgen.cohort.archives import Roots
from radgen.cohort.copies import Copy, find_copies, settle_copies
from radgen.cohort.grouping import find_candidates
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import END_BYTES, scan_archive
from radgen.cohort.settings import InventorySettings, StructureSettings
from tests.cohort.layout_study import LayoutStudy, texture
from tests.cohort.toys import write_picture

NORMAL, NODULE, ILL = "CT/lung/normal", "CT/lung/Nodule", "CT/lung/interstitial"


@pytest.fixture
def study(tmp_path: Path) -> LayoutStudy:
    made = LayoutStudy(tmp_path, "radimagenet", (NODULE, NORMAL), inventory={"patient_from": "none"})
    for seed, path in enumerate((f"{NORMAL}/n1", f"{NORMAL}/n2", f"{NODULE}/m1", f"{NODULE}/m2")):
        write_picture(made.archive / f"{path}.png", texture(seed))
    return made


def copy(study: LayoutStudy, source: str, target: str) -> None:
    place = study.archive / f"{target}.png"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(study.archive / f"{source}.png", place)


def test_of_copies_in_one_class_the_first_by_path_is_used(study: LayoutStudy) -> None:
    copy(study, f"{NORMAL}/n1", f"{NORMAL}/n9")
    copy(study, f"{NORMAL}/n1", f"{NORMAL}/a0")
    study.assemble()
    assert f"{NORMAL}/a0.png" in study.series()
    text = "the archive holds this image 3 times; the first by path is used"
    assert {path: study.rejects().get(path) for path in (f"{NORMAL}/n1.png", f"{NORMAL}/n9.png")} == {
        f"{NORMAL}/n1.png": ("duplicate", text),
        f"{NORMAL}/n9.png": ("duplicate", text),
    }


@pytest.mark.parametrize("by", ["layout", "folder"])
def test_copies_in_two_classes_are_all_set_aside(study: LayoutStudy, by: str) -> None:
    copy(study, f"{NORMAL}/n1", f"{NODULE}/m9")
    study.assemble(by=by)
    text = "the archive holds this image 2 times, filed as 2 classes; which is right?"
    assert {path: row for path, row in study.rejects().items() if row[0] == "conflict"} == {
        f"{NORMAL}/n1.png": ("conflict", text),
        f"{NODULE}/m9.png": ("conflict", text),
    }
    assert set(study.series()) == {f"{NORMAL}/n2.png", f"{NODULE}/m1.png", f"{NODULE}/m2.png"}


def test_a_class_outside_the_study_contradicts_too(study: LayoutStudy) -> None:
    copy(study, f"{NORMAL}/n1", f"{ILL}/i1")
    study.assemble()
    assert study.rejects()[f"{NORMAL}/n1.png"][0] == "conflict"
    assert study.rejects()[f"{ILL}/i1.png"][0] == "no-class"


def test_of_copies_the_one_with_a_mask_is_used(tmp_path: Path) -> None:
    made = LayoutStudy(tmp_path, "hyperkvasir", ("ES/lower-gi-tract/polyps",), inventory={"patient_from": "none"})
    made.structures = StructureSettings(names=("polyp",))
    folder = "labeled-images/lower-gi-tract/pathological-findings/polyps"
    for path in (f"{folder}/a", "segmented-images/images/a"):
        write_picture(made.archive / f"{path}.png", texture(1))
    write_picture(made.archive / "segmented-images" / "masks" / "a.png", np.full((24, 24), 255, np.uint8))
    made.assemble()
    assert set(made.series()) == {"segmented-images/images/a.png"}


def test_empty_pictures_are_refused_in_every_split(study: LayoutStudy) -> None:
    write_picture(study.archive / NORMAL / "n5.png", np.zeros((24, 24), np.uint8))
    write_picture(study.archive / NODULE / "m5.png", np.full((24, 24), 7, np.uint8))
    study.cohort = {"given_splits": True}
    listed = {"train": ("n1", "m1"), "val": ("n2", "m2"), "test": ("n5", "m5")}
    for split, names in listed.items():
        lines = ["filename", *(f"{NORMAL if name[0] == 'n' else NODULE}/{name}.png" for name in names)]
        (study.archive / f"{split}.csv").write_text("\n".join(lines) + "\n")
    study.slice()
    assert {row["split"] for row in study.series().values()} == {"train", "val", "test"}
    assert study.slice_rejects() == {
        f"{NORMAL}/n5.png": ("flat-series", "every pixel is 0: an empty picture"),
        f"{NODULE}/m5.png": ("flat-series", "every pixel is 7: an empty picture"),
    }


def test_files_that_differ_between_their_ends_are_no_copies(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (3 * END_BYTES // 256, 256)).astype(np.uint8)
    other = large.copy()
    other[len(large) // 2] ^= 1
    for name, pixels in {"a": large, "b": other, "c": large}.items():
        write_picture(tmp_path / f"{name}.bmp", pixels)
    files = scan_archive(tmp_path, "", 1)
    assert len({file.digest for file in files}) == 1
    candidates, _, _ = find_candidates(files, InventorySettings())
    found = find_copies(candidates, {file.path: file.digest for file in files}, Roots({"": tmp_path}))
    assert found[0] is not None
    assert (found[0], found[1]) == (found[2], None)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "x", "y"]), st.booleans()), max_size=12))
def test_of_each_group_at_most_one_is_left(series: list[tuple[int, str, bool]]) -> None:
    paths = [f"{(7 * place) % 13:02d}" for place in range(len(series))]
    copies = [Copy(str(group), place, paths[place], *rest) for place, (group, *rest) in enumerate(series)]
    usable = [place for place, (_, _, able) in enumerate(series) if able]
    aside = settle_copies(copies)
    assert set(aside) <= set(usable)
    for group in range(3):
        members = [place for place, item in enumerate(series) if item[0] == group]
        left = [place for place in members if place in usable and place not in aside]
        contradicts = len({series[place][1] for place in members} - {""}) > 1
        able = [place for place in members if place in usable]
        assert left == ([] if contradicts or not able else [min(able, key=lambda place: paths[place])])
        reasons = {aside[place][0] for place in members if place in aside}
        assert reasons <= {Reason.CONFLICT if contradicts else Reason.DUPLICATE}
