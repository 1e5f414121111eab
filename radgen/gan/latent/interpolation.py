"""Ways from style to style: between seeds, and between classes with the latent fixed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from radgen.errors import ConfigError
from radgen.gan.latent.styles import Style

SMALLEST_SINE = 1e-6


def between(one: Style, other: Style, share: float) -> Style:
    """Return the style a share of the way from one to the other: w along a line, noise along a great circle.

    A line through normal noise would lose its variance in the middle.
    """
    if share == 0:
        return one
    return Style(torch.lerp(one.w, other.w, share), slerp(one.noise, other.noise, share))


def slerp(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Interpolate spherically between two vectors [d]; equal ones stay as they are.

    Source: Shoemake 1985, "Animating rotation with quaternion curves", section 3.3.
    """
    lengths = one.norm() * other.norm()
    if torch.equal(one, other) or lengths == 0:
        return one
    angle = torch.arccos((one @ other / lengths).clamp(-1, 1))
    if angle.sin() < SMALLEST_SINE:
        return torch.lerp(one, other, share)
    return (one * ((1 - share) * angle).sin() + other * (share * angle).sin()) / angle.sin()


def walk(keys: Sequence[Style], frames: int, *, loop: bool = False) -> Iterator[Style]:
    """Yield styles along a way through key styles.

    Parameters
    ----------
    keys
        At least two; each is itself a frame.
    frames
        Frames from one key to the next, the next one not counted.
    loop
        Go on from the last to just before the first, so that the film can repeat; else end with the last.

    Raises
    ------
    ConfigError
        Fewer than two keys or less than one frame.
    """
    if len(keys) < 2 or frames < 1:
        msg = f"{len(keys)} key frames and {frames} frames from one to the next; give at least 2 and at least 1"
        raise ConfigError(msg)
    for one, other in itertools.pairwise([*keys, keys[0]] if loop else keys):
        for step in range(frames):
            yield between(one, other, step / frames)
    if not loop:
        yield keys[-1]
