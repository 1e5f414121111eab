"""Masks without images become a set of maps alone: exact ids, people kept together, volumes that go back."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.errors import CohortError, ConfigError, InputError
from radgen.imageset.core import ImageSet
from radgen.imaging.reassemble import read_grids, write_cases
from radgen.provenance import read_manifest, saw_patients_of
from radgen.semantic.maps.schema import read_schema
from radgen.stages.import_maps import run
from tests.imaging.test_restore import oblique

IDS = (0, 4, 7)


def schema_file(folder: Path, ids: Sequence[int] = IDS, unlabelled: int | None = None) -> Path:
    rows = [{"id": number, "name": f"label {number}", "colour": "#102030"} for number in ids]
    (folder / "schema.json").write_text(json.dumps({"labels": rows, "unlabelled": unlabelled}))
    return folder / "schema.json"


def volume(seed: int, shape: tuple[int, int, int] = (5, 20, 14)) -> NDArray[np.uint8]:
    """Return ids in canonical orientation; the first slice is background alone."""
    ids = np.random.default_rng(seed).choice(np.array(IDS, dtype=np.uint8), shape)
    ids[0] = 0
    return ids


def save_nifti(path: Path, ids: NDArray[Any], affine: NDArray[np.float64] | None = None) -> Path:
    """Save canonical ids (slices, rows, columns), in the file's order x, y, z unless an affine says otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = ids if affine is not None else ids.transpose(2, 1, 0)[::-1, ::-1]
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.5, 1.5, 4, 1]) if affine is None else affine), path)
    return path


def save_png(path: Path, ids: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)
    return path


def patients(path: Path, rows: Sequence[tuple[str, ...]], columns: Sequence[str] = ("file", "patient")) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_volumes_and_pictures_become_maps_of_exactly_their_ids(tmp_path: Path) -> None:
    save_nifti(tmp_path / "masks" / "a.nii.gz", volume(0))
    save_png(tmp_path / "masks" / "b.png", volume(1)[1])
    run(pictures=tmp_path / "masks", schema=schema_file(tmp_path), name="ct", out=tmp_path / "set", modality="CT")
    maps = ImageSet(tmp_path / "set" / "index.parquet")
    assert (maps.has_images, len(maps), maps.mask_shape) == (False, 5, (20, 14))
    assert np.array_equal(maps.masks(range(4)), volume(0)[1:])  # background alone is left out
    assert np.array_equal(maps.masks([4])[0], volume(1)[1])
    assert maps.column("image_id").tolist() == [*(f"ct-s0000-{n:04d}" for n in range(1, 5)), "ct-s0001-0000"]
    assert maps.column("spacing_row_mm")[:4].tolist() == [1.5] * 4
    assert set(maps.column("split")) == {"train"}
    assert set(maps.column("patient")) == {None}
    counts = pq.read_table(tmp_path / "set" / "counts.parquet").to_pylist()
    assert [row["id"] for row in counts] == list(IDS)
    assert sum(row["pixels"] for row in counts) == 5 * 20 * 14
    assert read_schema(tmp_path / "set" / "labels.json").names == ("label 0", "label 4", "label 7")
    manifest = read_manifest(tmp_path / "set" / "manifest.json")
    assert manifest["run"]["notes"]["empty_slices_left_out"] == 1
    assert saw_patients_of(tmp_path / "set" / "manifest.json").unknown == {"images imported from elsewhere: ct"}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_oblique_volume_of_maps_goes_back_into_its_file(tmp_path: Path, workers: int) -> None:
    ids, affine = volume(2, (9, 12, 10)), oblique((1, 2, 0), (1, -1, 1), (1.1, 0.8, 1.3))
    save_nifti(tmp_path / "masks" / "a.nii.gz", ids, affine)
    save_nifti(tmp_path / "masks" / "b.nii", ids, affine)
    options = {"pictures": tmp_path / "masks", "schema": schema_file(tmp_path), "name": "ct", "size_px": 64}
    run(out=tmp_path / "set", workers=workers, **options)  # type: ignore[arg-type]
    maps = ImageSet(tmp_path / "set" / "index.parquet")
    assert maps.mask_shape == (64, 64)
    paths = write_cases(maps, read_grids(tmp_path / "set" / "grids.parquet"), tmp_path / "back", kind="masks")
    assert [path.name for path in paths] == ["ct-s0000.nii.gz", "ct-s0001.nii.gz"]
    back = nibabel.load(paths[1])
    np.testing.assert_array_equal(np.asanyarray(back.dataobj), ids)
    np.testing.assert_allclose(back.affine, affine, atol=1e-5)


def test_a_field_of_view_is_in_millimetres_and_what_lies_outside_is_background(tmp_path: Path) -> None:
    ids = np.full((2, 20, 14), 4, dtype=np.uint8)
    ids[:, 9, 3] = 7
    save_nifti(tmp_path / "masks" / "a.nii.gz", ids)
    schema = tmp_path / "schema.json"
    rows = [{"id": number, "name": f"label {number}", "colour": "#102030"} for number in (4, 7, 9)]
    schema.write_text(json.dumps({"labels": rows, "background": 9}))
    run(pictures=tmp_path / "masks", schema=schema, name="ct", out=tmp_path / "s", size_px=32, field_of_view_mm=48)
    maps = ImageSet(tmp_path / "s" / "index.parquet")
    assert maps.column("spacing_row_mm").tolist() == maps.column("spacing_col_mm").tolist() == [1.5, 1.5]
    one = maps.masks([0])[0]
    assert np.bincount(one.ravel(), minlength=10)[[4, 7, 9]].tolist() == [279, 1, 32 * 32 - 280]


def test_people_are_pseudonyms_and_groups_share_a_split(tmp_path: Path) -> None:
    names = [f"Doe_{place}" for place in range(24)]
    for place, name in enumerate(names):
        save_png(tmp_path / "masks" / f"{name}.png", volume(place)[1])
    table = patients(
        tmp_path / "people.csv",
        [(f"{name}.png", f"person {place // 2}", f"family {place // 8}") for place, name in enumerate(names)],
        ("file", "patient", "group"),
    )
    options = {"schema": schema_file(tmp_path), "name": "ct", "patients": table, "val": 0.3, "test": 0.3}
    run(pictures=tmp_path / "masks", out=tmp_path / "set", **options)  # type: ignore[arg-type]
    maps = ImageSet(tmp_path / "set" / "index.parquet")
    order = sorted(names)
    splits: dict[int, set[str]] = {}
    for place, split in enumerate(maps.column("split")):
        splits.setdefault(names.index(order[place]) // 8, set()).add(split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(set(maps.column("patient"))) == 12
    for path in (tmp_path / "set").iterdir():
        assert path.is_dir() or b"Doe" not in path.read_bytes()
    assert stat.S_IMODE((tmp_path / "set" / "private").stat().st_mode) == 0o700
    files = pq.read_table(tmp_path / "set" / "private" / "files.parquet").to_pylist()
    assert [row["file"] for row in files] == [f"{name}.png" for name in order]


def test_the_same_import_gives_the_same_bytes_and_replaces_itself(tmp_path: Path) -> None:
    save_nifti(tmp_path / "masks" / "a.nii.gz", volume(0))
    before = {}
    for _ in range(2):
        run(pictures=tmp_path / "masks", schema=schema_file(tmp_path), name="ct", out=tmp_path / "set")
        now = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir() if path.is_file()}
        now["manifest.json"] = json.dumps(read_manifest(tmp_path / "set" / "manifest.json")["what"]).encode()
        assert before in ({}, now)
        before = now
    with pytest.raises(InputError, match="holds something else than an earlier import of mr; name a new folder"):
        run(pictures=tmp_path / "masks", schema=schema_file(tmp_path), name="mr", out=tmp_path / "set")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (np.full((8, 8), 3, np.uint8), r"a\.png: holds id 3 \(64 pixels\), but .*schema\.json knows 0, 4, 7; name it"),
        (
            np.full((8, 8), 255, np.uint8),
            r'a\.png: holds id 255 \(64 pixels\), but .*; if 255 marks .*"unlabelled": 255',
        ),
        (
            np.full((8, 8), 4, np.uint8),
            r"schema\.json: label 0 \(label 0\) is in none of the 1 maps of .*masks, which hold 4",
        ),
        (
            np.zeros((8, 8), np.uint8),
            r"1 files hold 1 slices of background alone \(id 0\), and no other; are these maps of",
        ),
        (
            np.stack([np.full((8, 8), n, np.uint8) for n in (4, 7, 0)], axis=-1),
            r"a\.png: a label map in colours; its labels need grey values",
        ),
        (
            np.full((8, 8), 700, np.uint16),
            r"a\.png: values from 700 to 700; label maps hold whole numbers from 0 to 255",
        ),
    ],
)
def test_maps_that_are_not_what_the_schema_says_are_refused(tmp_path: Path, ids: NDArray[Any], says: str) -> None:
    save_png(tmp_path / "masks" / "a.png", ids)
    with pytest.raises(InputError, match=says):
        run(pictures=tmp_path / "masks", schema=schema_file(tmp_path), name="ct", out=tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_files_that_make_no_set_are_refused(tmp_path: Path) -> None:
    masks, schema = tmp_path / "masks", schema_file(tmp_path)
    save_png(masks / "a.png", volume(0)[1])
    save_png(masks / "b.png", volume(0, (2, 16, 14))[1])
    with pytest.raises(InputError, match=r"b\.png: slices of 16 x 14, but those before it have 20 x 14; .* --size-px"):
        run(pictures=masks, schema=schema, name="ct", out=tmp_path / "set")
    with pytest.raises(InputError, match=r"a\.png: a picture says no millimetres, so no field of view fits it"):
        run(pictures=masks, schema=schema, name="ct", out=tmp_path / "set", size_px=32, field_of_view_mm=30.0)
    with pytest.raises(ConfigError, match="--field-of-view-mm 30: give --size-px too"):
        run(pictures=masks, schema=schema, name="ct", out=tmp_path / "set", field_of_view_mm=30.0)
    with pytest.raises(ConfigError, match=r"--val 0\.9 --test 0\.2: val \+ test \+ annotator is 1\.1"):
        run(pictures=masks, schema=schema, name="ct", out=tmp_path / "set", val=0.9, test=0.2)
    Image.fromarray(volume(0)[1]).save(masks / "c.jpg")
    with pytest.raises(InputError, match=r"c\.jpg: a JPEG file holds no exact label ids"):
        run(pictures=masks, schema=schema, name="ct", out=tmp_path / "set", size_px=32)


def test_a_table_of_people_must_name_every_file_once(tmp_path: Path) -> None:
    save_png(tmp_path / "masks" / "a.png", volume(0)[1])
    options = {"pictures": tmp_path / "masks", "schema": schema_file(tmp_path), "name": "ct", "out": tmp_path / "set"}
    with pytest.raises(InputError, match=r"people\.csv: no patient for a\.png; give every file of the folder a line"):
        run(patients=patients(tmp_path / "people.csv", [("b.png", "x")]), **options)  # type: ignore[arg-type]
    with pytest.raises(CohortError, match=r"people\.csv: line 3 gives another patient than line 2 to the same file"):
        run(patients=patients(tmp_path / "people.csv", [("a.png", "x"), ("a.png", "y")]), **options)  # type: ignore[arg-type]
