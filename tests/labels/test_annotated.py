"""Annotated images are drawn again exactly, and a generator that has changed is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from radgen.errors import AnnotationError, CheckpointError
from radgen.gan.sampling import load_sampler
from radgen.imageset.core import ImageSet
from radgen.labels.annotated import PackFacts, fold_rows, held_out_rows, read_pack_facts, redraw
from radgen.labels.digests import rows_digest
from radgen.provenance import digest_file
from tests.labels.toys import CPU, SIDE, make_annotation, paint_by_grey, save_generator_file


@pytest.fixture(scope="module")
def annotation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    folder = tmp_path_factory.mktemp("annotation")
    weights = save_generator_file(folder / "generator.safetensors")
    return (weights, *make_annotation(folder, weights))


def _facts(annotation: tuple[Path, Path, Path]) -> PackFacts:
    return read_pack_facts(annotation[1], digest_file(annotation[0]))


def test_features_belong_to_the_annotated_images(annotation: tuple[Path, Path, Path]) -> None:
    weights, _, index = annotation
    facts, images = _facts(annotation), ImageSet(index)
    sampler = load_sampler(weights, seed=facts.sampler_seed, truncation=facts.truncation, device=CPU)
    found = redraw(sampler, facts, images)
    assert found.largest_difference == 0
    assert len(found) == 12
    assert list(found.image_ids) == sorted(images.column("image_id"))
    features = found.features([7, 2])
    assert {name: maps.shape[1] for name, maps in features.items()} == sampler.feature_channels
    assert [maps.shape[-1] for maps in features.values()] == [4, 8, SIDE]
    row = facts.rows[found.image_ids[7]]
    block = sampler.block(row["class_id"], row["index"] // 16, with_features=True)
    for name, maps in features.items():
        torch.testing.assert_close(maps[0], block.features[name][row["index"] % 16], rtol=1e-4, atol=1e-4)
    assert np.array_equal(found.masks[7].numpy(), paint_by_grey(block.images[row["index"] % 16][None])[0])
    assert int(found.class_ids[7]) == row["class_id"]


def test_pack_of_another_generator_is_refused(annotation: tuple[Path, Path, Path]) -> None:
    with pytest.raises(CheckpointError, match=r"was made with generator .*, but the generator is now other; masks"):
        read_pack_facts(annotation[1], "other")


def test_images_that_come_out_otherwise_are_refused(annotation: tuple[Path, Path, Path], tmp_path: Path) -> None:
    other = load_sampler(
        save_generator_file(tmp_path / "other.safetensors", seed=9), seed=3, truncation=0.9, device=CPU
    )
    with pytest.raises(CheckpointError, match=r"drawn again, it differs .* by up to \d+ grey levels .* has changed"):
        redraw(other, _facts(annotation), ImageSet(annotation[2]))


def test_other_seeds_are_refused(annotation: tuple[Path, Path, Path]) -> None:
    sampler = load_sampler(annotation[0], seed=4, truncation=0.9, device=CPU)
    with pytest.raises(CheckpointError, match=r"has seed \d+, not \d+; the generator has changed"):
        redraw(sampler, _facts(annotation), ImageSet(annotation[2]))


def test_annotated_images_must_come_from_the_pack(annotation: tuple[Path, Path, Path]) -> None:
    facts = _facts(annotation)
    few = replace(facts, rows=dict(list(facts.rows.items())[:3]))
    sampler = load_sampler(annotation[0], seed=3, truncation=0.9, device=CPU)
    with pytest.raises(AnnotationError, match="9 of 12 annotated images are not in the pack, such as toy_"):
        redraw(sampler, few, ImageSet(annotation[2]))


def test_damaged_pack_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pack.parquet"
    path.write_bytes(b"x")
    with pytest.raises(AnnotationError, match=r"pack.parquet: not a readable pack .*; run annotate-pack again"):
        read_pack_facts(path, "g")
    with pytest.raises(AnnotationError, match="not a readable pack"):
        read_pack_facts(tmp_path / "absent.parquet", "g")


def test_every_class_teaches_and_is_checked() -> None:
    class_ids = torch.tensor([0] * 9 + [1] * 2 + [2])
    held = held_out_rows(class_ids, 0.2, 5, list(range(12))[::-1])
    assert held.shape == (5, 12)
    assert held.sum(axis=0).tolist() == [1] * 11 + [0]  # each by one member; the only one of its class by none
    assert [int(row[class_ids == 0].sum()) for row in held] == [2, 2, 2, 2, 1]
    for row in held:
        assert set(class_ids[torch.from_numpy(~row)].tolist()) == {0, 1, 2}


def test_one_image_teaches_and_nothing_is_held_out() -> None:
    assert not held_out_rows(torch.tensor([1]), 0.5, 3, [0]).any()


def test_more_members_than_parts_hold_out_the_first_parts_again() -> None:
    held = held_out_rows(torch.zeros(6, dtype=torch.int64), 0.34, 5, [5, 4, 3, 2, 1, 0])
    assert held.sum(axis=1).tolist() == [2] * 5
    assert np.array_equal(held[0], held[3])
    assert np.flatnonzero(held[1]).tolist() == [1, 4]


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_every_row_is_left_out_once_and_classes_are_shared_out(folds: int) -> None:
    class_ids = torch.tensor([0] * 9 + [1] * 4)
    parts = fold_rows(class_ids, folds, list(range(13))[::-1])
    assert sorted(row for part in parts for row in part) == list(range(13))
    sizes = [int((class_ids[part] == 0).sum()) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_digest_sees_every_pixel_mask_and_row(annotation: tuple[Path, Path, Path], tmp_path: Path) -> None:
    images = ImageSet(annotation[2])
    rows = np.arange(len(images))
    whole = rows_digest(images, rows, with_masks=True)
    assert whole == rows_digest(ImageSet(annotation[2]), rows, with_masks=True)
    assert (
        len({whole, rows_digest(images, rows, with_masks=False), rows_digest(images, rows[:-1], with_masks=True)}) == 3
    )
    for name in ("shard-000.masks.arrow", "shard-000.images.arrow"):
        for file in annotation[2].parent.glob("*.*"):
            if file.is_file():
                (tmp_path / file.name).write_bytes(file.read_bytes())
        changed = bytearray((tmp_path / name).read_bytes())
        last = changed.rfind(
            ImageSet(annotation[2]).masks([11]).tobytes() if "masks" in name else images.images([11]).tobytes()
        )
        changed[last] ^= 1
        (tmp_path / name).write_bytes(bytes(changed))
        assert rows_digest(ImageSet(tmp_path / "index.parquet"), rows, with_masks=True) != whole


def test_pack_table_has_the_columns_that_are_read(annotation: tuple[Path, Path, Path]) -> None:
    assert pq.read_schema(annotation[1]).names == [
        "image_id",
        "class_name",
        "class_id",
        "index",
        "seed",
        "sampler_seed",
        "truncation",
        "generator",
        "w",
        "round",
        "reason",
    ]
