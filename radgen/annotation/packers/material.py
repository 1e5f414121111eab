"""What a packer is given, and what a packer is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.schema import Label


@dataclass(frozen=True)
class Material:
    """What goes out.

    Attributes
    ----------
    pictures
        Image id to pixels (uint8 [H, W]), sorted by id.
    labels
        The pack's labels; 0 is background.
    generator
        Digest of the generator's weights.
    spacing_mm
        Distance of rows and of columns.
    """

    pictures: Mapping[str, NDArray[np.uint8]]
    labels: tuple[Label, ...]
    generator: str
    spacing_mm: tuple[float, float] = (1.0, 1.0)

    @property
    def structures(self) -> tuple[Label, ...]:
        """The labels that are painted: all but background."""
        return tuple(label for label in self.labels if label.id != 0)

    @property
    def shape_labels(self) -> tuple[Label, ...]:
        """The labels of tools that draw shapes: background comes last, and makes holes in what lies below it."""
        return (*self.structures, *(label for label in self.labels if label.id == 0))


@dataclass(frozen=True)
class Packer:
    """Files for one tool, and how to use them.

    Attributes
    ----------
    folder
        Name of the tool's folder inside the pack.
    tool
        The tool's name, for people.
    files
        Yields (name inside the folder, bytes): a function of its argument alone, so the same pack is the same bytes.
    steps
        What the person does, first to last; what stands between backticks is a path, a command or a word of the tool.
    """

    folder: str
    tool: str
    files: Callable[[Material], Iterator[tuple[str, bytes]]]
    steps: tuple[str, ...]


def hex_colour(label: Label) -> str:
    """Return a label's colour as #rrggbb."""
    return "#" + bytes(label.colour).hex()
