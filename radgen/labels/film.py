"""Films in which image and mask move together: each frame is painted by the heads from the features it was made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.gan.kinds import ImageGenerator
from radgen.gan.latent.styles import Style
from radgen.gan.sampling import to_grey
from radgen.labels.masks import ensemble_probabilities

OPACITY = 0.45
OUTLINE_OPACITY = 0.9


def class_shares(class_ids: Sequence[int], frames: int, *, loop: bool) -> Iterator[dict[int, float]]:
    """Yield the share of each class at every frame of `walk` through keys of these classes.

    >>> list(class_shares([0, 1], 2, loop=False))
    [{0: 1.0}, {0: 0.5, 1: 0.5}, {1: 1.0}]
    """
    keys = [*class_ids, class_ids[0]] if loop else list(class_ids)
    for one, other in itertools.pairwise(keys):
        for step in range(frames):
            shares = {one: 1 - step / frames}
            if step:
                shares[other] = shares.get(other, 0.0) + step / frames
            yield shares
    if not loop:
        yield {keys[-1]: 1.0}


@torch.no_grad()
def paint_with_mask(
    generator: ImageGenerator,
    heads: Any,  # noqa: ANN401 - what `load_heads` returns
    style: Style,
    shares: Mapping[int, float],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Make the image of one style and its mask: uint8 [C, H, W] and uint8 [H, W].

    Parameters
    ----------
    generator, heads
        On one device.
    style
        What the image is made from.
    shares
        Between two classes the heads are asked for both, and their probabilities are mixed in these shares by class id.
    """
    with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
        images, features = generator.synthesise(style.w[None], style.noise[None])
        maps = {name: value.float() for name, value in features.items()}
        asked = [
            share * ensemble_probabilities(heads, maps, torch.tensor([class_id], device=images.device))
            for class_id, share in shares.items()
        ]
    mask = torch.stack(asked).sum(dim=0).argmax(dim=1)[0]
    return np.asarray(to_grey(images)[0]), mask.to(torch.uint8).cpu().numpy()


def overlaid(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], colours: Sequence[tuple[int, int, int]]
) -> NDArray[np.uint8]:
    """Lay a mask over an image as translucent fill with a denser outline.

    Parameters
    ----------
    image
        uint8 [C, H, W].
    mask
        uint8 [H, W] of label ids.
    colours
        8-bit (red, green, blue) of each label id, that of the background first and unused.

    Returns
    -------
    uint8 [3, H, W].
    """
    base = as_colour(image).transpose(1, 2, 0)
    edge = np.pad(mask, 1, mode="edge")
    around = (edge[:-2, 1:-1], edge[2:, 1:-1], edge[1:-1, :-2], edge[1:-1, 2:])
    outline = np.any([neighbour != mask for neighbour in around], axis=0)
    opacity = np.where(mask == 0, 0.0, np.where(outline, OUTLINE_OPACITY, OPACITY))[..., None]
    paint = np.array(colours, dtype=np.float64)[mask]
    shown: NDArray[np.uint8] = np.rint(base * (1 - opacity) + paint * opacity).astype(np.uint8)
    return np.ascontiguousarray(shown.transpose(2, 0, 1))


def as_colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn an image [C, H, W] into a colour one [3, H, W]: one of three channels as it is, else the first as grey."""
    return image if len(image) == 3 else image[:1].repeat(3, axis=0)
