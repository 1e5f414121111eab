"""Masks that are whole and of the right size, but do not look as if painted on their image.

Four tests, each with its limits:

turned      All masks of one annotator (10 or more) follow the edges of their images better when mirrored or turned.
            The fit of a mask is the mean rank of the image's gradient on the mask's borders; the fits of the masks as
            they are and of the turned ones are compared by a paired t-test. Anatomy that is its own mirror image hides
            a mirrored mask; a single mirrored mask among right ones is not found.
displaced   The same test, with each mask on the image before or after it: file names that are off by one.
dark        A mask's label lies on black where the same label of the other masks lies on tissue: a mask of another
            image, or a shifted one. Needs 5 masks with that label; labels that are black by nature are not judged.
copied      Two images have the same mask, pixel for pixel: one was saved under the wrong name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.merge import Painted
from radgen.annotation.schema import Label

LEAST_MASKS = 10  # below, the t-test of `turned` and `displaced` is not made
P_VALUE = 1e-3  # of all turns together, one-sided
DARK_GREY = 8  # of 255: black background as generators draw it
DARK_SHARE, USUAL_SHARE = 0.5, 0.05  # of a label's pixels: so much is doubtful where so little is usual
LEAST_LABELLED = 5
LEAST_COPIED_PX = 20  # smaller masks may be equal by chance

Mask = NDArray[np.uint8]
TURNS: dict[str, Callable[[Mask], Mask]] = {
    "mirrored left to right": lambda mask: mask[:, ::-1],
    "mirrored top to bottom": lambda mask: mask[::-1],
    "turned by 180 degrees": lambda mask: mask[::-1, ::-1],
    "transposed (rows and columns swapped)": lambda mask: mask.T,
    "turned by 90 degrees to the left": np.rot90,
    "turned by 90 degrees to the right": lambda mask: np.rot90(mask, -1),
    "transposed along the other diagonal": lambda mask: mask[::-1, ::-1].T,
}
SAME_SHAPE = 3  # so many of them keep the shape of a picture that is not square
TURNED = "the tool has probably turned them, so export them again in the direction of the pack's pictures"
DISPLACED = "their names are probably off by one"


@dataclass(frozen=True)
class Doubt:
    """What is doubtful, in words, and the images it is about."""

    sentence: str
    image_ids: tuple[str, ...]


def find_doubts(painted: Sequence[Painted], images: Mapping[str, Mask], labels: Sequence[Label]) -> list[Doubt]:
    """Make all four tests.

    Parameters
    ----------
    painted
        Masks as they came back, of any number of annotators.
    images
        Image id to pixels: uint8 [H, W].
    labels
        The pack's labels.
    """
    people: dict[str, list[Painted]] = {}
    for item in sorted(painted, key=lambda item: item.image_id):
        if item.mask.any():
            people.setdefault(item.who, []).append(item)
    doubts: list[Doubt] = []
    for who, masks in people.items():
        doubts += _by_edges(who, masks, images)
        doubts += _dark(masks, images, labels) + _copied(masks)
    return doubts


def edge_ranks(image: Mask) -> NDArray[np.float64]:
    """Return the rank of each pixel's gradient among all of its image: [H, W] from 0 to 1, ties at their mean rank."""
    grey = image.astype(np.float64)
    strength = np.hypot(*np.gradient(grey))
    ordered = np.sort(strength, axis=None)
    ranks = np.searchsorted(ordered, strength) + np.searchsorted(ordered, strength, "right")
    return np.asarray(ranks / (2 * strength.size), dtype=np.float64)


def edge_fit(ranks: NDArray[np.float64], mask: Mask) -> float:
    """Return the mean of `edge_ranks` on both sides of a mask's borders: about 0.5 where the two have nothing to do."""
    border = np.zeros(mask.shape, dtype=bool)
    across, down = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    return float(ranks[border].mean()) if border.any() else 0.5


def _by_edges(who: str, masks: Sequence[Painted], images: Mapping[str, Mask]) -> list[Doubt]:
    if len(masks) < LEAST_MASKS:
        return []
    ranks = [edge_ranks(images[item.image_id]) for item in masks]
    own = _fits(ranks, [item.mask for item in masks])
    square = masks[0].mask.shape[0] == masks[0].mask.shape[1]
    turned = {
        f"fit their images better when {name}": _fits(ranks, [turn(item.mask) for item in masks])
        for name, turn in list(TURNS.items())[: None if square else SAME_SHAPE]
    }
    displaced = {
        f"fit the image {side} their own better": _fits(ranks[step:] + ranks[:step], [item.mask for item in masks])
        for side, step in (("after", 1), ("before", -1))
    }
    found = []
    for rivals, cause in ((turned, TURNED), (displaced, DISPLACED)):
        words = max(rivals, key=lambda words: float(rivals[words].mean()))
        if _chance(rivals[words] - own) * len(rivals) < P_VALUE:
            sentence = (
                f"the masks of {who} {words}: their borders lie on gradients of mean rank {rivals[words].mean():.2f} "
                f"instead of {own.mean():.2f} in {len(masks)} images; {cause}"
            )
            found.append(Doubt(sentence, tuple(item.image_id for item in masks)))
    return found


def _fits(ranks: Sequence[NDArray[np.float64]], masks: Sequence[Mask]) -> NDArray[np.float64]:
    return np.array([edge_fit(rank, mask) for rank, mask in zip(ranks, masks, strict=True)])


def _chance(gains: NDArray[np.float64]) -> float:
    """Return the probability of so large a mean gain by chance (Student's paired t-test, one-sided)."""
    from scipy.stats import t

    spread = float(gains.std(ddof=1))
    if spread == 0:
        return 1.0
    return float(t.sf(gains.mean() / spread * np.sqrt(len(gains)), len(gains) - 1))


def _dark(masks: Sequence[Painted], images: Mapping[str, Mask], labels: Sequence[Label]) -> list[Doubt]:
    doubts = []
    for label in labels[1:]:
        shares = {
            item.image_id: float((images[item.image_id][item.mask == label.id] <= DARK_GREY).mean())
            for item in masks
            if bool(np.any(item.mask == label.id))
        }
        if len(shares) < LEAST_LABELLED or float(np.median(list(shares.values()))) > USUAL_SHARE:
            continue
        for image_id, share in shares.items():
            if share > DARK_SHARE:
                sentence = (
                    f"{image_id}: {share:.0%} of {label.name} lies on black, where the other masks have it on tissue; "
                    "is this the mask of another image?"
                )
                doubts.append(Doubt(sentence, (image_id,)))
    return doubts


def _copied(masks: Sequence[Painted]) -> list[Doubt]:
    first: dict[bytes, Painted] = {}
    doubts = []
    for item in masks:
        if np.count_nonzero(item.mask) < LEAST_COPIED_PX:
            continue
        other = first.setdefault(item.mask.tobytes(), item)
        if other is not item:
            sentence = (
                f"{item.image_id} and {other.image_id} have the same mask, pixel for pixel; one of them is probably "
                "saved under the wrong name"
            )
            doubts.append(Doubt(sentence, (other.image_id, item.image_id)))
    return doubts
