"""Curves for TensorBoard where it is installed, nothing where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Board:
    """Write numbers for TensorBoard.

    Parameters
    ----------
    folder
        Where event files go. They hold times of day, so they stay in the work folder and are no output.
    """

    def __init__(self, folder: Path) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder))

    def add(self, seen_images: int, numbers: Mapping[str, float]) -> None:
        """Add one point to each curve."""
        if self._writer is not None:
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, seen_images)
            self._writer.flush()
