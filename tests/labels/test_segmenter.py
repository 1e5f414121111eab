"""The simulated annotator learns, keeps masks on their images, and never sees the patients it is scored on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.errors import CheckpointError, CohortError
from radgen.imageset.core import ImageSet
from radgen.labels.augment import augment
from radgen.labels.overlap import dice_cross_entropy, score_structures
from radgen.labels.segmenter import (
    Segmenter,
    SegmenterShape,
    check_segmenter,
    load_segmenter,
    predict,
    save_segmenter,
    to_network,
)
from radgen.labels.settings import AnnotatorSettings
from radgen.labels.teach import annotator_rows, draw_shares, held_out_patients, score_segmenter, teach_segmenter
from tests.labels.toys import CPU, STRUCTURES, real_pictures, write_real

SMALL = AnnotatorSettings(images=1600, batch_size=16, channels=(8, 16), learning_rate=1e-2, validation_fraction=0.34)
STILL = replace(SMALL, shift=0, scale=0, rotation_degrees=0, contrast=0, noise=0)


def _segmenter(seed: int = 0) -> Segmenter:
    torch.manual_seed(seed)
    return Segmenter(SegmenterShape(1, (8, 16, 16), ("background", "a", "b"))).eval()


def test_default_network_is_small() -> None:
    shape = SegmenterShape(1, AnnotatorSettings().channels, ("background", *"abcdefgh"))
    assert sum(parameter.numel() for parameter in Segmenter(shape).parameters()) <= 500_000


def test_segmenter_learns_a_toy(tmp_path: Path) -> None:
    images = ImageSet(write_real(tmp_path))
    rows = annotator_rows(images, SMALL)
    lines: list[str] = []
    segmenter = teach_segmenter(images, rows.teaching, STRUCTURES, SMALL, device=CPU, say=lines.append)
    scores = score_segmenter(segmenter, images, rows.held_out, STRUCTURES, CPU)
    assert scores[0].dice > 0.9
    assert scores[1].dice > 0.6
    assert scores[1].found == 1
    assert lines[-1].startswith("annotator: step 100 of 100, loss")


def test_same_seed_same_weights(tmp_path: Path) -> None:
    images = ImageSet(write_real(tmp_path))
    rows = annotator_rows(images, SMALL).teaching
    short = replace(SMALL, images=64)
    one, two, other = (
        teach_segmenter(images, rows, STRUCTURES, replace(short, seed=seed), device=CPU, say=lambda _: None)
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.paint.weight, other.paint.weight)


def test_no_patient_teaches_and_scores(tmp_path: Path) -> None:
    images = ImageSet(write_real(tmp_path))
    rows = annotator_rows(images, SMALL)
    patients, split = images.column("patient"), images.column("split")
    assert not set(patients[rows.teaching]) & set(patients[rows.held_out])
    assert set(split[rows.teaching]) | set(split[rows.held_out]) == {"annotator"}
    assert len(rows.teaching) + len(rows.held_out) == (split == "annotator").sum()


@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_held_out_patients_are_some_but_not_all(count: int) -> None:
    patients = [f"p{number}" for number in range(count)]
    held = held_out_patients(patients, 0.2, 1)
    assert 1 <= len(held) < count
    assert held == held_out_patients(reversed(patients), 0.2, 1)


def test_too_few_patients_are_refused(tmp_path: Path) -> None:
    images = ImageSet(write_real(tmp_path, patients=2))
    with pytest.raises(CohortError, match=r"at least 2 patients of split annotator.*there are 1 patients with masks"):
        annotator_rows(images, SMALL)


def test_rare_structures_are_drawn_more_often(tmp_path: Path) -> None:
    images = ImageSet(write_real(tmp_path))
    rows = np.arange(len(images))
    shares = draw_shares(images, rows, 3)
    holds = (images.masks(rows) == 2).any(axis=(1, 2))
    assert shares.sum() == pytest.approx(1)
    assert shares[holds].min() > shares[~holds].max() > 0


def test_image_is_painted_the_same_whatever_lies_beside_it() -> None:
    images, _ = real_pictures(21, seed=1)
    together = predict(_segmenter(), images, CPU)
    alone = np.concatenate([predict(_segmenter(), images[place : place + 1], CPU) for place in range(21)])
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("side", [(16, 16), (13, 18), (5, 4)])
def test_any_size_is_painted_in_its_own_size(side: tuple[int, int]) -> None:
    assert _segmenter()(torch.zeros(2, 1, *side)).shape == (2, 3, *side)


def test_without_reach_nothing_moves() -> None:
    images, masks = real_pictures(6, seed=2)
    pictures = to_network(images)
    changed, painted = augment(pictures, torch.from_numpy(masks).long(), STILL, torch.Generator().manual_seed(3))
    assert torch.equal(painted, torch.from_numpy(masks).long())
    sharp = [place for place in range(6) if torch.allclose(changed[place], pictures[place], atol=1e-5)]
    assert len(sharp) >= 2  # the others were only blurred


def test_masks_follow_their_images() -> None:
    images, masks = real_pictures(32, seed=3)
    moved, painted = augment(
        to_network(images),
        torch.from_numpy(masks).long(),
        replace(STILL, shift=0.2, scale=0.2, rotation_degrees=30),
        torch.Generator().manual_seed(0),
    )
    bright = moved[:, 0] > -0.4
    assert not torch.equal(painted, torch.from_numpy(masks).long())
    agreement = 2 * (bright & (painted > 0)).sum() / (bright.sum() + (painted > 0).sum())
    assert agreement > 0.85


def test_no_label_is_invented_between_two() -> None:
    masks = torch.zeros(8, 16, 16, dtype=torch.int64)
    masks[:, 5:11, 5:11] = 4
    _, painted = augment(torch.zeros(8, 1, 16, 16), masks, AnnotatorSettings(), torch.Generator().manual_seed(0))
    assert set(painted.unique().tolist()) == {0, 4}


def test_sides_are_never_swapped() -> None:
    left = torch.full((64, 1, 16, 16), -1.0)
    left[..., :4] = 1
    masks = (left[:, 0] > 0).long()
    _, painted = augment(left, masks, AnnotatorSettings(), torch.Generator().manual_seed(0))
    assert painted[..., 8:].sum() == 0
    assert (painted[..., :8].sum(dim=(1, 2)) > 0).all()


def test_loss_falls_with_agreement() -> None:
    masks = torch.randint(0, 3, (2, 8, 8), generator=torch.Generator().manual_seed(0))
    right = 8 * torch.nn.functional.one_hot(masks, 3).permute(0, 3, 1, 2).float()
    assert dice_cross_entropy(right, masks) < 0.05
    assert dice_cross_entropy(torch.zeros_like(right), masks) > 1
    assert dice_cross_entropy(right, (masks + 1) % 3) > dice_cross_entropy(torch.zeros_like(right), masks)


def test_scores_of_known_masks() -> None:
    truth = np.zeros((3, 4, 4), dtype=np.uint8)
    truth[0, :2] = 1
    truth[1, 0, 0] = 1
    painted = np.zeros_like(truth)
    painted[0, :1] = 1
    painted[2, 3, 3] = 1
    first, second = score_structures(painted, truth, ("a", "b"))
    assert first.dice == pytest.approx((2 * 4 / 12 + 0) / 2)
    assert (first.n, first.found, first.n_without, first.false_alarms) == (2, 0.5, 1, 1.0)
    assert second.n == 0
    assert np.isnan(second.dice)


def test_file_keeps_the_segmenter(tmp_path: Path) -> None:
    segmenter = _segmenter()
    save_segmenter(segmenter, tmp_path / "a.safetensors")
    images, _ = real_pictures(4, seed=5)
    loaded = load_segmenter(tmp_path / "a.safetensors", CPU)
    assert np.array_equal(predict(loaded, images, CPU), predict(segmenter, images, CPU))
    (tmp_path / "a.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"not a segmenter of radgen .* run the annotator stage again"):
        load_segmenter(tmp_path / "a.safetensors", CPU)


def test_segmenter_of_other_labels_is_refused() -> None:
    with pytest.raises(CheckpointError, match="paints background, a, b, but the study's labels are background, a"):
        check_segmenter(_segmenter().shape, ("background", "a"))
