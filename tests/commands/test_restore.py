"""`radgen restore` writes the source's own grid, and says in words what does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.cli import main as radgen
from radgen.imageset.core import ImageSet
from radgen.imageset.gather import join_index
from tests.imaging.archives import AFFINE, Archive

CONFIG = """
study: toy
archive: {root}/archive
results: {root}/..
work: {root}/work
patient_key: {{public: radgen toy}}
structures: {{names: [trunk, lung]}}
benchmark: {{tasks: [segmentation]}}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stored series of a study, `one` and `two`; the folder of its results."""
    root = tmp_path_factory.mktemp("results") / "toy"
    root.mkdir()
    archive = Archive(root)
    archive.add("one", "test")
    archive.add("two", "train")
    out = archive.run()
    join_index([out / "shard-000.index.parquet"], out / "index.parquet")
    for name, place in (("shard-000", "cohort/series"), ("files", "private/files")):
        (root / place).parent.mkdir()
        shutil.copy(root / f"{name}.parquet", root / f"{place}.parquet")
    (root / "toy.yaml").write_text(CONFIG.format(root=root))
    return root


def voxels(path: Path) -> NDArray[np.floating]:
    image = nib.load(path)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(image.affine, AFFINE)  # type: ignore[attr-defined]
    return np.asarray(image.dataobj)  # type: ignore[attr-defined]


def restore(study: Path, out: Path, *words: str) -> int:
    return radgen(["restore", str(study / "toy.yaml"), "--out", str(out), *words])


def test_the_set_s_own_masks_and_images_come_back_on_the_source_grid(study: Path, tmp_path: Path) -> None:
    assert restore(study, tmp_path) == 0
    labels = voxels(tmp_path / "one.nii.gz")
    source = voxels(study / "archive" / "one-mask.nii")
    assert labels.shape == source.shape
    assert (labels == source).mean() > 0.97  # stored at a quarter of the pixels, so the rim may move
    assert (tmp_path / "two.nii.gz").is_file()
    assert restore(study, tmp_path / "images", "--kind", "images", "--series", "one") == 0
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["one.nii.gz"]
    shown = voxels(tmp_path / "images" / "one.nii.gz")
    assert shown.dtype == np.float32
    assert np.nanmin(shown) >= -160
    assert np.nanmax(shown) <= 240


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_masks_of_files_named_by_image_ids_come_back_in_their_slices(study: Path, tmp_path: Path, suffix: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    rows = ImageSet(study / "slices" / "index.parquet").table.to_pylist()
    names = [row["image_id"] for row in rows if row["series"] == "one"][2:4]
    for value, name in enumerate(names, start=7):
        mask = np.full((40, 40), value, np.uint8)
        if suffix == ".png":
            Image.fromarray(mask).save(given / f"{name}.png")
        else:
            np.save(given / f"{name}.npy", mask)
    assert restore(study, tmp_path / "out", "--from", str(given), "--fill", "255") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one.nii.gz"]
    found = voxels(tmp_path / "out" / "one.nii.gz")
    assert set(np.unique(found)) == {7, 8, 255}
    assert [int((found == value).any(axis=(0, 1)).sum()) for value in (7, 8)] == [1, 1]


def first(study: Path, series: str) -> str:
    rows = ImageSet(study / "slices" / "index.parquet").table.to_pylist()
    return str(next(row["image_id"] for row in rows if row["series"] == series))


def test_what_does_not_fit_is_refused_in_words(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert restore(study, tmp_path / "out", *words) == 2
        return capsys.readouterr().err

    name = first(study, "one")
    assert "'nobody-0001' is no image of this study" in said("--images", "nobody-0001")
    assert "is of series one, not of two; leave one of both out" in said("--images", name, "--series", "two")
    assert "series three has no image in the set" in said("--series", "three")
    assert "--fill 0.5: masks hold whole numbers" in said("--fill", "0.5")
    assert "has no channel 2; it has 1" in said("--kind", "images", "--channel", "2")

    np.save(tmp_path / f"{name}.npy", np.zeros((40, 41), np.uint8))
    assert "given as 40 x 41, but the study's slices are stored as 40 x 40" in said(
        "--from", str(tmp_path / f"{name}.npy")
    )
    np.save(tmp_path / f"{name}.npy", np.zeros((40, 40), np.int16))
    assert "holds int16 of 2 axes; give uint8" in said("--from", str(tmp_path / f"{name}.npy"))
    np.save(tmp_path / f"{name}.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "cannot be read (ValueError)" in said("--from", str(tmp_path / f"{name}.npy"))
    Image.new("RGB", (40, 40)).save(tmp_path / f"{name}.png")
    assert "a PNG of mode RGB; give 8 bits" in said("--from", str(tmp_path / f"{name}.png"))
    assert "neither PNG nor .npy" in said("--from", str(study / "toy.yaml"))
    (tmp_path / "empty").mkdir()
    assert "the folder is empty" in said("--from", str(tmp_path / "empty"))
    assert not list((tmp_path / "out").glob("*"))
