"""What all formats share: the folder, the table beside, real images, the command."""

from __future__ import annotations

import csv
import filecmp
import hashlib
import json
import time
from pathlib import Path

import pytest

from radgen.cli import main
from radgen.commands.export import FORMATS
from radgen.errors import ConfigError, InputError, StorageError
from radgen.export import run
from radgen.export.examples import ExportSet
from radgen.export.notice import Origin
from radgen.export.placed import Options
from radgen.export.run import export
from radgen.export.splits import assign_splits, cross_validation
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.stages import gather
from tests.export.toys import CLASSES, GENERATOR, STRUCTURES, painted, picture, write_pairs, write_slices


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("to", FORMATS)
def test_twice_the_same_bytes_and_every_folder_says_what_it_is(
    tmp_path: Path, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = write_pairs(tmp_path / "set")
    export(ExportSet(index), to, tmp_path / "one", Options("toy"))
    later = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    export(ExportSet(index), to, tmp_path / "two", Options("toy"))
    names = files(tmp_path / "one")
    assert names == files(tmp_path / "two")
    same, different, missing = filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False)
    assert (sorted(same), different, missing) == (names, [], [])
    assert "Synthetic image made by radgen. It shows no patient." in (tmp_path / "one" / "README.md").read_text()
    facts = json.loads((tmp_path / "one" / "export.json").read_text())
    assert facts["images"] == {"synthetic": 20}
    assert facts["ancestry"] == {"pixels": 2, "labels": 0, "masks": 1, "unknown": []}
    for line in (tmp_path / "one" / "SHA256SUMS").read_text().splitlines():
        assert hashlib.sha256((tmp_path / "one" / line[66:]).read_bytes()).hexdigest() == line[:64]


@pytest.mark.parametrize("to", FORMATS)
def test_the_table_beside_names_files_and_how_to_make_each_image_again(tmp_path: Path, to: str) -> None:
    export(ExportSet(write_pairs(tmp_path / "set")), to, tmp_path / "out", Options("toy"))
    with (tmp_path / "out" / "provenance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == [f"main_image_{number:06d}" for number in range(20)]
    for number, row in enumerate(rows):
        assert (tmp_path / "out" / row["image_file"]).is_file()
        assert not row["mask_file"] or (tmp_path / "out" / row["mask_file"]).is_file()
        assert (row["generator"], row["truncation"]) == (GENERATOR, "0.7")
        assert (row["seed"], row["class_name"]) == (str(2**62 + number), CLASSES[number % 2])
        assert (row["origin"], row["own_split"]) == ("synthetic", "synthetic")


def test_real_images_leave_only_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = write_slices(tmp_path / "set")
    words = ["export", str(index), "--to", "png", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "24 of 24 images are real, of 8 patients; give --real" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--real"]) == 0
    assert "warning: 24 images of 8 real patients lie in" in capsys.readouterr().err


def test_a_folder_with_anything_else_in_it_is_never_touched(tmp_path: Path) -> None:
    images = ExportSet(write_pairs(tmp_path / "set", 3))
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"the folder is not empty; name a new one, or give --replace"):
        export(images, "png", out, Options("toy"))
    with pytest.raises(InputError, match=r"'thesis.txt' was not written by an export; --replace removes exports only"):
        export(images, "png", out, Options("toy"), replace=True)
    assert files(out) == ["thesis.txt"]


def test_replace_takes_an_earlier_export_away_whole(tmp_path: Path) -> None:
    images = ExportSet(write_pairs(tmp_path / "set", 3))
    export(images, "dicom", tmp_path / "out", Options("toy"))
    export(images, "png", tmp_path / "out", Options("toy"), replace=True)
    assert not list(tmp_path.glob("out/*/*.dcm"))
    (tmp_path / "out" / "images" / "mine.png").write_bytes(b"added later")
    with pytest.raises(InputError, match=r"'images/mine.png' was not written by an export"):
        export(images, "png", tmp_path / "out", Options("toy"), replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["set", "out"] or files(tmp_path / "out")


def test_links_and_files_are_no_place_for_an_export(tmp_path: Path) -> None:
    images = ExportSet(write_pairs(tmp_path / "set", 3))
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    with pytest.raises(InputError, match="is a file, but an export is a folder"):
        export(images, "png", tmp_path / "file", Options("toy"), replace=True)
    with pytest.raises(InputError, match="is a link; name the folder itself"):
        export(images, "png", tmp_path / "link", Options("toy"), replace=True)


def test_a_failed_export_leaves_nothing_and_keeps_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = ExportSet(write_pairs(tmp_path / "set", 3))
    export(images, "png", tmp_path / "out", Options("toy"))
    before = files(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "write_checksums", full)
    with pytest.raises(StorageError, match=r"cannot be written .No space left on device"):
        export(images, "coco", tmp_path / "out", Options("toy"), replace=True)
    assert files(tmp_path) == before


def _one(folder: Path, image_ids: list[str], masks: bool = False) -> Path:
    with ShardWriter(folder, "shard-000", picture(0).shape, with_masks=masks) as writer:  # type: ignore[arg-type]
        for name in image_ids:
            writer.append({"image_id": name, "source": "main"}, picture(0), painted(0) if masks else None)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return folder / "index.parquet"


@pytest.mark.parametrize("to", FORMATS)
def test_ids_of_any_letters_become_safe_names(tmp_path: Path, to: str) -> None:
    names = ["../up", "a/b", "-rf", 'quo"te', "new\nline", "main_a class_000001", "=1+2"]
    export(ExportSet(_one(tmp_path / "set", names, masks=True)), to, tmp_path / "out", Options("toy"))
    with (tmp_path / "out" / "provenance.csv").open(newline="") as file:
        rows = {row["image_id"]: row["image_file"] for row in csv.DictReader(file)}
    assert set(rows) == set(names)
    assert all((tmp_path / "out" / path).is_file() for path in rows.values())
    assert all(letter.isalnum() or letter in "._-/" for name in files(tmp_path / "out") for letter in name)
    assert files(tmp_path) == [*(f"out/{name}" for name in files(tmp_path / "out")), *files_of_set(tmp_path)]


def files_of_set(folder: Path) -> list[str]:
    return [f"set/{name}" for name in files(folder / "set")]


@pytest.mark.parametrize(("one", "two"), [("good", "Good"), ("a b", "a-b")])
def test_ids_that_would_name_one_file_are_refused(tmp_path: Path, one: str, two: str) -> None:
    with pytest.raises(InputError, match=f"image id '{one}' names the same file as another"):
        ExportSet(_one(tmp_path, [one, two]))


def test_an_id_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"image id '..' holds nothing to name a file by"):
        ExportSet(_one(tmp_path, ["good", ".."]))


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the image set is empty, so there is nothing to export"):
        ExportSet(_one(tmp_path, []))


def test_without_a_manifest_labels_are_numbered_and_ancestry_is_unknown(tmp_path: Path) -> None:
    images = ExportSet(_one(tmp_path / "set", ["a", "b"], masks=True))
    assert [label.name for label in images.labels] == ["background", "label_1", "label_2"]
    assert images.ancestry.unknown == {"set: no manifest beside the image set"}
    export(images, "png", tmp_path / "out", Options("toy"))
    assert "ancestor: not known (set: no manifest" in (tmp_path / "out" / "README.md").read_text()


def test_sets_of_every_kind_of_source_keep_their_labels_and_say_who_made_them(tmp_path: Path) -> None:
    labels = [
        {"id": number, "name": name, "colour": f"#0{number}0a0b"}
        for number, name in enumerate(("background", *STRUCTURES))
    ]
    painted = {"labels": {"labels": labels, "background": 0, "unlabelled": None}}
    semantic = ExportSet(write_pairs(tmp_path / "semantic", stage="semantic_sample", settings=painted))
    assert [label.name for label in semantic.labels] == ["background", *STRUCTURES]
    assert semantic.labels[2].colour == (2, 10, 11)
    assert list(semantic.origins) == [Origin.SYNTHETIC]
    copied = {"source": "other", "imported_as": "theirs", "structures": list(STRUCTURES)}
    images = ExportSet(write_pairs(tmp_path / "images", stage="source_images", settings=copied))
    assert [label.name for label in images.labels] == ["background", *STRUCTURES]
    assert list(images.origins) == [Origin.IMPORTED]  # never "made by radgen"


def test_masks_with_labels_beyond_the_names_are_refused(tmp_path: Path) -> None:
    index = write_pairs(tmp_path / "set", 3)
    with pytest.raises(InputError, match=r"masks hold label 2, but names go to 1 only; give --labels"):
        ExportSet(index, ExportSet(index).labels[:2])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--shares", "0.5", "0.2", "0.2"], "--shares 0.5 0.2 0.2: give three numbers from 0 to 1 that add up to 1"),
        (["--name", "../x"], "--name '../x': give letters, digits, _ and -"),
        (["--number", "0", "--to", "nnunet"], "--number 0: nnU-Net numbers data sets from 1 to 999"),
    ],
)
def test_impossible_options_are_refused(
    tmp_path: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    index = write_pairs(tmp_path / "set", 3)
    assert (
        main(["export", str(index.parent), "--to", "png", "--out", str(tmp_path / "out"), "--unaudited", *words]) == 2
    )
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--to tiff: no such format; choose one of nnunet, dicom"):
        export(ExportSet(write_pairs(tmp_path / "set", 3)), "tiff", tmp_path / "out", Options("toy"))
    assert FORMATS == run.FORMATS


def test_splits_keep_groups_whole_and_counts_as_asked() -> None:
    rows = [{"image_id": str(n), "split": "synthetic", "patient": f"p{n % 10}"} for n in range(50)]
    splits, groups = assign_splits(rows, (0.5, 0.3, 0.2))
    assert {split: splits.count(split) for split in set(splits)} == {"train": 25, "val": 15, "test": 10}
    assert all(len({s for s, g in zip(splits, groups, strict=True) if g == group}) == 1 for group in groups)
    assert assign_splits(rows, (1.0, 0.0, 0.0))[0] == ["train"] * 50


def test_folds_without_validation_images_share_training_groups_out() -> None:
    cases = [str(number) for number in range(12)]
    folds = cross_validation(cases, cases, ["train"] * 12)
    assert len(folds) == 5
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(cases)
    assert cross_validation(["a"], ["a"], ["train"]) == []


def test_a_gathered_set_knows_the_manifests_of_its_parts(tmp_path: Path) -> None:
    part = write_pairs(tmp_path / "set" / "main", 4)
    index = tmp_path / "set" / "index.parquet"
    gather.run(
        parts=(part,),
        part_manifests=(part.parent / "manifest.json",),
        index=index,
        manifest=tmp_path / "set" / "manifest.json",
    )
    images = ExportSet(index)
    assert [label.name for label in images.labels] == ["background", *STRUCTURES]
    assert {example.truncation for example in images} == {0.7}
    assert images.ancestry.patients("pixels") == {"p1", "p2"}
