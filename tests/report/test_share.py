"""The shareable edition: no pixel of the archive in any picture, no patient, series or image of it named anywhere."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Made, make
from hunt import found, middles, pictures_of, streams_of
from numpy.typing import NDArray
from PIL import Image
from report_archive import write_cohort, write_slices
from report_study import DROPPED, FACTS, PATIENTS, REPORT, SOURCE, Tree
from report_tree import build_tree

from radgen.imageset.core import ImageSet
from radgen.report.album import read_list
from radgen.report.browse.rows import collect_rows
from radgen.report.share import HELD_BACK, copy_shareable
from radgen.report.study import StudyResults


@pytest.fixture(scope="module")
def real(made: Made) -> NDArray[np.uint64]:
    images = ImageSet(made.root / "slices" / "index.parquet")
    return middles(images.images(np.arange(len(images)))[:, 0])


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def shows(folder: Path, hunted: NDArray[np.uint64]) -> list[str]:
    """Return the files that show a hunted image; each picture is looked at once."""
    seen: set[str] = set()
    guilty = []
    for path in files(folder):
        for picture in pictures_of(path):
            digest = hashlib.sha256(picture.tobytes()).hexdigest()
            if digest not in seen and found(picture, hunted):
                guilty.append(path.name)
            seen.add(digest)
    return sorted(set(guilty))


def test_no_picture_of_the_shareable_edition_shows_a_real_image(made: Made, real: NDArray[np.uint64]) -> None:
    assert shows(made.share, real) == []


def test_the_hunt_finds_what_it_must(made: Made, real: NDArray[np.uint64], tmp_path: Path) -> None:
    internal = [f"{name}_{SOURCE}.{kind}" for name in ("samples", "closest") for kind in ("png", "pdf")]
    for name in internal:
        assert any(found(picture, real) for picture in pictures_of(made.figures / name)), name
    assert any(found(picture, real) for picture in pictures_of(made.gallery / "tiles" / "nearest-0000.png"))
    assert any(found(picture, real) for picture in pictures_of(made.root / "report" / "index.html"))
    picture = np.zeros((100, 90), np.uint8)
    image = ImageSet(made.root / "slices" / "index.parquet").images([7])[0, 0]
    picture[31:95:1, 5:69] = image.repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(picture).save(tmp_path / "planted.png")
    assert shows(tmp_path, real) == ["planted.png"]


def test_the_synthetic_images_are_there(made: Made) -> None:
    images = ImageSet(made.root / "samples" / SOURCE / "index.parquet")
    synthetic = middles(images.images(np.arange(len(images)))[:, 0])
    assert {f"samples_alone_{SOURCE}.png", "images-0000.png"} <= set(shows(made.share, synthetic))


def test_nothing_leaves_that_the_gate_holds_back(made: Made) -> None:
    images = ImageSet(made.root / "samples" / SOURCE / "index.parquet")
    dropped = middles(images.images(images.rows_where(image_id=DROPPED))[:, 0])
    assert shows(made.share, dropped) == []
    assert any(found(picture, dropped) for picture in pictures_of(made.gallery / "tiles" / "images-0000.png"))
    gallery = "".join(path.read_text() for path in (made.share / "gallery" / "data").glob("*.js"))
    assert DROPPED not in gallery
    assert gallery.count(f'"id":"{SOURCE}_') == len(images) - 1
    pictures, absent = read_list(made.share / "figures" / "figures.json")
    assert f"pairs_{SOURCE}" not in {picture.name for picture in pictures}  # its audit failed
    assert absent[f"pairs_{SOURCE}"] == HELD_BACK


def test_images_on_a_patients_map_do_not_leave(made: Made, tree: Tree) -> None:
    path = tree.path("sample.part_index", source=SOURCE)
    table = pd.read_parquet(path)
    table.loc[table["image_id"] == table["image_id"][0], "series"] = f"{PATIENTS[0][0]}s"
    table.to_parquet(path)
    rows = collect_rows(StudyResults(tree.root, REPORT, FACTS, shareable=True), 100)
    assert table["image_id"][0] not in set(rows["image_id"])
    assert table["image_id"][1] in set(rows["image_id"])


def test_images_that_were_not_audited_do_not_leave(made: Made, tree: Tree) -> None:
    shutil.rmtree(tree.root / "audit")
    study = StudyResults(tree.root, REPORT, FACTS, shareable=True)
    assert collect_rows(study, 100).empty
    listing = copy_shareable(study, made.figures / "figures.json", tree.root / "share" / "figures")
    names = {picture.name for picture in read_list(listing)[0]}
    assert not names & {f"{name}_{SOURCE}" for name in ("samples_alone", "pairs", "interpolation")}
    assert "cohort" in names


def test_nobody_is_named_in_any_file(made: Made) -> None:
    keys = [key for key, _ in PATIENTS]
    for path in files(made.share):
        data = path.read_bytes()
        told = b"\n".join([data, *(plain for _, plain in streams_of(data))]) if path.suffix == ".pdf" else data
        assert not [key for key in keys if key.encode() in told], path
    assert any(keys[0].encode() in path.read_bytes() for path in files(made.figures))  # the hunt can find them


def test_the_folder_stands_alone(made: Made) -> None:
    pictures, _ = read_list(made.share / "figures" / "figures.json")
    names = {picture.name for picture in pictures}
    assert f"samples_alone_{SOURCE}" in names
    assert not names & {f"samples_{SOURCE}", f"closest_{SOURCE}"}
    assert {path.stem for path in (made.share / "figures").iterdir()} == names | {"figures"}
    page = (made.share / "index.html").read_text(encoding="utf-8")
    assert "SHAREABLE: NO REAL IMAGES" in page
    assert 'href="gallery/index.html"' in page
    assert "../" not in page
    assert not list(made.share.rglob("nearest-*"))
    assert f"samples_alone_{SOURCE}" not in made.page


def test_no_place_of_this_machine_is_told(tmp_path: Path) -> None:
    build_tree(tmp_path, parts=(write_cohort, write_slices))
    made = make(tmp_path, dataclasses.replace(FACTS, awaiting="/home/jane.doe/pack", sources={}))
    assert "jane.doe" in made.page
    for path in files(made.share):
        assert b"jane.doe" not in path.read_bytes(), path
    meta = (made.share / "gallery" / "data" / "meta.js").read_text()
    assert json.loads(meta.strip().removeprefix("radgen.meta(").removesuffix(")"))["count"] == 0
