"""Weights of a semantic generator as safetensors: tensors, and one card that says what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radgen.errors import CheckpointError, ConfigError
from radgen.semantic.generator import SemanticGenerator, SemanticShape
from radgen.semantic.maps.surroundings import Surroundings
from radgen.semantic.settings import maps_modality
from radgen.settings import as_plain, build
from radgen.training.weights import fill, read_weights, save_weights

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
    surroundings
        How background of maps is told apart; labels of it follow those with names.
    position_classes
        Whether classes of the study's slices are their place, which nobody labels.
    """

    shape: SemanticShape
    label_names: tuple[str, ...]
    source: str
    seen_images: int
    settings: Mapping[str, Any]
    surroundings: Surroundings | None = None
    position_classes: bool = False

    @property
    def map_modality(self) -> str | None:
        """Modality of the slices whose masks were maps; None where any was."""
        return maps_modality(*(self.settings.get(name) for name in ("mode", "map_modality", "image_modality")))


def save_semantic(path: Path, tensors: Mapping[str, Tensor], card: SemanticCard) -> None:
    """Write a generator's state and card atomically; equal content gives equal bytes."""
    save_weights(path, tensors, as_plain(card) | {"kind": KIND})


def load_semantic(path: Path, device: torch.device) -> tuple[SemanticGenerator, SemanticCard]:
    """Load a generator in evaluation mode, and its card.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or holds something else.
    """
    text, tensors = read_weights(path, what="weights of a semantic generator", remedy="train it again")
    card = _read_card(path, text)
    generator = SemanticGenerator(card.shape)
    fill(generator, tensors, device, path=path, remedy="train it again")
    return generator, card


def _read_card(path: Path, text: str) -> SemanticCard:
    try:
        plain = json.loads(text)
        if plain.pop("kind", None) == KIND:
            names, shape = tuple(plain.pop("label_names")), build(SemanticShape, plain.pop("shape"))
            told = plain.pop("surroundings", None)
            surroundings = None if told is None else Surroundings(**told | {"thresholds": tuple(told["thresholds"])})
            return SemanticCard(shape=shape, label_names=names, surroundings=surroundings, **plain)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: its card is damaged ({error}); give weights of a semantic generator"
        raise CheckpointError(msg) from error
    msg = f"{path}: holds no {KIND}; give weights that semantic training wrote"
    raise CheckpointError(msg)
