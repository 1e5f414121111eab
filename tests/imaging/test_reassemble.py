"""Slices of a case become its volume again: the source's axes, shape and affine, one file per series and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from radgen.cohort.archives import Roots
from radgen.errors import InputError
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.imaging.reassemble import (
    SourceGrid,
    cases_of,
    cohort_grids,
    read_grids,
    reassemble,
    write_cases,
    write_grids,
)
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.volume import Volume
from tests.imaging.archives import Archive
from tests.imaging.test_restore import made, oblique, stored_of


def write(folder: Path, stored: Any, seeds: tuple[int | None, ...], **columns: Any) -> ImageSet:
    """Write slices as if made with each seed: images are the stored ones plus the seed."""
    with ShardWriter(folder, "shard-000", stored.images[0].shape, with_masks=True) as writer:
        for seed in seeds:
            for row, image, mask in zip(stored.rows, stored.images, stored.masks, strict=True):
                kept = {key: value for key, value in row.items() if key not in ("shard", "row")}
                writer.append(kept | {"seed": seed} | columns, image // 2 + (seed or 0), mask)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")


def test_each_seed_of_a_case_is_a_volume_with_the_sources_affine(tmp_path: Path) -> None:
    volume, labels = made((9, 14, 11), oblique((1, 2, 0), (1, -1, 1), (1.1, 0.8, 1.3)))
    images = write(tmp_path / "set", stored_of(volume, labels, size_px=40), (5, 6), window_low=None, window_high=None)
    grids = {"s": SourceGrid.of("s", volume)}
    for kind in ("masks", "images"):
        paths = write_cases(images, grids, tmp_path / kind, kind=kind)
        assert [path.name for path in paths] == ["s_seed-5.nii.gz", "s_seed-6.nii.gz"]
        files = [nib.load(path) for path in paths]
        for file in files:
            np.testing.assert_allclose(file.affine, volume.affine, atol=1e-5)
            assert file.shape == volume.array.shape
        values = [np.asanyarray(file.dataobj) for file in files]
        if kind == "masks":
            np.testing.assert_array_equal(values[0], labels)
        else:
            assert values[0].dtype == np.float32
            np.testing.assert_allclose(values[1] - values[0], 1, atol=1e-4)  # grey levels, each seed its own


def test_images_with_a_window_come_back_in_its_units(tmp_path: Path) -> None:
    volume, labels = made((4, 12, 12), np.eye(4))
    images = write(tmp_path, stored_of(volume, labels, size_px=16), (None,))
    row = images.table.slice(0, 1).to_pylist()[0]
    back = reassemble(images, range(len(images)), SourceGrid.of("s", volume))
    assert row["window_low"] == [-250]
    assert np.nanmin(back.array) >= -250
    assert np.nanmax(back.array) <= 0  # images were halved, so the upper half of the window is empty
    assert [path.name for path in write_cases(images, {"s": SourceGrid.of("s", volume)}, tmp_path)] == ["s.nii.gz"]


def test_grids_are_read_as_they_were_written(tmp_path: Path) -> None:
    volume, _ = made((9, 14, 11), oblique((1, 2, 0), (1, -1, 1), (1.1, 0.8, 1.3)))
    write_grids(tmp_path / "grids.parquet", [SourceGrid.of("a", volume)])
    found = read_grids(tmp_path / "grids.parquet")["a"]
    assert (found.series, found.shape) == ("a", (9, 14, 11))
    np.testing.assert_array_equal(found.affine, volume.affine)
    with pytest.raises(InputError, match=r"none\.parquet: not a readable table of source grids"):
        read_grids(tmp_path / "none.parquet")


def test_slices_of_a_cohort_go_back_into_the_volumes_of_its_archive(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add("one", "test")
    archive.add("two", "train")
    images = ImageSet(archive.run(slices=SlicesSettings(size_px=160)) / "shard-000.index.parquet")
    where = (tmp_path / "shard-000.parquet", tmp_path / "files.parquet", Roots({"": tmp_path / "archive"}))
    grids = cohort_grids(*where, set(images.column("series")))
    paths = write_cases(images, grids, tmp_path / "back", kind="masks")
    assert sorted(path.name for path in paths) == ["one.nii.gz", "two.nii.gz"]
    for path in paths:
        source = nib.load(tmp_path / "archive" / f"{path.name.partition('.')[0]}-mask.nii")
        back = nib.load(path)
        np.testing.assert_array_equal(back.affine, source.affine)
        np.testing.assert_array_equal(np.asanyarray(back.dataobj), np.asanyarray(source.dataobj))
    with pytest.raises(InputError, match=r"shard-000\.parquet: series three is not in the cohort; make the slices"):
        cohort_grids(*where, ["three"])


def test_what_belongs_to_no_volume_is_refused(tmp_path: Path) -> None:
    volume, labels = made((4, 12, 12), np.eye(4))
    stored = stored_of(volume, labels, size_px=16)
    images = write(tmp_path / "a", stored, (1,))
    with pytest.raises(InputError, match="series s has no source grid among 1; give those of its maps"):
        write_cases(images, {"t": SourceGrid.of("t", volume)}, tmp_path)
    with pytest.raises(InputError, match="image s-0000 is of series s, not of t; leave one out"):
        reassemble(images, [0], SourceGrid.of("t", volume))
    smaller = SourceGrid.of("s", Volume(volume.array[:, :8], volume.affine))
    with pytest.raises(InputError, match="image s-0000 was cut from slices of"):
        reassemble(images, [0], smaller)
    with pytest.raises(InputError, match="image s-0000 names no series, so nothing says which volume"):
        cases_of(write(tmp_path / "b", stored, (1,), series=None))
