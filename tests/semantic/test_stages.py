"""The stages of semantic synthesis on a toy study: bytes, resuming, ancestry, what is refused and in which words."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torchvision.models import alexnet as alexnet_of
from torchvision.models import inception_v3

from radgen.cohort.settings import StructureSettings
from radgen.errors import CheckpointError, CohortError, InputError, RadgenError
from radgen.imageset.core import ImageSet
from radgen.metrics.settings import MetricsSettings
from radgen.provenance import read_manifest, saw_patients_of
from radgen.semantic.checkpoint import load_semantic
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.rows import like_maps, scored_sides, showing
from radgen.semantic.settings import SemanticSampleSettings
from radgen.sources import SourceSettings
from radgen.stages import regenerate, semantic, semantic_sample, semantic_scores
from tests.semantic import study

FILES = ("generator", "best", "last")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a toy study with a paired and an unpaired source, and samples of the paired one."""
    torch.set_num_threads(1)
    root = study.make(tmp_path_factory.mktemp("semantic"))
    semantic.run(**study.train_options(root))
    semantic.run(**study.train_options(root, "apart", semantic=study.semantic(mode="unpaired")))
    semantic_sample.run(**study.sample_options(root))
    return root


def _copied(root: Path, folder: Path) -> Path:
    return shutil.copytree(root, folder / "study")


def _bytes(root: Path, source: str = "painted") -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in (root / "semantic" / source).iterdir() if "manifest" not in path.name
    }


# ---------------------------------------------------------------- training


def test_a_larger_budget_goes_on_and_ends_as_if_trained_at_once(trained: Path, tmp_path: Path) -> None:
    more = study.semantic(images=36)
    whole = study.make(tmp_path / "whole")
    semantic.run(**study.train_options(whole, semantic=more))
    parts = _copied(trained, tmp_path)
    semantic.run(**study.train_options(parts, semantic=more))
    notes = read_manifest(parts / "semantic" / "painted" / "manifest.json")["run"]["notes"]
    assert notes["resumed_images"] == 24
    assert _bytes(parts) == _bytes(whole)


def test_a_finished_training_is_published_again(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _copied(trained, tmp_path)
    before = _bytes(root)
    shutil.rmtree(root / "semantic")
    semantic.run(**study.train_options(root))
    assert "24 images were trained before, published again" in capsys.readouterr().out
    assert _bytes(root) == before


def test_history_has_every_score_and_pairs_are_compared_in_the_paired_mode_alone(trained: Path) -> None:
    common = {"domain_fid", "dice", "dice_organ", "dice_body", "ms_ssim", "loss_generator", "loss_mask"}
    pairs = {"psnr", "rmse", "ssim", "encoder_distance"}
    metrics = {
        name: set(pq.read_table(trained / "semantic" / name / "history.parquet").column("metric").to_pylist())
        for name in ("painted", "apart")
    }
    assert common | pairs | {"loss_fake", "loss_real", "loss_label_mix"} == metrics["painted"]
    assert common | {"loss_discriminator", "loss_penalty", "loss_segmentation"} == metrics["apart"]


def test_the_best_by_the_named_score_is_published(trained: Path) -> None:
    folder = trained / "semantic" / "apart"
    table = pq.read_table(folder / "history.parquet").to_pylist()
    scores = {row["seen_images"]: row["value"] for row in table if row["metric"] == "domain_fid"}
    cards = {name: load_semantic(folder / f"{name}.safetensors", torch.device("cpu"))[1] for name in FILES}
    assert cards["best"].seen_images == cards["generator"].seen_images == min(scores, key=lambda seen: scores[seen])
    assert cards["last"].seen_images == max(scores)


def test_training_goes_on_from_other_weights_of_the_same_shape_alone(trained: Path, tmp_path: Path) -> None:
    root = _copied(trained, tmp_path)
    start = root / "semantic" / "painted" / "last.safetensors"
    tuned = {"images": 4, "tick_images": 4, "ema_half_life_images": 10**9, "ema_rampup": 1e9, "generator_rate": 1e-12}
    semantic.run(**study.train_options(root, "tuned", semantic=study.semantic(**tuned), start=start))
    before, _ = load_semantic(start, torch.device("cpu"))
    after, _ = load_semantic(root / "semantic" / "tuned" / "last.safetensors", torch.device("cpu"))
    torch.testing.assert_close(after.paint.weight, before.paint.weight)
    wider = study.SEMANTIC["networks"] | {"modulation_channels": 4}
    with pytest.raises(
        CheckpointError, match=r"init_from last.safetensors: a generator of 32 x 32 .*networks differ too"
    ):
        semantic.run(**study.train_options(root, "other", semantic=study.semantic(networks=wider), start=start))


# ---------------------------------------------------------------- who was seen


def _patients(root: Path, source: str, aspect: str, use: str = "taught") -> set[str]:
    table = pq.read_table(root / "semantic" / source / "seen.parquet").to_pylist()
    return {row["patient"] for row in table if (row["aspect"], row["use"]) == (aspect, use)}


def test_ancestry_names_every_mask_and_every_image(trained: Path) -> None:
    saw = saw_patients_of(trained / "semantic" / "painted" / "manifest.json")
    for aspect, word in (("masks", "mask"), ("pixels", "pixels")):
        both = _patients(trained, "painted", word) | _patients(trained, "painted", word, "chose")
        assert saw.patients(aspect) == both
    assert {name.split("-")[0] for name in saw.patients("masks")} == {"train", "val"}


def test_unpaired_sides_share_no_patient(trained: Path) -> None:
    masks, pixels = _patients(trained, "apart", "mask"), _patients(trained, "apart", "pixels")
    assert len(masks) == len(pixels) == study.SPLITS["train"] // 2
    assert not masks & pixels


def _learnt(root: Path, mode: str) -> list[float]:
    """Return how many maps of one epoch show each label, with maps of the organ being rare."""
    options = study.train_options(root, semantic=study.semantic(mode=mode))
    names = ("source_settings", "low", "classes", "semantic")
    rules = tuple(options[name] for name in names)
    lesson = semantic._lesson(ImageSet(options["slices"]), None, options["structures"], "painted", rules)
    maps, _ = lesson.batches(options["semantic"]).batch(0, len(lesson.sides.map_rows))
    return [float((maps == label).flatten(1).any(dim=1).float().mean()) for label in range(3)]


def _rare(row: dict[str, Any], mask: Any) -> None:
    mask[mask == 1] = 1 if row["slice_index"] == 0 else 2


def test_labels_take_turns_in_pairs_and_come_as_often_as_they_are_in_sides(tmp_path: Path) -> None:
    root = study.make(tmp_path, change=_rare)
    assert _learnt(root, "paired")[1] == pytest.approx(0.5, abs=0.02)
    assert _learnt(root, "unpaired")[1] == pytest.approx(1 / study.SLICES, abs=0.01)


@pytest.mark.parametrize("mode", ["paired", "unpaired"])
def test_scarce_labels_shows_masks_of_the_low_patients_alone(tmp_path: Path, mode: str) -> None:
    root = study.make(tmp_path)
    options = {
        "source_settings": SourceSettings(kind="semantic", setting="scarce-labels"),
        "semantic": study.semantic(mode=mode, images=4, tick_images=4),
        "low": dataclasses.replace(study.train_options(root)["low"], fraction=0.25),
    }
    semantic.run(**study.train_options(root, **options))
    few, chose = _patients(root, "painted", "mask"), _patients(root, "painted", "mask", "chose")
    assert (len(few), len(chose)) == (2, 1)
    assert len(_patients(root, "painted", "pixels")) == (2 if mode == "paired" else 6)


def test_modalities_choose_the_sides(tmp_path: Path) -> None:
    root = study.make(tmp_path, modalities=("CT", "MR"))
    settings = study.semantic(mode="unpaired", map_modality="CT", image_modality="MR", images=4, tick_images=4)
    semantic.run(**study.train_options(root, semantic=settings))
    masks, pixels = _patients(root, "painted", "mask"), _patients(root, "painted", "pixels")
    assert {int(name[-1]) % 2 for name in masks} == {0}
    assert {int(name[-1]) % 2 for name in pixels} == {1}
    semantic_sample.run(**study.sample_options(root))
    made = ImageSet(root / "samples" / "painted" / "index.parquet")
    assert set(made.column("modality")) == {"MR"}


def _dealt_by_hand(row: dict[str, Any], mask: Any) -> None:
    if row["split"] == "train" and int(row["patient"][-1]) >= 6:
        row["split"] = "generator"


def test_people_dealt_by_hand_stay_on_their_side(tmp_path: Path) -> None:
    root = study.make(tmp_path, change=_dealt_by_hand)
    settings = study.semantic(mode="unpaired", image_split="generator", images=4, tick_images=4)
    semantic.run(**study.train_options(root, semantic=settings))
    assert {int(name[-1]) for name in _patients(root, "painted", "mask")} == set(range(6))
    assert {int(name[-1]) for name in _patients(root, "painted", "pixels")} == {6, 7}


# ---------------------------------------------------------------- samples


def test_samples_carry_their_maps_and_who_is_behind_them(trained: Path) -> None:
    made, real = (ImageSet(trained / name / "index.parquet") for name in ("samples/painted", "slices"))
    assert len(made) == 12
    assert made.image_shape == (1, study.PX, study.PX)
    parents = [name.removeprefix("painted_").rpartition("_")[0] for name in made.column("image_id")]
    rows = np.array([real.rows_where(image_id=name)[0] for name in parents])
    np.testing.assert_array_equal(made.masks(range(12)), real.masks(rows))
    assert set(made.column("split")) == {"synthetic"}
    assert set(made.column("patient")) == {None}
    np.testing.assert_array_equal(made.column("series"), real.column("series")[rows])
    assert len(set(made.column("seed"))) == 12
    saw = saw_patients_of(trained / "samples" / "painted" / "manifest.json")
    assert saw.patients("masks") == saw_patients_of(trained / "semantic" / "painted" / "manifest.json").patients(
        "masks"
    )


def test_maps_of_held_out_patients_are_named_in_the_ancestry(trained: Path, tmp_path: Path) -> None:
    root = _copied(trained, tmp_path)
    semantic_sample.run(**study.sample_options(root, semantic_sample=SemanticSampleSettings(maps="test", most_maps=9)))
    saw = saw_patients_of(root / "samples" / "painted" / "manifest.json")
    assert "test-patient-0" in saw.patients("masks")
    assert "test-patient-0" not in saw.patients("pixels")


def test_an_image_is_itself_in_any_set(trained: Path, tmp_path: Path) -> None:
    root = _copied(trained, tmp_path)
    before = ImageSet(trained / "samples" / "painted" / "index.parquet")
    few = SemanticSampleSettings(most_maps=6, rows_per_shard=5)
    semantic_sample.run(**study.sample_options(root, semantic_sample=few, per_map=3))
    after = ImageSet(root / "samples" / "painted" / "index.parquet")
    rows = np.array([after.rows_where(image_id=name)[0] for name in before.column("image_id")])
    np.testing.assert_array_equal(after.images(rows), before.images(range(len(before))))


def test_slices_of_a_case_share_noise_where_asked(trained: Path, tmp_path: Path) -> None:
    root = _copied(trained, tmp_path)
    case = SemanticSampleSettings(most_maps=28, along="case")
    semantic_sample.run(**study.sample_options(root, semantic_sample=case))
    made = ImageSet(root / "samples" / "painted" / "index.parquet")
    volumes = set(zip(made.column("series"), made.column("seed"), strict=True))
    assert len(volumes) == 2 * len(set(made.column("series"))) < len(made)


def test_regenerate_makes_a_painted_image_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = trained / "samples" / "painted" / "index.parquet"
    name = ImageSet(index).column("image_id")[7]
    regenerate.run(image_id=name, results=trained.parent, study=trained.name)  # as the gallery prints it
    assert f"equal: all {study.PX * study.PX} pixels" in capsys.readouterr().out


def test_regenerate_works_in_the_precision_of_the_set(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = _copied(trained, tmp_path)
    rough = SemanticSampleSettings(most_maps=6, precision="bf16")
    semantic_sample.run(**study.sample_options(root, semantic_sample=rough))
    made, exact = (ImageSet(one / "samples" / "painted" / "index.parquet") for one in (root, trained))
    unlike = (made.images(range(12)) != exact.images(range(12))).any(axis=(1, 2, 3))
    name = made.column("image_id")[int(unlike.argmax())]
    assert unlike.any()
    regenerate.run(image_id=name, results=root.parent, study=root.name)
    assert f"equal: all {study.PX * study.PX} pixels" in capsys.readouterr().out


# ---------------------------------------------------------------- final scores


def _scored(trained: Path, out: Path, metrics: MetricsSettings) -> dict[tuple[str, str, str], float]:
    """Score the painted source into a folder; return the values by metric, structure and role."""
    semantic_scores.run(**study.score_options(trained, out, metrics=metrics))
    rows = pq.read_table(out / "painted.parquet").to_pylist()
    return {(row["metric"], row["label"], row["role"]): row["value"] for row in rows}


def test_scores_stand_beside_what_real_images_reach(trained: Path) -> None:
    out = trained / "metrics"
    found = _scored(trained, out, MetricsSettings(images=20))
    assert {key[2] for key in found if key[0] == "judge_fd"} == {"synthetic", "floor"}
    assert {key[1:] for key in found if key[0] == "dice"} == {
        (name, role) for name in study.STRUCTURES for role in ("synthetic", "real", "outline")
    }
    assert all(0 <= found["dice", name, "outline"] <= 1 for name in study.STRUCTURES)
    # Toy bodies are bright on black: their outline is the mask's, while an untrained generator fills the picture.
    assert found["body_distance_px", "", "real"] < 1 < found["body_distance_px", "", "synthetic"]
    assert {"psnr", "rmse", "ssim", "ms_ssim"} <= {key[0] for key in found}
    assert not {"fid", "lpips", "alexnet_distance"} & {key[0] for key in found}
    saw = saw_patients_of(out / "painted.manifest.json")
    assert "test-patient-0" in saw.patients("masks")


def test_networks_of_files_give_fid_and_a_perceptual_distance(trained: Path, tmp_path: Path) -> None:
    inception, alexnet = tmp_path / "inception.pth", tmp_path / "alexnet.pth"
    torch.manual_seed(0)
    network = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    torch.save(network.state_dict(), inception)
    torch.save(alexnet_of(weights=None).features.state_dict(prefix="features."), alexnet)
    files = MetricsSettings(images=4, inception_weights=str(inception), alexnet_weights=str(alexnet))
    found = _scored(trained, tmp_path / "metrics", files)
    assert {role for metric, _, role in found if metric == "fid"} == {"synthetic", "floor"}
    assert found["fid", "", "synthetic"] != found["fid", "", "floor"]
    assert found["alexnet_distance", "", "synthetic"] > 0
    what = read_manifest(tmp_path / "metrics" / "painted.manifest.json")["what"]
    assert {"network/inception", "network/alexnet"} <= set(what["inputs"])
    assert str(tmp_path) not in str(what)


# ---------------------------------------------------------------- refusals


def _empty(row: dict[str, Any], mask: Any) -> None:
    mask[:] = 0


def _some_empty(row: dict[str, Any], mask: Any) -> None:
    if row["image_id"] == "train3-0005":
        mask[:] = 0


def test_a_map_of_background_alone_teaches_nothing_and_is_not_painted_on(trained: Path, tmp_path: Path) -> None:
    root = study.make(tmp_path / "some", change=_some_empty)
    semantic.run(**study.train_options(root, semantic=study.semantic(images=4, tick_images=4)))
    notes = read_manifest(root / "semantic" / "painted" / "manifest.json")["run"]["notes"]
    assert (notes["maps"], notes["empty_maps_left_out"]) == (111, 1)
    nothing = study.make(tmp_path / "nothing", change=_empty)
    shutil.copytree(trained / "semantic", nothing / "semantic")
    with pytest.raises(InputError, match=r"map train0-0000 and 223 others of 224 are background alone"):
        semantic_sample.run(**study.sample_options(nothing, seen=None))


def _test_empty(row: dict[str, Any], mask: Any) -> None:
    if row["image_id"] == "test3-0005":
        mask[:] = 0


def test_a_map_of_background_alone_is_not_scored(tmp_path: Path) -> None:
    images = ImageSet(study.write_images(tmp_path, change=_test_empty))
    schema = MapSchema.of_structures(study.STRUCTURES)
    for mode in ("paired", "unpaired"):
        sides, empty = showing(scored_sides(images, study.semantic(mode=mode)), schema)
        assert (len(sides.map_rows), empty) == (55, 1)
        assert "test3-0005" not in images.column("image_id")[sides.map_rows]
        assert len(sides.image_rows) == (55 if mode == "paired" else 56)
        # Else the judge would tell slices without an organ from slices with one, however well images are painted.
        alike = like_maps(images, sides.image_rows, schema)
        assert len(alike) == 55
        assert "test3-0005" not in images.column("image_id")[alike]


def _first_slices_empty(row: dict[str, Any], mask: Any) -> None:
    if row["image_id"].endswith("-0000"):
        mask[:] = 0


@pytest.mark.parametrize("mode", ["paired", "unpaired"])
def test_real_slices_without_a_structure_are_in_neither_reference_nor_floor(
    trained: Path, tmp_path: Path, mode: str
) -> None:
    root = study.make(tmp_path / "some", change=_first_slices_empty)
    shutil.copytree(trained / "semantic", root / "semantic")
    options = study.score_options(
        root, tmp_path, semantic=study.semantic(mode=mode), metrics=MetricsSettings(images=1000)
    )
    semantic_scores.run(**options)
    images = ImageSet(root / "slices" / "index.parquet")
    real = {split: len(images.rows_where(split=split)) for split in ("train", "test")}
    empty = {split: len(set(images.column("patient")[images.rows_where(split=split)])) for split in real}
    rows = pq.read_table(tmp_path / "painted.parquet").to_pylist()
    counts = {(row["metric"], row["role"]): row["n"] for row in rows}
    assert counts["dice", "real"] == real["test"] - empty["test"]
    assert counts["judge_fd", "floor"] == real["train"] - empty["train"]
    notes = read_manifest(tmp_path / "painted.manifest.json")["run"]["notes"]
    left_out = empty["test"] if mode == "unpaired" else 0  # in the paired mode they went with their maps
    assert (notes["empty_maps_left_out"], notes["empty_images_left_out"]) == (empty["test"], left_out)


def test_images_that_nobody_drew_on_are_all_scored(tmp_path: Path) -> None:
    images = ImageSet(study.write_images(tmp_path, change=_empty))
    rows = images.rows_where(split="test")
    assert like_maps(images, rows, MapSchema.of_structures(study.STRUCTURES)).tolist() == rows.tolist()


def _unknown(row: dict[str, Any], mask: Any) -> None:
    mask[0, 0] = 255 if row["image_id"] == "train3-0005" else 0


def _spacing(row: dict[str, Any], mask: Any) -> None:
    if row["modality"] == "MR":
        row["spacing_row_mm"] = row["spacing_col_mm"] = 2.0


@pytest.mark.parametrize(
    ("given", "changes", "error", "message"),
    [
        ({"change": _empty}, {}, InputError, r"map train0-0000 and 111 others of 112 are background alone"),
        (
            {"change": _unknown},
            {},
            InputError,
            r"map train3-0005 and 0 others of 112 hold id 255 \(1 pixels\), but structures.names knows 0, 1, 2; if",
        ),
        (
            {},
            {"semantic": study.semantic(mode="unpaired", image_modality="MR")},
            CohortError,
            r"side B \(images\) of modality MR is empty: .* has 112 images of 8 patients .*by modality: 112 of CT",
        ),
        (
            {"change": _spacing, "modalities": ("CT", "MR")},
            {"semantic": study.semantic(mode="unpaired", map_modality="CT", image_modality="MR")},
            InputError,
            r"are 1.5 x 1.5 mm, but pixels of .* are 2 x 2 mm; make both with one field of view",
        ),
        (
            {},
            {"structures": StructureSettings(names=("organ",))},
            InputError,
            r"hold id 2 \(.* pixels\), but structures.names knows 0, 1; name it there, or change the maps",
        ),
    ],
    ids=["background alone", "unknown id", "empty side B", "other spacing", "another schema"],
)
def test_unfit_maps_and_sides_end_in_one_sentence(
    tmp_path: Path, given: dict[str, Any], changes: dict[str, Any], error: type[RadgenError], message: str
) -> None:
    root = study.make(tmp_path, **given)
    with pytest.raises(error, match=message):
        semantic.run(**study.train_options(root, **changes))
    assert not (root / "semantic").exists()
