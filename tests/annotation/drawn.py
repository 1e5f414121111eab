"""Helpers for tests of readers of shapes: the pack that the fixtures belong to, and what a reader's layers paint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.returned import Returned
from radgen.annotation.schema import label_schema
from tests.annotation.fixtures.truth import IMAGES, SHAPE

FIXTURES = Path(__file__).parent / "fixtures"
LABELS = label_schema(("liver", "lesion"))
SIZES = dict.fromkeys(IMAGES, SHAPE)


def paint(returned: Returned) -> NDArray[np.uint8]:
    """Paint the layers over one another: label ids [H, W]."""
    painted = np.zeros(returned.shape, np.uint8)
    for layer in returned.layers:
        assert layer.inside.shape == returned.shape
        assert layer.inside.dtype == np.bool_
        painted[layer.inside] = layer.label_id
    return painted


def over(*regions: tuple[int, NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """Paint masks over one another: what `paint` should give."""
    painted = np.zeros(SHAPE, np.uint8)
    for label_id, inside in regions:
        painted[inside] = label_id
    return painted


def far_from_outline(points: NDArray[np.float64], shape: tuple[int, int], distance_px: float) -> NDArray[np.bool_]:
    """Tell which pixels' centres are farther than a distance from a closed outline; bool [H, W]."""
    rows, columns = np.indices(shape)
    centres = np.stack([columns + 0.5, rows + 0.5], axis=-1)[:, :, None]  # [H, W, 1, 2]
    starts, steps = points, np.roll(points, -1, axis=0) - points
    length = np.maximum((steps**2).sum(1), 1e-12)
    share = np.clip(((centres - starts) * steps).sum(-1) / length, 0, 1)
    nearest = starts + share[..., None] * steps
    result: NDArray[np.bool_] = np.sqrt(((centres - nearest) ** 2).sum(-1)).min(-1) > distance_px
    return result
