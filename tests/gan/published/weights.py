"""Weights that a formula gives, by a tensor's published name and shape: the same on every machine, kept nowhere."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def even(name: str, shape: Sequence[int]) -> Array:
    """Numbers spread evenly with mean 0 and variance 1, hashed from name and place."""
    places = np.arange(int(np.prod(shape)), dtype=np.uint64) + (np.uint64(zlib.crc32(name.encode())) << np.uint64(32))
    with np.errstate(over="ignore"):
        x = places * np.uint64(0x9E3779B97F4A7C15)
        for _ in range(2):
            x ^= x >> np.uint64(32)
            x *= np.uint64(0xD6E8FEB86659FD93)
        x ^= x >> np.uint64(32)
    share = (x >> np.uint64(40)).astype(np.float64) / 2**24
    return ((2 * share - 1) * math.sqrt(3)).astype(np.float32).reshape(shape)


def weight(name: str, shape: Sequence[int]) -> Array:
    """One tensor of a generator, of a size that its name suggests."""
    x = even(name, shape)
    if "fc" in name:
        return x * np.float32(100 if name.endswith("weight") else 20)
    if name.endswith("magnitude_ema"):
        return np.asarray(1 + np.float32(0.3) * x)
    if name.endswith("input.affine.weight"):
        return x * np.float32(0.5)
    if name.endswith("input.affine.bias"):
        return x * np.float32(0.3) + np.array([1, 0, 0, 0], dtype=np.float32)
    if name.endswith("affine.bias"):
        return 1 + np.float32(0.2) * x
    if name.endswith("bias"):
        return x * np.float32(0.2)
    return x * np.float32(1.2) if name.endswith("embed.weight") else x
