"""From painted regions to one mask for each image: which region wins an overlap, which annotator where several painted.

Overlap, by the setting `annotation.overlap`:

    label     the label further down in labels.json wins, as in the masks of real archives: a lesion over its organ
    later     the region painted last wins, in the order in which the tool lists them
    first     the region painted first wins
    refuse    an overlap of two labels is an error

Consensus, by the setting `annotation.consensus`, of images that several people painted:

    refuse    two masks of one image are an error, until somebody chooses
    majority  a pixel takes the label that more than half of its annotators gave it, and else is background
    a name    the mask of this annotator is taken
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.returned import Layer, Returned
from radgen.annotation.settings import OVERLAPS
from radgen.errors import AnnotationError

UNNAMED = "unnamed"  # in tables and messages: an annotator whom neither tool nor folder names


@dataclass(frozen=True, eq=False)
class Painted:
    """One annotator's mask of one image.

    Attributes
    ----------
    image_id, annotator, file
        Of what was returned; the annotator may be empty.
    mask
        uint8 [H, W] of label ids.
    overlap_px
        Pixels on which regions of different labels lay over each other.
    seconds
        Time spent, where the tool keeps it.
    """

    image_id: str
    annotator: str
    mask: NDArray[np.uint8]
    overlap_px: int
    file: str
    seconds: float | None = None

    @property
    def who(self) -> str:
        """The annotator as tables and messages name them."""
        return self.annotator or UNNAMED


def paint(returned: Returned, overlap: str, annotator: str = "") -> Painted:
    """Paint regions into one mask.

    Parameters
    ----------
    returned
        What one annotator painted on one image; regions of background are no regions.
    overlap
        One of OVERLAPS.
    annotator
        Whose it is where the tool names nobody.

    Raises
    ------
    AnnotationError
        Labels overlap and `overlap` refuses it.
    """
    layers = [layer for layer in returned.layers if layer.label_id != 0]
    disputed = _disputed(layers, returned.shape)
    overlap_px = int(np.count_nonzero(disputed))
    if overlap_px and overlap == "refuse":
        ids = sorted({layer.label_id for layer in layers if bool(np.any(layer.inside & disputed))})
        msg = (
            f"{returned.file}: labels {' and '.join(map(str, ids))} overlap on {overlap_px} pixels of "
            f"{returned.image_id}; paint them apart, or set annotation.overlap to {', '.join(OVERLAPS[:-1])}"
        )
        raise AnnotationError(msg)
    mask = np.zeros(returned.shape, dtype=np.uint8)
    for layer in _weakest_first(layers, overlap):
        mask[layer.inside] = layer.label_id
    who = returned.annotator or annotator
    return Painted(returned.image_id, who, mask, overlap_px, returned.file, returned.seconds)


def _weakest_first(layers: Sequence[Layer], overlap: str) -> list[Layer]:
    if overlap == "label":
        return sorted(layers, key=lambda layer: layer.label_id)
    return list(reversed(layers)) if overlap == "first" else list(layers)


def _disputed(layers: Sequence[Layer], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels that regions of more than one label cover."""
    covered, disputed = np.zeros((2, *shape), dtype=bool)
    for label_id in sorted({layer.label_id for layer in layers}):
        inside = np.logical_or.reduce([layer.inside for layer in layers if layer.label_id == label_id])
        disputed |= covered & inside
        covered |= inside
    return disputed


def agree_on(painted: Sequence[Painted], consensus: str) -> NDArray[np.uint8]:
    """Return the one mask of an image that one or several people painted.

    Parameters
    ----------
    painted
        Masks of one image, by different annotators.
    consensus
        refuse, majority, or an annotator's name.

    Raises
    ------
    AnnotationError
        Several people painted the image and nobody has chosen, or the one chosen did not paint it.
    """
    if len(painted) == 1:
        return painted[0].mask
    if consensus == "majority":
        return _majority([item.mask for item in painted])
    for item in painted:
        if item.who == consensus:
            return item.mask
    names = ", ".join(item.who for item in painted)
    asked = "nobody has chosen" if consensus == "refuse" else f"{consensus} is not among them"
    msg = (
        f"{painted[0].image_id}: painted by {names}, and {asked}; set annotation.consensus to majority or to one of "
        "these names"
    )
    raise AnnotationError(msg)


def undecided_px(painted: Sequence[Painted]) -> int:
    """Return the pixels to which no label was given by more than half of the annotators: a majority leaves them empty.

    >>> one, other = np.array([[1, 1]], dtype=np.uint8), np.array([[1, 2]], dtype=np.uint8)
    >>> undecided_px([Painted("a", "x", one, 0, "f"), Painted("a", "y", other, 0, "f")])
    1
    """
    return int(np.count_nonzero(~_vote([item.mask for item in painted])[1]))


def _majority(masks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return _vote(masks)[0]


def _vote(masks: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return each pixel's label of more than half of the masks, else background, and whether there is one."""
    stack = np.stack(masks)
    merged = np.zeros(stack.shape[1:], dtype=np.uint8)
    decided = np.zeros(stack.shape[1:], dtype=bool)
    for label_id in np.unique(stack):
        most = 2 * np.count_nonzero(stack == label_id, axis=0) > len(masks)
        merged[most] = label_id
        decided |= most
    return merged, decided
