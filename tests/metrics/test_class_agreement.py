"""The share of images in which the judge sees the class that was asked for."""

from __future__ import annotations

import numpy as np
import torch

from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape
from radgen.metrics.class_agreement import class_rows
from radgen.metrics.quality import Side

NAMES = ("dark", "bright")


def _judge(*, has_classes: bool = True) -> FeatureNetwork:
    module = ConvEncoder(NetworkShape(1, 8, 8, 2, 4, NAMES, has_classes=has_classes))
    with torch.no_grad():
        module.classify.weight.copy_(torch.eye(2))
        module.classify.bias.zero_()
    return FeatureNetwork(module, "made", torch.device("cpu"))


def _side(features: list[list[float]], names: list[str]) -> Side:
    return Side(np.array(features, np.float32), np.array(names, object), np.arange(len(names)))


def test_accuracy_is_the_mean_over_classes_and_not_over_images() -> None:
    made = _side([[1, 0], [1, 0], [0, 1], [0, 1]], ["dark", "dark", "dark", "bright"])
    real = _side([[1, 0], [0, 1]], ["dark", "bright"])
    rows = class_rows("main", {"synthetic": made, "floor": real}, _judge(), NAMES)
    found = {(row["role"], row["class_name"]): (row["value"], row["n_synthetic"]) for row in rows}
    assert found["synthetic", "dark"] == (2 / 3, 3)
    assert found["synthetic", "bright"] == (1.0, 1)
    assert found["synthetic", "all"] == ((2 / 3 + 1) / 2, 4)
    assert found["floor", "all"] == (1.0, 2)


def test_a_class_without_images_and_a_judge_without_classes_give_reasons() -> None:
    made = _side([[1, 0]], ["dark"])
    rows = {row["class_name"]: row for row in class_rows("main", {"synthetic": made}, _judge(), NAMES)}
    assert (rows["bright"]["value"], rows["bright"]["reason"]) == (None, "no image of this class")
    assert rows["all"]["value"] == 1.0
    blind = class_rows("main", {"synthetic": made}, _judge(has_classes=False), NAMES)
    assert {row["reason"] for row in blind} == {"the judge learnt no classes"}
    assert class_rows("main", {"synthetic": made}, _judge(), NAMES[:1]) == []
