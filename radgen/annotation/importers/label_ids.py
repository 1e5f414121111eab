"""Masks whose pixel values are label ids: from an array to the regions of known labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.returned import Layer, layers_of
from radgen.annotation.schema import Label
from radgen.errors import AnnotationError

SHOWN_IDS = 8  # a longer list is not read


def layers_of_ids(mask: NDArray[Any], labels: Sequence[Label], file: str) -> tuple[Layer, ...]:
    """Return the regions of a mask [H, W] of whole numbers in any dtype.

    Raises
    ------
    AnnotationError
        A value is no whole number, or no label has it as its id.
    """
    if not np.array_equal(mask, np.rint(mask)):
        odd = mask[mask != np.rint(mask)][0]
        msg = f"{file}: holds values that are not whole numbers, such as {odd}; save label ids"
        raise AnnotationError(msg)
    known = sorted(label.id for label in labels)
    unknown = sorted({int(number) for number in np.unique(mask)} - set(known))
    if unknown:
        listed = ", ".join(map(str, unknown[:SHOWN_IDS])) + (", ..." if len(unknown) > SHOWN_IDS else "")
        msg = f"{file}: unknown label ids {listed}; labels.json knows {', '.join(map(str, known))}"
        raise AnnotationError(msg)
    return layers_of(mask.astype(np.int64))
