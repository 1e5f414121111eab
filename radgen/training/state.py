"""Training state on disk: written atomically, the last two kept, verified before use.

A state is one file whose name holds the images seen and the digest of its bytes, so that nothing else must agree with
it. It holds tensors and plain values only and is read with `weights_only=True`: no code comes out of a file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radgen.provenance import atomic_path, digest_bytes
from radgen.stale import drop_unheld

KEPT = 2
_NAME = re.compile(r"state-(?P<seen>\d{10})-(?P<digest>[0-9a-f]{32})\.pt")


@dataclass(frozen=True)
class _Entry:
    seen_images: int
    digest: str
    path: Path


def tensors_of(value: object) -> Iterator[Tensor]:
    """Walk the tensors of nested dicts and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_of(item)


class StateStore:
    """The states of one training run.

    Parameters
    ----------
    folder
        Held by this process alone.
    say
        Called with one sentence when a damaged state is passed over.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say

    def save(self, seen_images: int, state: dict[str, Any]) -> None:
        """Write a state, then drop all but the last two up to here.

        Raises
        ------
        StorageError
            The disk refused; earlier states are whole.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
        with atomic_path(self._folder / f"state-{seen_images:010d}-{digest_bytes(data)}.pt") as temporary:
            temporary.write_bytes(data)
        for entry in self._entries(seen_images)[KEPT:]:
            entry.path.unlink()

    def load(self, at_most_images: int) -> tuple[int, dict[str, Any]] | None:
        """Return images seen and state of the newest undamaged state that does not pass a budget, or None.

        What a process that was killed while saving left is removed: no later state has its name.
        """
        for path in self._folder.glob(".state-*.pt"):
            drop_unheld(path)
        for entry in self._entries(at_most_images):
            data = entry.path.read_bytes()
            if digest_bytes(data) == entry.digest:
                return entry.seen_images, torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            self._say(
                f"state of {entry.seen_images} images is damaged (digest {digest_bytes(data)[:8]}, "
                f"not {entry.digest[:8]}): passed over for an earlier one"
            )
            entry.path.unlink(missing_ok=True)  # another process of the job may have been quicker
        return None

    def _entries(self, at_most_images: int) -> list[_Entry]:
        """Return states up to a number of images, newest first."""
        found = []
        for path in self._folder.glob("state-*.pt"):
            match = _NAME.fullmatch(path.name)
            if match and int(match["seen"]) <= at_most_images:
                found.append(_Entry(int(match["seen"]), match["digest"], path))
        return sorted(found, key=lambda entry: (entry.seen_images, entry.digest), reverse=True)
