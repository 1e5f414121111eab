"""Weights of a published network out of a file: read without running any code, names matched, nothing passed over."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from radgen.errors import CheckpointError

# A training script may have put its weights beside other things, under one of these words.
WRAPPERS = ("state_dict", "model_state_dict", "model")
# What a damaged file makes torch's restricted unpickler raise.
UNREADABLE = (
    OSError, SafetensorError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError,
    ArithmeticError, AssertionError, struct.error, pickle.UnpicklingError,
)  # fmt: skip
# Above the last map: never used here, and often cut off a published file.
TOPS = ("fc.", "classifier.", "head.", "head_dist.", "AuxLogits.")
COUNTER = "num_batches_tracked"  # unused in a frozen network, and absent from old files


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name: safetensors, or what `torch.save` wrote of plain tensors.

    Raises
    ------
    CheckpointError
        The file is missing or damaged, holds something other than tensors, or would run code.
    """
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        msg = (
            f"{path}: no weights can be read from it without running code ({type(error).__name__}); give the state "
            "dict as safetensors, or as .pt of plain tensors"
        )
        raise CheckpointError(msg) from error
    for word in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(word), Mapping):
            state = state[word]
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        msg = f"{path}: holds {type(state).__name__} instead of named tensors; save the network's state dict"
        raise CheckpointError(msg)
    return dict(state)


def fill(network: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a network, all but its classifier.

    Names may carry words in front that the network does not know (`module.`, `backbone.`), and may count its children
    (`0.weight`, as RadImageNet's files do) instead of naming them.

    Parameters
    ----------
    network
        Filled in place.
    state
        Tensors by name; names beyond the network's own are left.
    source
        The file, for messages.

    Raises
    ------
    CheckpointError
        A tensor of the network is not in the file, or has another shape.
    """
    named = _renamed(state, [name for name, _ in network.named_children()])
    own = network.state_dict()
    for name, value in own.items():
        if name.startswith(TOPS) or (name.endswith(COUNTER) and name not in named):
            continue
        if name not in named:
            msg = f"{source}: has no {name}, which the network needs; its first name is {next(iter(state))}"
            raise CheckpointError(msg)
        if named[name].shape != value.shape:
            msg = (
                f"{source}: {name} has shape {tuple(named[name].shape)}, the network's has {tuple(value.shape)}; "
                "give weights of the network that the settings name"
            )
            raise CheckpointError(msg)
        own[name] = named[name]
    network.load_state_dict(own)


def _renamed(state: Mapping[str, Tensor], children: list[str]) -> dict[str, Tensor]:
    named = dict(state)
    while True:
        first = {name.split(".")[0] for name in named}
        word = next(iter(first))
        if len(first) > 1 or word in children or word.isdigit() or any("." not in name for name in named):
            break
        named = {name.removeprefix(f"{word}."): value for name, value in named.items()}
    return {_by_name(name, children): value for name, value in named.items()}


def _by_name(name: str, children: list[str]) -> str:
    word, dot, rest = name.partition(".")
    return f"{children[int(word)]}{dot}{rest}" if word.isdigit() and int(word) < len(children) else name
