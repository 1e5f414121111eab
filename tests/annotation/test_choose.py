"""The images that go out are representative, distinct and the same every time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from radgen.annotation.choose import Candidates, Judges, choose, look_at, representatives, share_out
from radgen.annotation.outgoing import check_classes, choose_images, outgoing_images
from radgen.annotation.settings import AnnotationSettings, at_round
from radgen.errors import ConfigError


class CountedImages:
    """A sampler whose image i of a class is filled with grey level i, in blocks of four."""

    class_names = ("a", "b")

    def block(self, class_id: int, block: int) -> Any:
        indices = np.arange(4) + 4 * block
        images = np.broadcast_to(indices[:, None, None, None], (4, 1, 3, 3)).astype(np.uint8)
        return SimpleNamespace(
            images=images, w=np.full((4, 2), class_id, np.float32), seeds=1000 * class_id + indices.astype(np.int64)
        )


class GreyLevel:
    """An encoder whose only feature is the grey level."""

    def features(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, :1].astype(np.float32)


def test_more_images_add_to_fewer() -> None:
    points = np.random.default_rng(0).standard_normal((60, 5))
    few, many = representatives(points, 10), representatives(points, 25)
    assert np.array_equal(many[:10], few)
    assert len(set(many.tolist())) == 25


def test_every_cluster_is_met_and_an_outlier_is_not_preferred() -> None:
    random = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    points = np.concatenate([centre + 0.3 * random.standard_normal((30, 2)) for centre in centres])
    points = np.concatenate([points, [[14.0, 14.0]]])
    chosen = representatives(points, 3)
    assert {int(row) // 30 for row in chosen} == {0, 1, 2}


def test_equal_points_can_all_be_chosen_once() -> None:
    assert sorted(representatives(np.ones((5, 3)), 5).tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("count", "classes"), [(40, 2), (7, 3), (2, 5)])
def test_shares_add_up_and_are_even(count: int, classes: int) -> None:
    shares = share_out(count, classes)
    assert sum(shares) == count
    assert max(shares) - min(shares) <= 1


def test_images_are_picked_out_of_their_own_block() -> None:
    settings = AnnotationSettings(count=6, candidates_per_class=10)
    choice = choose_images(CountedImages(), Judges(GreyLevel()), settings, earlier={})
    images = outgoing_images(CountedImages(), choice.chosen, lambda name, index: f"{name}{index}")
    assert [item.class_id for item in images] == [0, 0, 0, 1, 1, 1]
    for item in images:
        assert item.index < 10
        assert (item.image == item.index).all()
        assert item.seed == 1000 * item.class_id + item.index
        assert item.image_id == f"{item.class_name}{item.index}"
        assert item.reason == "coverage"


def test_a_further_round_goes_on_where_the_earlier_ones_ended() -> None:
    once = choose_images(CountedImages(), Judges(GreyLevel()), settings_of(12), earlier={})
    first = choose_images(CountedImages(), Judges(GreyLevel()), settings_of(6), earlier={})
    taken = {class_id: [index for index, _ in picked] for class_id, picked in first.chosen.items()}
    second = choose_images(CountedImages(), Judges(GreyLevel()), settings_of(6), earlier=taken)
    for class_id in (0, 1):
        indices = [index for index, _ in (*first.chosen[class_id], *second.chosen[class_id])]
        assert sorted(indices) == sorted(index for index, _ in once.chosen[class_id])
        assert len(set(indices)) == 6


def test_an_earlier_image_beyond_the_candidates_still_counts_as_chosen() -> None:
    found = look_at(CountedImages(), Judges(GreyLevel()), class_id=0, count=10, earlier=[3, 21])
    assert found.indices.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert found.earlier[:, 0].tolist() == [3, 21]


def test_the_most_uncertain_go_out_and_not_all_of_one_kind() -> None:
    # Of 32 images those from 24 on are doubtful, half of them at one place, half at another.
    features = np.r_[np.linspace(0, 1, 24), np.full(4, 5.0), np.full(4, 9.0)][:, None].astype(np.float32)
    doubt = np.r_[np.zeros(24), np.full(8, 0.5)]
    found = Candidates(np.arange(32), features, doubt, earlier=features[:0], copies=0)
    chosen = choose(found, uncertain=2, covering=3)
    assert [reason for _, reason in chosen] == ["uncertainty"] * 2 + ["coverage"] * 3
    assert sorted(index // 4 for index, _ in chosen[:2]) == [6, 7]
    assert choose(found, uncertain=0, covering=1)[0][0] < 24


def test_doubt_is_asked_class_by_class_and_shares_a_round_with_coverage() -> None:
    judges = Judges(GreyLevel(), doubt=lambda class_id, block: (np.arange(4) + 4 * block == 9 - class_id) * 1.0)
    settings = AnnotationSettings(count=4, candidates_per_class=10, uncertain_fraction=0.5)
    chosen = choose_images(CountedImages(), judges, settings, earlier={}).chosen
    for class_id in (0, 1):
        assert [reason for _, reason in chosen[class_id]] == ["uncertainty", "coverage"]
        shortlist = {9 - class_id, 0, 1, 2}  # the doubtful one, and the first of those that are equally sure
        assert chosen[class_id][0][0] in shortlist


def test_near_copies_never_go_out_and_are_counted() -> None:
    judges = Judges(GreyLevel(), is_copy=lambda images, features: features[:, 0] % 2 == 0)
    choice = choose_images(CountedImages(), judges, settings_of(10), earlier={0: [1]})
    assert all(index % 2 for picked in choice.chosen.values() for index, _ in picked)
    assert choice.copies == {"a": 8, "b": 8}
    with pytest.raises(
        ConfigError, match=r"but only 7 candidates are left \(8 more are near-copies of training images"
    ):
        choose_images(CountedImages(), judges, settings_of(16), earlier={0: [1]})


def settings_of(count: int) -> AnnotationSettings:
    return AnnotationSettings(count=count, candidates_per_class=16)


def test_too_few_candidates_and_foreign_classes_are_refused() -> None:
    settings = AnnotationSettings(count=10, candidates_per_class=4)
    with pytest.raises(ConfigError, match="5 images of a class are to be chosen, but only 4 candidates are left; rai"):
        choose_images(CountedImages(), Judges(GreyLevel()), settings, earlier={})
    with pytest.raises(ConfigError, match="the study has b, a, its generator a, b; train the generator again"):
        check_classes(CountedImages(), ("b", "a"))


def test_a_round_alone_knows_nothing_of_further_ones() -> None:
    settings = AnnotationSettings(count=40, further_rounds=(16, 8), uncertain_fraction=0.3)
    assert settings.rounds == ("round-01", "round-02", "round-03")
    assert at_round(settings, "round-01") == at_round(AnnotationSettings(count=40), "round-01")
    third = at_round(settings, "round-03")
    assert (third.count, third.uncertain_fraction, third.further_rounds) == (8, 0.3, ())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "guess"}, "source must be one of"),
        ({"count": 1}, "at least 2"),
        ({"candidates_per_class": 0}, "at least 1"),
        ({"further_rounds": (16, 1)}, "numbers of at least 2"),
        ({"uncertain_fraction": 1.5}, "between 0 and 1"),
        ({"copy_quantile": 1.0}, r"in \[0, 1\)"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnotationSettings(**values)
