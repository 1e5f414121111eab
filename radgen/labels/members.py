"""Members of an ensemble of label heads: begun, copied, taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from radgen.labels.head import HeadShape, LabelHeads


def member(heads: LabelHeads, number: int) -> LabelHeads:
    """Return one member as an ensemble of its own, which paints what it paints in the ensemble."""
    alone = LabelHeads(replace(heads.shape, members=1))
    copy_members(heads, [number], alone, [0])
    return alone.train(heads.training)


@torch.no_grad()
def copy_members(source: LabelHeads, numbers: Sequence[int], target: LabelHeads, places: Sequence[int]) -> None:
    """Copy members of one ensemble to places of another of the same scales, labels and width."""
    from_source = source.state_dict()
    for name, value in target.state_dict().items():
        if name.startswith(("centre.", "deviation.")):
            value.copy_(from_source[name])
        else:
            value[list(places)] = from_source[name][list(numbers)].to(value.device)


def start_members(shape: HeadShape, seeds: Sequence[int]) -> LabelHeads:
    """Return an ensemble whose members have initial weights from a seed each, whatever the other members are."""
    heads = LabelHeads(shape)
    for number, seed in enumerate(seeds):
        torch.manual_seed(seed)
        copy_members(LabelHeads(replace(shape, members=1)), [0], heads, [number])
    return heads
