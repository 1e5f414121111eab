"""Weights of a semantic generator as safetensors: tensors, and one card that says what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from radgen.errors import CheckpointError, ConfigError
from radgen.provenance import atomic_path
from radgen.semantic.generator import SemanticGenerator, SemanticShape
from radgen.settings import as_plain, build
from radgen.training.devices import place

CARD_KEY = "radgen"
KIND = "semantic generator"


@dataclass(frozen=True)
class SemanticCard:
    """What a file of weights says of itself.

    Attributes
    ----------
    shape
        Which tensors the generator holds.
    label_names
        Names by label id.
    source
        The study's name for this generator; part of every seed.
    seen_images
        Maps shown when these weights were taken.
    settings
        Plain settings of the training.
    """

    shape: SemanticShape
    label_names: tuple[str, ...]
    source: str
    seen_images: int
    settings: Mapping[str, Any]


def save_semantic(path: Path, tensors: Mapping[str, Tensor], card: SemanticCard) -> None:
    """Write a generator's state and card atomically; equal content gives equal bytes."""
    text = json.dumps(as_plain(card) | {"kind": KIND}, sort_keys=True)
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata={CARD_KEY: text})


def load_semantic(path: Path, device: torch.device) -> tuple[SemanticGenerator, SemanticCard]:
    """Load a generator in evaluation mode, and its card.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or holds something else.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            card = _read_card(path, (file.metadata() or {}).get(CARD_KEY))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, safetensors.SafetensorError) as error:
        msg = f"{path}: not readable as weights of a semantic generator ({error}); train it again"
        raise CheckpointError(msg) from error
    generator = SemanticGenerator(card.shape)
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        msg = f"{path}: its tensors do not fit its own card ({str(error).splitlines()[0]}); train it again"
        raise CheckpointError(msg) from error
    place(generator, device)
    return generator.eval().requires_grad_(requires_grad=False), card


def _read_card(path: Path, text: str | None) -> SemanticCard:
    try:
        plain = json.loads(text or "{}")
        if plain.pop("kind", None) == KIND:
            names, shape = tuple(plain.pop("label_names")), build(SemanticShape, plain.pop("shape"))
            return SemanticCard(shape=shape, label_names=names, **plain)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: its card is damaged ({error}); give weights of a semantic generator"
        raise CheckpointError(msg) from error
    msg = f"{path}: holds no {KIND}; give weights that semantic training wrote"
    raise CheckpointError(msg)
