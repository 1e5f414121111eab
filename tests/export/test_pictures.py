"""PNG, folders, COCO, Parquet and Croissant, opened by Pillow, pycocotools, datasets and mlcroissant."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from radgen.errors import InputError
from radgen.export.examples import ExportSet
from radgen.export.placed import Options
from radgen.export.run import export
from radgen.imaging.run_lengths import run_lengths, text_of_counts
from tests.export.toys import CLASSES, GENERATOR, STRUCTURES, painted, picture, write_pairs, write_slices

NAMES = [f"main_image_{number:06d}" for number in range(20)]


def exported(tmp_path: Path, to: str, **given: object) -> Path:
    export(ExportSet(write_pairs(tmp_path / "set", **given)), to, tmp_path / to, Options("toy"))  # type: ignore[arg-type]
    return tmp_path / to


def test_png_holds_every_pixel_and_says_where_it_comes_from(tmp_path: Path) -> None:
    out = exported(tmp_path, "png")
    for number, name in enumerate(NAMES):
        with Image.open(out / "images" / f"{name}.png") as image, Image.open(out / "masks" / f"{name}.png") as mask:
            assert (image.mode, mask.mode) == ("L", "P")
            assert np.array_equal(np.asarray(image), picture(number)[0])
            assert np.array_equal(np.asarray(mask), painted(number))
            for said in (image.text, mask.text):
                assert said["synthetic"] == "yes"
                assert "shows no patient" in said["Comment"]
                assert said["generator"] == GENERATOR
                assert (said["seed"], said["truncation"]) == (str(2**62 + number), "0.7")
                assert said["class"] == CLASSES[number % 2]


def test_colour_is_kept(tmp_path: Path) -> None:
    out = exported(tmp_path, "png", channels=3, count=2)
    with Image.open(out / "images" / f"{NAMES[1]}.png") as image:
        assert np.array_equal(np.asarray(image), picture(1, 3).transpose(1, 2, 0))


@pytest.mark.parametrize("to", ["png", "folders", "coco", "hf", "croissant", "dicom"])
def test_two_channels_are_refused_where_no_picture_holds_them(tmp_path: Path, to: str) -> None:
    with pytest.raises(
        InputError, match=r"has 2 channels, but pictures and DICOM hold 1 or 3; export to nifti or nnunet"
    ):
        exported(tmp_path, to, channels=2)
    assert not (tmp_path / to).exists()


def test_folders_part_images_by_split(tmp_path: Path) -> None:
    out = exported(tmp_path, "folders")
    counts = {split: len(list((out / split / "images").iterdir())) for split in ("train", "val", "test")}
    assert counts == {"train": 16, "val": 2, "test": 2}
    for split in counts:
        with (out / split / "classes.csv").open(newline="") as file:
            classes = {row["image"]: row["class_name"] for row in csv.DictReader(file)}
        for path in (out / split / "images").iterdir():
            number = NAMES.index(path.stem)
            assert classes[path.name] == CLASSES[number % 2]
            assert np.array_equal(np.asarray(Image.open(path)), picture(number)[0])
            assert np.array_equal(np.asarray(Image.open(out / split / "labels" / path.name)), painted(number))


def test_run_lengths_are_those_of_pycocotools() -> None:
    random = np.random.default_rng(0)
    for share in (0, 0.002, 0.1, 0.5, 0.97, 1):
        for _ in range(20):
            mask = random.random(tuple(random.integers(1, 120, 2))) < share
            theirs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            assert text_of_counts(run_lengths(mask)) == theirs["counts"].decode()


def test_coco_is_read_by_its_own_tools(tmp_path: Path) -> None:
    out = exported(tmp_path, "coco")
    found = COCO(str(out / "annotations.json"))
    assert "shows no patient" in found.dataset["info"]["description"]
    assert [item["name"] for item in found.loadCats(found.getCatIds())] == list(STRUCTURES)
    assert len(found.imgs) == 20
    for entry in found.loadImgs(found.getImgIds()):
        number = NAMES.index(Path(entry["file_name"]).stem)
        assert np.array_equal(np.asarray(Image.open(out / entry["file_name"])), picture(number)[0])
        rebuilt = np.zeros((entry["height"], entry["width"]), dtype=np.uint8)
        for annotation in found.loadAnns(found.getAnnIds(imgIds=[entry["id"]])):
            here = found.annToMask(annotation)
            rebuilt[here > 0] = annotation["category_id"]
            assert annotation["area"] == coco_mask.area(annotation["segmentation"])
            assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()
        assert np.array_equal(rebuilt, painted(number))
        assert entry["radgen"]["generator"] == GENERATOR


def test_datasets_loads_the_folder_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    out = exported(tmp_path, "hf")
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 16, "validation": 2, "test": 2}
    for rows in loaded.values():
        assert type(rows.features["image"]).__name__ == "Image"
        assert rows.features["class"].names == list(CLASSES)
        for row in rows:
            number = NAMES.index(row["image_id"])
            assert np.array_equal(np.asarray(row["image"]), picture(number)[0])
            assert np.array_equal(np.asarray(row["mask"]), painted(number))
            assert rows.features["class"].int2str(row["class"]) == CLASSES[number % 2]
            assert (row["generator"], row["truncation"], row["seed"]) == (GENERATOR, 0.7, 2**62 + number)
            assert "shows no patient" in row["notice"]


def test_croissant_is_valid_and_gives_the_records(tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    out = exported(tmp_path, "croissant")
    data = croissant.Dataset(str(out / "croissant.json"))
    assert not list(data.metadata.ctx.issues.errors)
    assert "shows no patient" in data.metadata.description
    seen = 0
    for split in ("train", "val", "test"):
        for record in data.records(split):
            number = NAMES.index(record[f"{split}/image_id"].decode())
            assert np.array_equal(np.asarray(record[f"{split}/image"]), picture(number)[0])
            assert np.array_equal(np.asarray(record[f"{split}/mask"]), painted(number))
            seen += 1
    assert seen == 20


def test_the_context_of_croissant_is_the_formats_own(tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    own = json.loads((exported(tmp_path, "croissant") / "croissant.json").read_text())["@context"]
    assert own == croissant.Metadata(name="any", url="any").to_json()["@context"]


def test_images_without_class_or_mask_go_too(tmp_path: Path) -> None:
    index = write_pairs(tmp_path / "set", 6, masks=False)
    export(ExportSet(index), "hf", tmp_path / "hf", Options("toy"))
    table = pq.read_table(tmp_path / "hf" / "data" / "train-00000-of-00001.parquet")
    assert "mask" not in table.column_names
    first = table.to_pylist()[0]
    number = NAMES.index(first["image_id"])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(first["image"]["bytes"]))), picture(number)[0])


def test_real_images_say_that_they_are_real(tmp_path: Path) -> None:
    export(ExportSet(write_slices(tmp_path / "set")), "png", tmp_path / "out", Options("toy"), real=True)
    with Image.open(tmp_path / "out" / "images" / "series0-0000.png") as image:
        assert image.text["synthetic"] == "no"
        assert image.text["Comment"].startswith("Real image of a patient, under a pseudonym")
