"""Training is a function of its seed, learns classes, and leaves standardised features."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import TrainingError
from radgen.features.embed import accuracies, features_of, fit_probe, probabilities_of
from radgen.features.network import ConvEncoder, FeatureNetwork
from radgen.features.rows import TrainingRows, class_ids, source_rows
from radgen.features.train import HistoryRow, Lesson, choose_objective, train_network
from radgen.imageset.core import ImageSet
from radgen.sources import SourceSettings
from tests.features.toys import CLASSES, ENCODER, JUDGE

CPU = torch.device("cpu")


def _rows(images: ImageSet, setting: str = "shared") -> TrainingRows:
    return source_rows(images, SourceSettings(setting=setting), LowSettings(fraction=0.25), CLASSES)


def _train(images: ImageSet, objective: str, budget: int, **changes: object) -> tuple[ConvEncoder, list[HistoryRow]]:
    settings = dataclasses.replace(ENCODER if objective == "classes" else JUDGE, images=budget, **changes)
    return train_network(Lesson(images, _rows(images), CLASSES, objective), settings, CPU, lambda _: None)


@pytest.fixture(scope="module")
def encoder(toy_images: ImageSet) -> tuple[ConvEncoder, list[HistoryRow]]:
    return _train(toy_images, "classes", ENCODER.images)


def test_the_encoder_learns_the_classes_of_other_patients(encoder: tuple[ConvEncoder, list[HistoryRow]]) -> None:
    scores = {(split, metric): value for _, split, metric, value in encoder[1]}
    assert scores["val", "balanced_accuracy"] > 0.9


def test_history_counts_images_and_falls(encoder: tuple[ConvEncoder, list[HistoryRow]]) -> None:
    losses = [(seen, value) for seen, _, metric, value in encoder[1] if metric == "loss"]
    assert [seen for seen, _ in losses] == [1_216, 2_400]  # reported at the end of the step that passes 1,200
    assert losses[-1][1] < losses[0][1]


def test_features_are_standardised_on_training_images(
    encoder: tuple[ConvEncoder, list[HistoryRow]], toy_images: ImageSet
) -> None:
    values = features_of(FeatureNetwork(encoder[0], "", CPU), toy_images, _rows(toy_images).pixels)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("objective", ["classes", "views", "both"])
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(toy_images: ImageSet, objective: str) -> None:
    one, two, other = (_train(toy_images, objective, 192, seed=seed)[0].state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["project.weight"], other["project.weight"])


def test_training_leaves_the_global_generator_alone(toy_images: ImageSet) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    _train(toy_images, "classes", 64)
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_is_not_finite_stops_with_the_images_seen(toy_images: ImageSet) -> None:
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) after \d+ images at rate .*; lower learning_rate"):
        _train(toy_images, "classes", 2_000, learning_rate=1e30)


def test_objectives_follow_the_labels_that_may_be_used(toy_images: ImageSet) -> None:
    shared, scarce = _rows(toy_images), _rows(toy_images, "scarce-labels")
    one = ClassSettings(by="folder", names=("spot",))
    alone = source_rows(toy_images, SourceSettings(), LowSettings(), one)
    chosen = {
        "shared": choose_objective("auto", shared, toy_images, CLASSES)[0],
        "scarce": choose_objective("auto", scarce, toy_images, CLASSES)[0],
        "one class": choose_objective("auto", alone, toy_images, one)[0],
        "judge": choose_objective("both", shared, toy_images, CLASSES)[0],
        "judge of one class": choose_objective("both", alone, toy_images, one)[0],
    }
    assert chosen == {
        "shared": "classes",
        "scarce": "views",
        "one class": "views",
        "judge": "both",
        "judge of one class": "views",
    }
    with pytest.raises(TrainingError, match=r"labelled images are of 1 class\(es\)"):
        choose_objective("classes", alone, toy_images, one)


def test_without_labels_there_are_no_probabilities_and_with_few_there_are(toy_images: ImageSet) -> None:
    rows = _rows(toy_images, "scarce-labels")
    settings = dataclasses.replace(ENCODER, images=64)
    unlabelled = TrainingRows(rows.pixels, rows.labelled[:0], few_labels=True)
    network, history = train_network(Lesson(toy_images, unlabelled, CLASSES, "views"), settings, CPU, lambda _: None)
    assert not network.shape.has_classes
    assert {metric for _, _, metric, _ in history} == {"loss"}
    network, history = train_network(Lesson(toy_images, rows, CLASSES, "views"), settings, CPU, lambda _: None)
    assert network.shape.has_classes
    assert ("val", "accuracy") in {(split, metric) for _, split, metric, _ in history}


def test_the_probe_separates_what_is_linearly_separable_however_rare() -> None:
    rng = np.random.default_rng(0)
    ids = (rng.random(400) < 0.05).astype(np.int64)
    features = rng.standard_normal((400, 6)).astype(np.float32)
    features[:, 0] += 6 * ids
    probe = fit_probe(features, ids, 2)
    with torch.no_grad():
        found = probe(torch.from_numpy(features)).softmax(dim=1).numpy()
    assert accuracies(found, ids)[1] > 0.97


def test_a_network_of_one_class_is_sure_of_it(toy_images: ImageSet) -> None:
    one = ClassSettings(by="folder", names=("spot",))
    rows = source_rows(toy_images, SourceSettings(), LowSettings(), one)
    network, _ = train_network(
        Lesson(toy_images, rows, one, "views"), dataclasses.replace(ENCODER, images=64), CPU, lambda _: None
    )
    found = probabilities_of(FeatureNetwork(network, "", CPU), toy_images, rows.labelled[:5])
    np.testing.assert_array_equal(found, np.ones((5, 1)))
    assert set(class_ids(toy_images, rows.labelled, one)) == {0}
