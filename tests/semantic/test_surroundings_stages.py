"""Surroundings through the stages: training, samples that keep drawn masks, ancestry, scores, making an image again."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from radgen.cohort.settings import ClassSettings
from radgen.errors import CheckpointError, InputError
from radgen.imageset.core import ImageSet
from radgen.metrics.settings import MetricsSettings
from radgen.provenance import read_manifest, saw_patients_of
from radgen.semantic.checkpoint import load_semantic
from radgen.semantic.samples import map_id
from radgen.semantic.settings import SemanticSampleSettings, SemanticSettings
from radgen.stages import regenerate, semantic, semantic_sample, semantic_scores
from tests.semantic import study
from tests.semantic.maps.toys import discs, write_maps

GROUPS = 3
# No patient has a map and an image of these sides.
APART = study.semantic(surroundings=GROUPS, mode="unpaired", map_modality="CT", image_modality="MR", images=12)

OF_MR = study.semantic(
    surroundings=GROUPS, mode="unpaired", map_modality="MR", image_modality="MR", images=12, surroundings_from="images"
)
LENDING = SemanticSampleSettings(most_maps=6, surroundings_from="images")


def _of_two_classes(row: dict[str, object], _mask: object) -> None:
    row["class_name"] = "odd" if int(str(row["slice_index"])) % 2 else "even"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a toy study with a paired and an unpaired source whose surroundings are told apart."""
    torch.set_num_threads(1)
    root = study.make(tmp_path_factory.mktemp("surroundings"), modalities=("CT", "MR"), change=_of_two_classes)
    painted = study.semantic(surroundings=GROUPS, images=12)
    for name, settings in (("painted", painted), ("apart", APART), ("borrowed", OF_MR)):
        semantic.run(**study.train_options(root, name, semantic=settings))
        semantic_sample.run(**study.sample_options(root, name))
    return root


def test_the_generator_learns_them_and_its_weights_say_how_they_were_found(trained: Path) -> None:
    generator, card = load_semantic(trained / "semantic" / "painted" / "generator.safetensors", torch.device("cpu"))
    assert card.surroundings is not None
    assert generator.shape.labels == len(card.label_names) + GROUPS - 1 == 5
    notes = read_manifest(trained / "semantic" / "painted" / "manifest.json")["run"]["notes"]
    assert notes["surroundings"] == list(card.surroundings.thresholds)


def test_weights_remember_that_padding_has_the_backgrounds_label_for_itself(trained: Path) -> None:
    settings = study.semantic(surroundings=GROUPS, surroundings_padding=True, images=12)
    semantic.run(**study.train_options(trained, "padded", semantic=settings))
    generator, card = load_semantic(trained / "semantic" / "padded" / "generator.safetensors", torch.device("cpu"))
    assert card.surroundings is not None
    assert card.surroundings.padding
    assert generator.shape.labels == len(card.label_names) + GROUPS
    assert read_manifest(trained / "semantic" / "padded" / "manifest.json")["run"]["notes"]["padding_apart"]


def test_few_maps_may_stand_in_the_surroundings_of_other_images(trained: Path, tmp_path: Path) -> None:
    own = replace(OF_MR, surroundings_from="map")
    semantic.run(**study.train_options(trained, "borrowed", out=tmp_path, work=tmp_path / "work", semantic=own))
    one, other = (
        load_semantic(folder / "last.safetensors", torch.device("cpu"))[0].state_dict()
        for folder in (tmp_path, trained / "semantic" / "borrowed")
    )
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def lent(trained: Path) -> Path:
    """Return the folder of images of `borrowed` whose maps stood in surroundings of images that it learnt."""
    options = study.sample_options(trained, "borrowed", semantic_sample=LENDING)
    folder = trained / "samples" / "lent"
    places = {"index": folder / "index.parquet", "grid": folder / "samples.png", "manifest": folder / "manifest.json"}
    semantic_sample.run(**options | places)
    return folder


def test_images_of_one_map_may_stand_in_surroundings_of_many(trained: Path, lent: Path) -> None:
    made, real = ImageSet(lent / "index.parquet"), ImageSet(trained / "slices" / "index.parquet")
    table = pq.read_table(lent / "surroundings.parquet").to_pylist()
    assert [row["image_id"] for row in table] == made.column("image_id").tolist()
    seen = pq.read_table(trained / "semantic" / "borrowed" / "seen.parquet").to_pylist()
    learnt = {row["image_id"] for row in seen if (row["aspect"], row["use"]) == ("pixels", "taught")}
    lenders = [row["lender"] for row in table]
    assert set(lenders) <= learnt
    # Most of them have no mask that was learnt.
    masks = {row["image_id"] for row in seen if (row["aspect"], row["use"]) == ("mask", "taught")}
    assert set(lenders) - masks
    assert len(set(lenders)) > len(made) / 3
    classes = dict(zip(real.column("image_id"), real.column("class_name"), strict=True))
    assert [classes[name] for name in lenders] == made.column("class_name").tolist()
    semantic_sample.run(**study.sample_options(trained, "borrowed"))
    own = ImageSet(trained / "samples" / "borrowed" / "index.parquet")
    np.testing.assert_array_equal(made.masks(range(len(made))), own.masks(range(len(made))))
    assert not np.array_equal(made.images(range(len(made))), own.images(range(len(made))))
    assert "surroundings.parquet" in read_manifest(lent / "manifest.json")["what"]["outputs"]


@pytest.mark.parametrize("by", ["position", "table"])
def test_weights_say_whether_a_class_may_choose_who_lends(trained: Path, tmp_path: Path, by: str) -> None:
    classes = ClassSettings(by=by, names=("all",))
    options = study.train_options(trained, "borrowed", out=tmp_path, work=tmp_path / "work", semantic=OF_MR)
    semantic.run(**options | {"classes": classes})
    card = load_semantic(tmp_path / "generator.safetensors", torch.device("cpu"))[1]
    assert card.position_classes == (by == "position")
    places = {"weights": "generator.safetensors", "seen": "seen.parquet"}
    places |= {"index": "made/index.parquet", "grid": "made/samples.png", "manifest": "made/manifest.json"}
    given = {name: tmp_path / place for name, place in places.items()}
    semantic_sample.run(**study.sample_options(trained, "borrowed", semantic_sample=LENDING) | given)
    real = ImageSet(trained / "slices" / "index.parquet")
    class_of = dict(zip(real.column("image_id"), real.column("class_name"), strict=True))
    table = pq.read_table(tmp_path / "made" / "surroundings.parquet").to_pylist()
    alike = [class_of[row["lender"]] == class_of[map_id("borrowed", row["image_id"])] for row in table]
    assert all(alike) == (by == "position")


def test_an_image_in_lent_surroundings_is_made_again(
    trained: Path, lent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shutil.copytree(trained, tmp_path / "study")
    name = ImageSet(lent / "index.parquet").column("image_id")[7]
    index = root / "samples" / "lent" / "index.parquet"
    regenerate.run(image_id=name, results=root.parent, study=root.name, index=index)
    assert f"equal: all {study.PX * study.PX} pixels" in capsys.readouterr().out
    beside = index.parent / "surroundings.parquet"
    table = pq.read_table(beside)
    pq.write_table(table.slice(0, 7), beside)
    with pytest.raises(InputError, match=rf"surroundings.parquet: 7 images, but not {name}; sample again"):
        regenerate.run(image_id=name, results=root.parent, study=root.name, index=index)
    beside.write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a readable table of which image gave which its surroundings"):
        regenerate.run(image_id=name, results=root.parent, study=root.name, index=index)


def test_nothing_lends_where_none_was_told_apart_or_nobody_says_what_was_learnt(trained: Path) -> None:
    with pytest.raises(InputError, match="source apart learnt maps of CT and images of MR: their grey levels"):
        semantic_sample.run(**study.sample_options(trained, "apart", semantic_sample=LENDING))
    semantic.run(**study.train_options(trained, "whole", semantic=study.semantic(images=12)))
    with pytest.raises(InputError, match="source whole tells no surroundings apart; set it to map"):
        semantic_sample.run(**study.sample_options(trained, "whole", semantic_sample=LENDING))
    with pytest.raises(InputError, match="no table says which images the generator learnt; give it with --seen"):
        semantic_sample.run(**study.sample_options(trained, "borrowed", semantic_sample=LENDING, seen=None))
    with pytest.raises(ValueError, match="along is case and maps are learnt: images that were learnt lend"):
        replace(LENDING, along="case")
    with pytest.raises(ValueError, match="along is slice and maps are val: images that were learnt lend"):
        replace(LENDING, maps="val")


def test_weights_of_surroundings_that_were_told_apart_otherwise_do_not_fit(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = trained / "semantic" / "painted" / "last.safetensors"
    # As many labels, of which one is dark tissue and not the brightest group.
    padded = study.semantic(surroundings=GROUPS - 1, surroundings_padding=True, images=12)
    with pytest.raises(CheckpointError, match="surroundings are 3 groups, but 2 groups and padding are to be learnt"):
        semantic.run(**study.train_options(trained, "other", semantic=padded, start=start))
    capsys.readouterr()
    semantic.run(**study.train_options(trained, "same", semantic=study.semantic(surroundings=GROUPS), start=start))
    assert "parted at" not in capsys.readouterr().out
    options = study.train_options(trained, "of_mr", semantic=OF_MR, start=start)
    semantic.run(**options)
    assert re.search(r"parted at \d+, \d+ of 255, those learnt now at \d+, \d+", capsys.readouterr().out)


def test_maps_of_another_modality_are_left_out_of_a_split_and_refused_in_a_set(trained: Path, tmp_path: Path) -> None:
    options = study.sample_options(
        trained,
        "borrowed",
        **{
            name: tmp_path / file
            for name, file in (("index", "index.parquet"), ("grid", "s.png"), ("manifest", "m.json"))
        },
    )
    semantic_sample.run(**options | {"semantic_sample": SemanticSampleSettings(maps="test")})
    assert set(ImageSet(tmp_path / "index.parquet").column("modality")) == {"MR"}
    real = ImageSet(trained / "slices" / "index.parquet")
    of_mr = sum(real.column("modality")[real.rows_where(split="test")] == "MR")
    assert len(ImageSet(tmp_path / "index.parquet")) == 2 * of_mr
    with pytest.raises(
        InputError, match="maps of CT, but source borrowed tells surroundings apart by grey levels of MR"
    ):
        semantic_sample.run(**options | {"seen": None})


def test_samples_hold_drawn_labels_alone_and_say_whose_images_were_looked_at(trained: Path) -> None:
    made, real = (ImageSet(trained / name / "index.parquet") for name in ("samples/apart", "slices"))
    parents = [name.removeprefix("apart_").rpartition("_")[0] for name in made.column("image_id")]
    rows = np.array([real.rows_where(image_id=name)[0] for name in parents])
    np.testing.assert_array_equal(made.masks(range(len(made))), real.masks(rows))
    seen = pq.read_table(trained / "semantic" / "apart" / "seen.parquet").to_pylist()
    mask, pixels = ({row["patient"] for row in seen if row["aspect"] == name} for name in ("mask", "pixels"))
    assert mask <= pixels
    for place in ("semantic", "samples"):
        saw = saw_patients_of(trained / place / "apart" / "manifest.json")
        assert saw.patients("masks")
        assert saw.patients("masks") <= saw.patients("pixels")


@pytest.mark.parametrize("source", ["painted", "apart"])
def test_an_image_is_made_again_from_its_maps_own_image(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    root = shutil.copytree(trained, tmp_path / "study")
    name = ImageSet(root / "samples" / source / "index.parquet").column("image_id")[7]
    regenerate.run(image_id=name, results=root.parent, study=root.name)
    assert f"equal: all {study.PX * study.PX} pixels" in capsys.readouterr().out
    shutil.rmtree(root / "slices")
    study.write_images(root / "slices", brightness=60)
    regenerate.run(image_id=name, results=root.parent, study=root.name)
    assert "different: largest difference" in capsys.readouterr().out


def test_final_scores_paint_them_too(trained: Path) -> None:
    out = trained / "metrics"
    metrics = MetricsSettings(images=20)
    semantic_scores.run(**study.score_options(trained, out, metrics=metrics))
    semantic_scores.run(**study.score_options(trained, out, "apart", metrics=metrics, semantic=APART))
    saw = saw_patients_of(out / "apart.manifest.json")
    assert saw.patients("masks") <= saw.patients("pixels")
    # Masks of real images say which are scored, and which are in the floor.
    images = ImageSet(trained / "slices" / "index.parquet")
    for split in ("train", "test"):
        assert set(images.column("patient")[images.rows_where(split=split, modality="MR")]) <= saw.patients("masks")
    rows = pq.read_table(out / "painted.parquet").to_pylist()
    assert {row["label"] for row in rows if row["metric"] == "dice"} == set(study.STRUCTURES)


def test_imported_maps_have_no_surroundings_to_tell_apart(trained: Path, tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", np.minimum(discs(4), 2))
    with pytest.raises(InputError, match=r"or train with semantic\.surroundings: 0"):
        semantic_sample.run(**study.sample_options(trained, maps=maps.index, seen=None))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"surroundings": 1}, "surroundings must be 0 for none, or 2 to 8 groups, not 1"),
        ({"surroundings": 9}, "or 2 to 8 groups, not 9"),
        ({"surroundings": 3, "mode": "unpaired", "maps": "drawn"}, "maps of a folder have no images to tell"),
        ({"surroundings_from": "all"}, "surroundings_from must be one of map, images, not 'all'"),
        ({"surroundings_from": "images"}, "surroundings_from is images, but mode is paired and surroundings 0"),
        ({"surroundings_from": "images", "mode": "unpaired"}, "but mode is unpaired and surroundings 0: other images"),
        (
            {"surroundings_from": "images", "mode": "unpaired", "surroundings": 3, "map_modality": "CT"},
            "but maps are of modality CT and images of None: their grey levels are not told apart alike",
        ),
        ({"surroundings_blur_px": -1.0}, "surroundings_blur_px must be 0 or more, not -1.0"),
    ],
)
def test_impossible_settings_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SemanticSettings(**given)  # type: ignore[arg-type]
