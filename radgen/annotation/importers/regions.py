"""From drawn regions to layers: what is painted as background cuts holes into everything painted before it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.returned import Layer
from radgen.errors import AnnotationError

BACKGROUND = 0  # label id
MOST_REGIONS = 1000  # of one image: a person draws tens, and each takes a mask of memory


def layers_in_order(regions: Iterable[tuple[int, NDArray[np.bool_]]], where: str) -> tuple[Layer, ...]:
    """Return layers of regions given in the order of painting, as (label id, bool [rows, columns]).

    Formats of outlines have no holes. CVAT says how its users make them, and others do the same: a shape of the class
    background above the one that is to have a hole.

    Raises
    ------
    AnnotationError
        There are more regions than a person paints.
    """
    layers: list[Layer] = []
    for number, (label_id, inside) in enumerate(regions):
        if number == MOST_REGIONS:
            msg = f"{where} has more than {MOST_REGIONS} regions; join regions of the same label"
            raise AnnotationError(msg)
        if label_id == BACKGROUND:
            cut = (Layer(layer.label_id, layer.inside & ~inside) for layer in layers)
            layers = [layer for layer in cut if layer.inside.any()]
        else:
            layers.append(Layer(label_id, inside))
    return tuple(layers)
