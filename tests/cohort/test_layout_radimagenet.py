"""RadImageNet in miniature: three modalities in one study, classes by folders, splits by its CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.errors import InputError
from tests.cohort.layout_study import LayoutStudy, texture
from tests.cohort.toys import write_picture

CT, MR, US = "CT/lung/Nodule", "MR/af/hematoma", "US/gb"
IMAGES = [
    f"radiology_ai/{folder}/{name}{n}.png"
    for folder, name in ((CT, "lung"), (MR, "foot"), (US, "usn"))
    for n in range(4)
]


@pytest.fixture
def study(tmp_path: Path) -> LayoutStudy:
    made = LayoutStudy(tmp_path, "radimagenet", (CT, MR, US), inventory={"patient_from": "none"})
    made.cohort = {"given_splits": True}
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for seed, path in enumerate(IMAGES):
        write_picture(made.archive / path, texture(seed))
        splits[("train", "train", "val", "test")[seed % 4]].append(path)
    for split, listed in splits.items():
        lines = ["filename,label", *(f"{path},{path.split('/')[-2]}" for path in listed)]
        (made.archive / f"RadiologyAI_{split}.csv").write_text("\n".join(lines) + "\n")
    return made


def test_one_study_mixes_ct_mr_and_ultrasound(study: LayoutStudy) -> None:
    images = study.slice()
    assert {path: row["class_name"] for path, row in study.series().items()} == {
        path: path.removeprefix("radiology_ai/").rpartition("/")[0] for path in IMAGES
    }
    facts = {(row["modality"], row["anatomy"], row["class_name"]) for row in study.series().values()}
    assert facts == {("CT", "lung", CT), ("MR", "af", MR), ("US", "gb", US)}
    assert sorted(set(images.column("class_name"))) == sorted((CT, MR, US))
    assert len(images) == len(IMAGES)


def test_splits_are_those_of_the_tables(study: LayoutStudy) -> None:
    study.assemble()
    found = {path: row["split"] for path, row in study.series().items()}
    assert found == {path: ("train", "train", "val", "test")[place % 4] for place, path in enumerate(IMAGES)}


def test_an_image_of_two_tables_or_of_none_has_no_split(study: LayoutStudy) -> None:
    write_picture(study.archive / "radiology_ai" / US / "usn9.png", texture(99))
    with (study.archive / "RadiologyAI_test.csv").open("a") as table:
        table.write(f"{IMAGES[0]},Nodule\n")
    study.assemble()
    aside = {path for path, (reason, _) in study.rejects().items() if reason == "no-split"}
    assert aside == {f"radiology_ai/{US}/usn9.png", IMAGES[0]}


def test_a_table_of_splits_without_file_names_stops_the_inventory(study: LayoutStudy) -> None:
    (study.archive / "RadiologyAI_val.csv").write_text("image,label\nx,y\n")
    with pytest.raises(InputError, match="lacks the column 'filename' among its 2 columns"):
        study.take()


def test_a_table_that_is_a_link_out_of_the_archive_is_not_read(study: LayoutStudy, tmp_path: Path) -> None:
    table = study.archive / "RadiologyAI_val.csv"
    table.rename(tmp_path / "elsewhere.csv")
    table.symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(InputError, match="a csv file is a link that leads out of the archive") as caught:
        study.take()
    assert str(tmp_path) not in str(caught.value)
