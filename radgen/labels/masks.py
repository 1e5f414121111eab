"""What an ensemble paints: masks by the mean of its members' logits, and how sure it is of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from radgen.errors import CheckpointError
from radgen.labels.head import LabelHeads
from radgen.labels.uncertainty import expected_error, image_disagreement, jensen_shannon

# Teachers see images moved and blurred, so at every edge they, and the heads that learn from them, are less sure than
# they need be; which images are worse than others shows better without. Guo et al. 2017 (arXiv 1706.04599), section 4,
# for one temperature of all logits; its value is measured (docs/pairs.md).
SHARPNESS = 2.0
CACHED_PIXELS = 65_536  # pixels painted together: their maps stay in the processor's cache


def _hidden_parts(heads: LabelHeads, features: Mapping[str, Tensor], class_ids: Tensor) -> Iterator[Tensor]:
    """Yield what the logits are linear in, a few images at a time."""
    height, width = features[heads.shape.scales[-1][0]].shape[-2:]
    together = max(1, CACHED_PIXELS // (height * width))
    joined = heads.joined()
    for start in range(0, len(class_ids), together):
        part = slice(start, start + together)
        yield heads.hidden({name: maps[part] for name, maps in features.items()}, class_ids[part], joined)


@torch.no_grad()
def ensemble_masks(heads: LabelHeads, features: Mapping[str, Tensor], class_ids: Tensor) -> Tensor:
    """Return the masks of the ensemble, uint8 [n, H, W]: at each pixel the label of the highest mean logit.

    The mean of logits is the logarithmic pool of the members' opinions. It is one product at full resolution, where the
    mean of probabilities would need every member's.

    Source: Heskes 1998, Selecting weighting factors in logarithmic opinion pools (NIPS 10), equation 1.
    """
    parts = _hidden_parts(heads, features, class_ids)
    return torch.cat([most_likely(heads.mean_logits(hidden)) for hidden in parts])


@torch.no_grad()
def ensemble_probabilities(heads: LabelHeads, features: Mapping[str, Tensor], class_ids: Tensor) -> Tensor:
    """Return the ensemble's probabilities, float32 [n, labels, H, W]; the highest ones are `ensemble_masks`."""
    parts = _hidden_parts(heads, features, class_ids)
    return torch.cat([heads.mean_logits(hidden).softmax(dim=1) for hidden in parts])


@torch.no_grad()
def masks_and_errors(heads: LabelHeads, features: Mapping[str, Tensor], class_ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return `ensemble_masks` and the error that the ensemble expects of each, float32 [n] in [0, 1].

    Expectation takes the mean logits too, sharpened.
    """
    masks, errors = [], []
    for hidden in _hidden_parts(heads, features, class_ids):
        logits = heads.mean_logits(hidden)
        masks.append(most_likely(logits))
        errors.append(expected_error(logits.mul_(SHARPNESS).softmax(dim=1)))
    return torch.cat(masks), torch.cat(errors)


@torch.no_grad()
def disagreement(heads: LabelHeads, features: Mapping[str, Tensor], class_ids: Tensor) -> Tensor:
    """Return how far the members disagree on each image, float32 [n] in nats."""
    parts = _hidden_parts(heads, features, class_ids)
    return torch.cat([image_disagreement(jensen_shannon(_in_squares(heads, hidden))) for hidden in parts])


def _in_squares(heads: LabelHeads, hidden: Tensor) -> Tensor:
    """Return each member's probabilities in squares of 2 x 2 pixels, by its mean logits there: a quarter of the work.

    Float32 [members, n, labels, H / 2, W / 2].
    """
    return heads.logits(F.avg_pool2d(hidden, 2)).softmax(dim=2)


@torch.no_grad()
def member_probabilities(heads: LabelHeads, features: Mapping[str, Tensor], class_ids: Tensor) -> Tensor:
    """Return the members' probabilities: float32 [members, n, labels, H, W]."""
    parts = [heads.logits(hidden).softmax(dim=2) for hidden in _hidden_parts(heads, features, class_ids)]
    return torch.cat(parts, dim=1)


def most_likely(values: Tensor) -> Tensor:
    """Return the label of the highest value, [n, labels, H, W] to uint8 [n, H, W]: a faster argmax.

    Raises
    ------
    CheckpointError
        A value is not a number, so no label is the likeliest.
    """
    best = values.amax(dim=1, keepdim=True)  # NaN where any of the values is
    if bool(best.isnan().any()):
        pixels, images = int(best.isnan().sum()), int(best.isnan().flatten(1).any(dim=1).sum())
        msg = (
            f"the label heads give no number for {pixels} pixels of {images} of {len(values)} images, so these have no "
            "likeliest label; the weights of heads or generator are damaged: run the labels stage again"
        )
        raise CheckpointError(msg)
    labels = torch.arange(values.shape[1], 0, -1, dtype=torch.uint8, device=values.device)
    # The first of equals wins: labels are counted from the end, and the largest count is taken.
    counted = (values == best) * labels.view(1, -1, 1, 1)
    return values.shape[1] - counted.amax(dim=1)
