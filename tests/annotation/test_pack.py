"""A pack goes out and comes back pixel for pixel, and never harms what a person painted."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from radgen.annotation.instructions import UNMARKED
from radgen.annotation.pack import pack_files, read_pack, write_pack
from radgen.annotation.pictures import read_grey
from radgen.annotation.schema import label_schema, read_labels
from radgen.errors import AnnotationError
from tests.annotation.toys import LABELS, SHAPE, make_pack, pack_images, save_indexed, toy_mask


def test_pixels_survive_png_and_nifti(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    for item in pack_images():
        assert np.array_equal(pack.image(item.image_id), item.image)
        picture = nibabel.load(tmp_path / "nifti" / f"{item.image_id}.nii.gz")
        assert np.array_equal(np.asarray(picture.dataobj)[:, :, 0].T, item.image)
        assert picture.get_data_dtype() == np.uint8


def test_rows_say_how_to_draw_each_image_again(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    for item in pack_images():
        row = pack.rows[item.image_id]
        assert (row["class_id"], row["index"], row["seed"]) == (0, item.index, item.seed)
        assert (row["truncation"], row["sampler_seed"], row["generator"]) == (0.7, 1, "f" * 32)
        assert np.array_equal(np.float32(row["w"]), item.w)


def test_pictures_say_that_they_are_synthetic(tmp_path: Path) -> None:
    make_pack(tmp_path)
    with Image.open(tmp_path / "images" / "main_normal_000000.png") as picture:
        assert picture.mode == "L"
        assert picture.text["synthetic"] == "yes"
        assert "shows no patient" in picture.text["Comment"]


def test_slice_header_is_one_that_painting_tools_accept(tmp_path: Path) -> None:
    write_pack(
        tmp_path / "pack.parquet",
        pack_images(1),
        LABELS,
        generator="g",
        truncation=1.0,
        sampler_seed=1,
        spacing_mm=(2.0, 3.0),
    )
    header = nibabel.load(tmp_path / "nifti" / "main_normal_000000.nii.gz").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)
    assert np.array_equal(header.get_qform(), header.get_sform())
    assert header.get_zooms() == (3.0, 2.0, 1.0)
    assert nibabel.aff2axcodes(header.get_sform()) == ("L", "P", "S")


def test_same_pack_same_bytes(tmp_path: Path) -> None:
    one, two = (make_pack(tmp_path / name) for name in ("one", "two"))
    first, second = (
        {str(path.relative_to(pack.parent)): path.read_bytes() for path in pack_files(pack)} for pack in (one, two)
    )
    assert first == second
    on_disk = {str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert set(first) == on_disk - {"masks/generator.json"}
    # Bytes 4 to 7 of a gzip header are the time of writing; two packs written in one second would agree by chance.
    assert first["nifti/main_normal_000000.nii.gz"][4:8] == bytes(4)


def test_new_pack_removes_old_pictures_but_no_masks(tmp_path: Path) -> None:
    make_pack(tmp_path, generator="old", count=3)
    painted = tmp_path / "masks" / "main_normal_000002.png"
    save_indexed(painted, toy_mask())
    before = painted.read_bytes()
    make_pack(tmp_path, generator="new", count=2)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [
        "main_normal_000000.png",
        "main_normal_000001.png",
    ]
    assert painted.read_bytes() == before
    assert json.loads((tmp_path / "masks" / "generator.json").read_text()) == {"generator": "old"}


def test_empty_masks_folder_is_marked_with_the_new_generator(tmp_path: Path) -> None:
    make_pack(tmp_path, generator="old")
    make_pack(tmp_path, generator="new")
    assert json.loads((tmp_path / "masks" / "generator.json").read_text()) == {"generator": "new"}


def test_instructions_name_every_label_and_an_image_that_exists(tmp_path: Path) -> None:
    make_pack(tmp_path)
    text = (tmp_path / "README.txt").read_text()
    for label in LABELS:
        assert f"{label.id:>3}  {label.name}" in text
    assert "masks/main_normal_000000.png" in text
    assert "show no patient" in text


def test_every_file_says_that_it_is_synthetic_or_is_named_as_one_that_cannot(tmp_path: Path) -> None:
    make_pack(tmp_path)
    silent = []
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if b"synthetic" not in data.lower():
            silent.append(path.relative_to(tmp_path).as_posix())
    assert sorted(silent) == list(UNMARKED)
    listed = [line.strip() for line in (tmp_path / "README.txt").read_text().splitlines()]
    assert set(UNMARKED) <= set(listed)


def test_labels_survive_their_file(tmp_path: Path) -> None:
    make_pack(tmp_path)
    assert read_labels(tmp_path / "labels.json") == LABELS


def test_labels_have_distinct_colours_and_obey_given_ones() -> None:
    many = label_schema([f"structure {number}" for number in range(40)])
    assert len({label.colour for label in many}) == len(many)
    given = label_schema(("a", "b"), ("#010203", "#ff0000"))
    assert [label.colour for label in given] == [(0, 0, 0), (1, 2, 3), (255, 0, 0)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([f"s{number}" for number in range(256)], "256 names, but an 8-bit mask holds 255 labels"),
        (["background"], "a name occurs twice in background, background"),
    ],
)
def test_impossible_labels_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        label_schema(names)


def test_damaged_packs_are_named(tmp_path: Path) -> None:
    path = make_pack(tmp_path)
    (tmp_path / "images" / "main_normal_000000.png").write_bytes(b"no picture")
    with pytest.raises(AnnotationError, match=r"main_normal_000000.png: not a readable PNG .*; run annotate-pack"):
        read_pack(path).image("main_normal_000000")
    Image.new("RGB", SHAPE).save(tmp_path / "images" / "colour.png")
    with pytest.raises(AnnotationError, match=r"colour.png: is a RGB picture, but packs hold 8-bit grey"):
        read_grey(tmp_path / "images" / "colour.png")
    path.write_bytes(b"no table")
    with pytest.raises(AnnotationError, match=r"pack.parquet: not a readable pack"):
        read_pack(path)
    for text in ('{"labels": [{"id": 1, "name": "a", "colour": 3}]}', "[" * 100_000):
        (tmp_path / "labels.json").write_text(text)
        with pytest.raises(AnnotationError, match=r"labels.json: not a readable label table"):
            read_labels(tmp_path / "labels.json")
