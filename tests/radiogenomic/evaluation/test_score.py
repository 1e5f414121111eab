"""Tests of the evaluation itself: it finds what is planted, nothing where nothing is, and whoever is copied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.features.rows import HELD_OUT
from radgen.imageset.core import ImageSet
from radgen.imageset.writers import ShardWriter
from radgen.labels.settings import AnnotatorSettings
from radgen.radiogenomic.evaluation.coupled import CouplingScore, coupling_scores
from radgen.radiogenomic.evaluation.score import (
    Evidence,
    Judged,
    audit_rows,
    audit_spaces,
    judge,
    saliency_rows,
    swap_rows,
)
from radgen.radiogenomic.evaluation.segmented import by_patient, dice_of, teach
from radgen.radiogenomic.evaluation.settings import RadiogenomicScoresSettings
from radgen.radiogenomic.evaluation.sides import radiomic, side_of
from radgen.radiogenomic.evaluation.swap import variance_shares
from radgen.radiogenomic.evaluation.tables import Score
from radgen.radiogenomic.nodule_features import FEATURES
from tests.radiogenomic.evaluation.toys import GENES, NEW, SIZE, TRAIN, evidence, picture

SETTINGS = RadiogenomicScoresSettings(
    permutations=999,
    segmenter=AnnotatorSettings(images=480, channels=(4, 8), shift=0.0, scale=0.0),
    bootstrap_samples=50,
    profiles=4,
    backgrounds=2,
    noises=2,
)
CPU = torch.device("cpu")


def quiet(_line: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def coupled(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence(tmp_path_factory.mktemp("coupled"))


@pytest.fixture(scope="module")
def judged(coupled: Evidence) -> Judged:
    return judge(coupled, SETTINGS, CPU, quiet)


def scored(judged: Judged, metric: str, space: str = "") -> Score:
    (found,) = (score for score in judged.scores if (score.metric, score.space) == (metric, space))
    return found


def coupling_of(found: Evidence) -> list[CouplingScore]:
    new = found.generated().of(found.patients(*HELD_OUT))
    return coupling_scores(new, found.real(*HELD_OUT), SETTINGS)


@pytest.mark.parametrize("space", ["radiomic", "encoder"])
def test_planted_coupling_is_found_and_shuffled_genes_are_not(judged: Judged, space: str) -> None:
    assert scored(judged, "coupling_p", space).value < 0.01
    shuffles = scored(judged, "coupling_shuffles", space)
    assert (shuffles.low, shuffles.high, shuffles.n) == (0, 4, 20)
    assert 0 <= shuffles.value <= 4
    p = [row["p_value"] for row in judged.shuffles.to_pylist() if row["space"] == space]
    assert len(p) == 20
    assert sum(value < 0.05 for value in p) == shuffles.value
    assert "nearer to that patient's own held-out nodules" in scored(judged, "coupling_p", space).words


def test_nodules_that_follow_nothing_are_not_found_coupled(tmp_path: Path) -> None:
    for score in coupling_of(evidence(tmp_path, follows=False)):
        assert score.found.p_value > 0.05
        assert score.honest
        assert "not shown to be nearer" in score.words


def test_over_many_shuffles_p_values_are_uniform(coupled: Evidence) -> None:
    new = coupled.generated().of(coupled.patients(*HELD_OUT))
    many = RadiogenomicScoresSettings(permutations=199, shuffles=150)
    for score in coupling_scores(new, coupled.real(*HELD_OUT), many):
        for level in (0.05, 0.25, 0.5):
            # Four standard deviations of a binomial share.
            assert abs(np.mean(np.array(score.shuffled) < level) - level) < 4 * np.sqrt(level * (1 - level) / 150)


def test_measures_of_generated_nodules_agree_with_real_ones(judged: Judged) -> None:
    assert scored(judged, "agreement_r", "area_mm2").value > 0.95
    assert scored(judged, "agreement_r", "mean_hu").value > 0.9
    assert scored(judged, "agreement_r", "area_mm2").n == NEW
    assert scored(judged, "empty_masks").value == 0


def test_genes_own_the_variance_of_what_they_drive(judged: Judged, tmp_path: Path) -> None:
    assert scored(judged, "variance_genes", "area_mm2").value > 0.9
    assert scored(judged, "variance_background", "area_mm2").value < 0.05
    idle = {(row.metric, row.space): row.value for row in swap_rows(evidence(tmp_path, follows=False), SETTINGS)}
    assert idle["variance_genes", "area_mm2"] == 0
    assert idle["variance_noise", "area_mm2"] > 0.99


def test_shares_of_variance_are_those_of_the_design() -> None:
    genes, background, noise = (np.arange(n, dtype=float) for n in (4, 3, 2))
    values = (3 * genes[:, None, None] + background[None, :, None] + 0 * noise[None, None])[..., None]
    shares = variance_shares(values)[:, 0]
    expected = np.array([9 * genes.var(), background.var(), 0])
    np.testing.assert_allclose(shares, expected / expected.sum())
    assert not variance_shares(np.ones((2, 2, 2, 3))).any()


def test_copies_of_training_patients_are_told_with_a_number(judged: Judged, tmp_path: Path) -> None:
    copied = evidence(tmp_path, copies=True)
    audits = audit_spaces(copied.generated(), copied.real("train"), copied.real(*HELD_OUT), SETTINGS)
    for space, audit in audits.items():
        rows = {row.metric: row for row in audit_rows(space, audit, TRAIN)}
        assert rows["copies"].value == rows["nearest_is_own"].value == 1.0
        assert scored(judged, "copies", space).value < 0.3
        assert (
            f"With {TRAIN} training patients, memorising them is the default outcome: 100.0% of" in rows["copies"].words
        )
        assert "100% are nearest to that very patient, where chance gives 4%" in rows["copies"].words
    nearest = judged.nearest.to_pylist()
    assert {row["space"] for row in nearest} == set(audits) == {"encoder", "pixels"}
    share = np.mean([row["distance"] < row["limit"] for row in nearest if row["space"] == "pixels"])
    assert share == pytest.approx(scored(judged, "copies", "pixels").value)


def test_masks_are_judged_by_a_segmenter_of_real_nodules(judged: Judged) -> None:
    masks, real = scored(judged, "mask_dice", "generated"), scored(judged, "mask_dice", "held-out")
    assert masks.value > 0.85
    assert masks.low <= masks.value <= masks.high
    assert real.n == NEW
    assert f"Dice {masks.value:.3f}, and with held-out real ones with {real.value:.3f}" in masks.words


def test_a_wrong_mask_is_seen(coupled: Evidence, tmp_path: Path) -> None:
    segmenter = teach(coupled.nodules, np.arange(2 * TRAIN), SETTINGS.segmenter, CPU, quiet)
    image, cover = picture(np.zeros(GENES), 1)
    for name, shift in (("right", 0), ("wrong", 12)):
        with ShardWriter(tmp_path / name, "shard-000", (1, SIZE, SIZE), with_masks=True, covers=True) as writer:
            writer.append({"image_id": name, "source": "real"}, image[None], np.roll(cover, shift, axis=0))
    right, wrong = (
        dice_of(segmenter, ImageSet(tmp_path / name / "shard-000.index.parquet"), np.arange(1), CPU)[0]
        for name in ("right", "wrong")
    )
    assert right > wrong + 0.4


def test_radiomic_features_are_in_hu_and_millimetres(coupled: Evidence) -> None:
    found = radiomic(coupled.nodules, np.array([0]))[0]
    cover = coupled.nodules.covers([0])[0] / 255
    assert found[FEATURES.index("area_mm2")] == pytest.approx(cover.sum() * 1.5**2)
    hu = -1000 + coupled.nodules.images([0])[0, 0] / 255 * 1500
    assert found[FEATURES.index("mean_hu")] == pytest.approx((hu * cover).sum() / cover.sum())


def test_images_without_a_mask_are_left_out(coupled: Evidence, tmp_path: Path) -> None:
    from tests.radiogenomic.evaluation.toys import write

    small = np.full(GENES, -30.0)
    images = write(tmp_path / "few", [("a", "train", np.zeros(GENES), 1), ("b", "train", small, 2)])
    side = side_of(images, np.arange(2), images.column("patient"), coupled.network)
    assert side.rows.tolist() == [0]
    assert side.patients.tolist() == ["a"]


def test_an_interval_is_over_patients_not_images() -> None:
    values = np.array([0.0] * 30 + [1.0])
    owners = np.array(["a"] * 30 + ["b"], dtype=object)
    found = by_patient(values, owners, 200, 1)
    assert (found.mean, found.low, found.high, found.patients) == (0.5, 0.0, 1.0, 2)


def test_saliency_is_scored_where_truth_is_known() -> None:
    (score,) = saliency_rows({"a": 3.0, "b": 1.0, "c": 2.0}, {"a": "size"})
    assert (score.value, score.n) == (1.0, 3)
    assert saliency_rows({"a": 3.0}, {}) == []
