"""A small results folder with invented numbers, as the stages would leave it, to test the report alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from report_archive import write_cohort, write_slices
from report_arms import write_benchmark
from report_generator import (
    write_audit,
    write_interpolation,
    write_judge,
    write_masks,
    write_metrics,
    write_samples,
    write_training,
)
from report_study import Tree

ALL_PARTS: tuple[Callable[[Tree], None], ...] = (
    write_cohort,
    write_slices,
    write_judge,
    write_training,
    write_samples,
    write_interpolation,
    write_metrics,
    write_masks,
    write_audit,
    write_benchmark,
)


def build_tree(root: Path, *, parts: Sequence[Callable[[Tree], None]] | None = None) -> Path:
    """Write the parts of a study (all by default) and return its folder."""
    tree = Tree(root)
    for part in ALL_PARTS if parts is None else parts:
        part(tree)
    return root
