"""Published weights of a network: safetensors with one card of plain values that says what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from radgen.errors import CheckpointError
from radgen.provenance import atomic_path
from radgen.training.devices import place

CARD_KEY = "radgen"  # one key only: the order of several would change from run to run


def save_weights(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write a network's state and card atomically; equal content gives equal bytes."""
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata={CARD_KEY: json.dumps(card, sort_keys=True)})


def read_weights(path: Path, *, what: str, remedy: str) -> tuple[str, dict[str, Tensor]]:
    """Return the text of a file's card, empty without one, and its tensors.

    Parameters
    ----------
    path
        Of a file that `save_weights` wrote, or anything else.
    what, remedy
        What it should hold and what to do if it is not readable, for the message.

    Raises
    ------
    CheckpointError
        The file is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(CARD_KEY, "{}")
            return text, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, safetensors.SafetensorError) as error:
        msg = f"{path}: not readable as {what} ({error}); {remedy}"
        raise CheckpointError(msg) from error


def fill(network: nn.Module, tensors: Mapping[str, Tensor], device: torch.device, *, path: Path, remedy: str) -> None:
    """Put weights into a network that its card built; it is then frozen, in evaluation mode and on the device.

    Raises
    ------
    CheckpointError
        They are not its tensors.
    """
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        msg = f"{path}: its tensors do not fit its own card ({str(error).splitlines()[0]}); {remedy}"
        raise CheckpointError(msg) from error
    place(network, device)
    network.eval().requires_grad_(requires_grad=False)
