"""Images made elsewhere become an image set: exact, with classes, masks and an ancestry that is unknown or declared."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from radgen.benchmark.ancestry import Study, check_ancestry
from radgen.cli import main
from radgen.errors import AncestryError, ConfigError, InputError
from radgen.export.examples import ExportSet
from radgen.export.notice import Origin
from radgen.export.placed import Options
from radgen.export.run import export
from radgen.imageset.core import ImageSet
from radgen.provenance import saw_patients_of
from radgen.stages.import_images import run
from tests.export.toys import HEIGHT, STRUCTURES, WIDTH, painted, picture, write_pairs

STUDY = Study({"train": frozenset({"p1", "p2"}), "test": frozenset({"p3"})}, low=frozenset({"p1"}), free_labels=False)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def folder_of(tmp_path: Path, names: tuple[str, ...] = ("a.png", "b.png", "c.png")) -> Path:
    for number, name in enumerate(names):
        save(tmp_path / "images" / name, picture(number)[0])
    return tmp_path / "images"


def declare(tmp_path: Path, **patients: dict[str, list[str]]) -> Path:
    said = {"statement": "made from nothing of this study", "pixels": {}, "labels": {}, "masks": {}}
    path = tmp_path / "ancestry.json"
    path.write_text(json.dumps(said | patients))
    return path


@pytest.mark.parametrize("to", ["png", "nifti"])
def test_what_was_exported_comes_back_pixel_by_pixel(tmp_path: Path, to: str) -> None:
    export(ExportSet(write_pairs(tmp_path / "set")), to, tmp_path / "out", Options("toy"))
    run(
        pictures=tmp_path / "out" / "images",
        masks=tmp_path / "out" / "masks",
        name="other",
        out=tmp_path / "imported",
        structures=STRUCTURES,
    )
    images = ImageSet(tmp_path / "imported" / "index.parquet")
    assert images.column("image_id").tolist() == [f"other_{number:06d}" for number in range(20)]
    for number in range(20):
        assert np.array_equal(images.images([number])[0], picture(number))
        assert np.array_equal(images.masks([number])[0], painted(number))
    assert set(images.column("source")) == {"other"}
    assert set(images.column("split")) == {"synthetic"}
    assert images.column("spacing_row_mm")[0] == (1.5 if to == "nifti" else None) or to == "png"
    table = pq.read_table(tmp_path / "imported" / "files.parquet").to_pylist()
    assert table[3]["file"].startswith("main_image_000003")


def test_a_nifti_of_any_orientation_is_turned_to_the_canonical_picture(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    affine = np.diag([2.0, 3.0, 5.0, 1.0])  # columns to the patient's right, rows to the front: turned about
    turned = np.ascontiguousarray(picture(0)[0].T[::-1, ::-1, np.newaxis])
    nibabel.save(nibabel.Nifti1Image(turned, affine), tmp_path / "images" / "a.nii.gz")
    run(pictures=tmp_path / "images", name="other", out=tmp_path / "set")
    images = ImageSet(tmp_path / "set" / "index.parquet")
    assert np.array_equal(images.images([0])[0], picture(0))
    assert (images.column("spacing_row_mm")[0], images.column("spacing_col_mm")[0]) == (3.0, 2.0)


def test_more_than_eight_bits_need_a_window(tmp_path: Path) -> None:
    values = np.linspace(-1000, 1000, HEIGHT * WIDTH).reshape(WIDTH, HEIGHT, 1).astype(np.int16)
    (tmp_path / "images").mkdir()
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / "images" / "a.nii")
    with pytest.raises(InputError, match=r"a.nii: int16 values from -1000 to 1000, but .* say with --window LOW HIGH"):
        run(pictures=tmp_path / "images", name="other", out=tmp_path / "set")
    run(pictures=tmp_path / "images", name="other", out=tmp_path / "set", window=(-160.0, 240.0))
    image = ImageSet(tmp_path / "set" / "index.parquet").images([0])[0, 0]
    expected = np.clip(np.rint((values[..., 0].T.astype(float) + 160) * 255 / 400), 0, 255)
    assert np.abs(image - expected).max() <= 1
    assert (image == 0).any()
    assert (image == 255).any()


def test_classes_come_from_sub_folders_and_keep_the_order_of_the_study(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("CT/lung/a.png", "CT/liver/a.png", "CT/liver/b.png"))
    run(pictures=folder, name="other", out=tmp_path / "set")
    images = ImageSet(tmp_path / "set" / "index.parquet")
    assert images.column("class_name").tolist() == ["CT/liver", "CT/liver", "CT/lung"]
    assert images.column("class_id").tolist() == [0, 0, 1]
    run(pictures=folder, name="other", out=tmp_path / "two", class_names=("CT/lung", "CT/liver", "MR"))
    assert ImageSet(tmp_path / "two" / "index.parquet").column("class_id").tolist() == [1, 1, 0]
    with pytest.raises(ConfigError, match=r"--class-names CT/lung: images are of class 'CT/liver'"):
        run(pictures=folder, name="other", out=tmp_path / "three", class_names=("CT/lung",))


def test_classes_come_from_a_table(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, ("a.png", "b.png", "-rf 'x' \"y\".png"))
    table = tmp_path / "classes.csv"
    table.write_text('file,class\na.png,one\nb.png,two\n"-rf \'x\' ""y"".png",one\n')
    run(pictures=folder, name="other", out=tmp_path / "set", classes=table)
    images = ImageSet(tmp_path / "set" / "index.parquet")
    assert images.column("class_name").tolist() == ["one", "one", "two"]
    assert np.array_equal(images.images([0])[0], picture(2))
    table.write_text("file,class\na.png,one\nb.png,two\n")
    with pytest.raises(InputError, match="no class for -rf"):
        run(pictures=folder, name="other", out=tmp_path / "two", classes=table)
    table.write_text('file,class\na.png,one\nb.png,two\nc.png,two\n"-rf \'x\' ""y"".png",one\n')
    with pytest.raises(InputError, match=r"c.png is no file of the folder"):
        run(pictures=folder, name="other", out=tmp_path / "two", classes=table)


def test_black_and_white_masks_are_label_1_of_a_single_structure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path)
    for number, name in enumerate(("a", "b", "c")):
        save(tmp_path / "masks" / f"{name}.png", (painted(number) > 0).astype(np.uint8) * 255)
    with pytest.raises(
        InputError, match=r"a.png: holds label 255, but white is no label; .* in the order of --structures"
    ):
        run(pictures=folder, masks=tmp_path / "masks", name="other", out=tmp_path / "set")
    run(pictures=folder, masks=tmp_path / "masks", name="other", out=tmp_path / "set", structures=("lesion",))
    assert "3 masks are black and white: white is label 1, lesion" in capsys.readouterr().out
    masks = ImageSet(tmp_path / "set" / "index.parquet").masks([0, 1, 2])
    assert all(np.array_equal(masks[number], painted(number) > 0) for number in range(3))


def test_grey_pictures_stored_as_colour_are_grey(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", np.repeat(picture(0).transpose(1, 2, 0), 3, axis=2))
    save(tmp_path / "images" / "b.png", picture(1)[0])
    run(pictures=tmp_path / "images", name="other", out=tmp_path / "set")
    images = ImageSet(tmp_path / "set" / "index.parquet").images([0, 1])
    assert np.array_equal(images, np.stack([picture(0), picture(1)]))
    save(tmp_path / "images" / "c.png", picture(2, 3).transpose(1, 2, 0))
    with pytest.raises(InputError, match=r"c.png: is in colour, but the set is grey, as .*a.png or --channels says"):
        run(pictures=tmp_path / "images", name="other", out=tmp_path / "two")


def test_unknown_ancestry_passes_for_no_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(pictures=folder_of(tmp_path), name="other", out=tmp_path / "set")
    assert "ancestry unknown; no arm can claim a setting" in capsys.readouterr().out
    saw = saw_patients_of(tmp_path / "set" / "manifest.json")
    for setting in ("external", "disjoint", "scarce-labels", "scarce", "shared"):
        with pytest.raises(AncestryError, match=r"patients are unknown \(images imported from elsewhere: other\)"):
            check_ancestry("arm", setting, saw, STUDY)


def test_a_declared_ancestry_is_held_against_the_setting(tmp_path: Path) -> None:
    run(pictures=folder_of(tmp_path), name="other", out=tmp_path / "set", ancestry=declare(tmp_path))
    check_ancestry("arm", "external", saw_patients_of(tmp_path / "set" / "manifest.json"), STUDY)
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())["what"]
    assert manifest["settings"]["ancestry"] == "declared: made from nothing of this study"
    assert manifest["settings"]["kind"] == "imported"
    declared = declare(tmp_path, pixels={"train": ["p1", "p2"]})
    run(pictures=tmp_path / "images", name="other", out=tmp_path / "set", ancestry=declared)
    with pytest.raises(AncestryError, match=r"setting external is broken.*pixels of 2 forbidden"):
        check_ancestry("arm", "external", saw_patients_of(tmp_path / "set" / "manifest.json"), STUDY)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a readable declaration"),
        ("[" * 100_000, "not a readable declaration"),
        ("[]", "holds list; a declaration holds statement, pixels, labels, masks, and nothing else"),
        ("{}", "holds ; a declaration holds statement"),
        ('{"statement": " ", "pixels": {}, "labels": {}, "masks": {}}', "an empty statement; say in words"),
        ('{"statement": "x", "pixels": [], "labels": {}, "masks": {}}', "pixels must map a split to a list"),
        ('{"statement": "x", "pixels": {}, "labels": {}, "masks": {"train": [1]}}', "masks must map a split"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "ancestry.json").write_text(text)
    with pytest.raises(AncestryError, match=says):
        run(pictures=folder_of(tmp_path), name="other", out=tmp_path / "set", ancestry=tmp_path / "ancestry.json")


def test_imported_images_leave_as_imported(tmp_path: Path) -> None:
    run(pictures=folder_of(tmp_path), name="other", out=tmp_path / "set")
    images = ExportSet(tmp_path / "set" / "index.parquet")
    assert images.origins == {Origin.IMPORTED: 3}
    export(images, "png", tmp_path / "out", Options("toy"))
    with Image.open(tmp_path / "out" / "images" / "other_000000.png") as found:
        assert found.text["Comment"].startswith("Synthetic image made by another tool, as its importer says")
    assert "not known (images imported from elsewhere: other)" in (tmp_path / "out" / "README.md").read_text()


def test_twice_the_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, tuple(f"{number}.png" for number in range(12)))
    for workers in (1, 3):
        run(pictures=folder, name="other", out=tmp_path / f"set{workers}", workers=workers)
    for path in (tmp_path / "set1").iterdir():
        other = tmp_path / "set3" / path.name
        if path.name == "manifest.json":
            assert json.loads(path.read_text())["what"] == json.loads(other.read_text())["what"]
        else:
            assert path.read_bytes() == other.read_bytes()


def test_the_command_says_what_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_of(tmp_path)
    assert main(["import-images", str(folder), "--name", "real", "--out", str(tmp_path / "set")]) == 2
    assert "--name 'real': give small letters" in capsys.readouterr().err
    assert main(["import-images", str(folder), "--name", "other", "--out", str(tmp_path / "set")]) == 0
    (tmp_path / "set" / "notes.txt").write_text("mine")
    assert main(["import-images", str(folder), "--name", "other", "--out", str(tmp_path / "set")]) == 2
    assert "'notes.txt' was not written by the earlier import of other" in capsys.readouterr().err
    assert main(["import-images", str(folder), "--name", "other", "--out", str(tmp_path / "images")]) == 2
    assert "holds something else than an earlier import" in capsys.readouterr().err
