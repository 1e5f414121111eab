"""A feature network as the audit uses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Network:
    """A network by name, the function from images uint8 [n, C, H, W] to features [n, D], and the patients it saw."""

    name: str
    features: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    saw: frozenset[str] = frozenset()
