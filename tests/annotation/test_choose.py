"""The images that go out are representative, distinct and the same every time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from radgen.annotation.choose import choose_indices, representatives, share_out
from radgen.annotation.outgoing import outgoing_images
from radgen.annotation.settings import AnnotationSettings
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
    images = outgoing_images(CountedImages(), GreyLevel(), ("a", "b"), settings, lambda name, index: f"{name}{index}")
    assert [item.class_id for item in images] == [0, 0, 0, 1, 1, 1]
    for item in images:
        assert item.index < 10
        assert (item.image == item.index).all()
        assert item.seed == 1000 * item.class_id + item.index
        assert item.image_id == f"{item.class_name}{item.index}"


def test_too_few_candidates_and_foreign_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="5 images of class 0 are to be chosen among 4 candidates; raise"):
        choose_indices(CountedImages(), GreyLevel(), class_id=0, candidates=4, count=5)
    with pytest.raises(ConfigError, match="the study has b, a, its generator a, b; train the generator again"):
        outgoing_images(CountedImages(), GreyLevel(), ("b", "a"), AnnotationSettings(), lambda name, index: name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": "guess"}, "source must be one of"),
        ({"count": 1}, "at least 2"),
        ({"candidates_per_class": 0}, "at least 1"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnotationSettings(**values)
