"""Generator weights as safetensors: tensors, and one card that says what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radgen.errors import CheckpointError, ConfigError
from radgen.gan.kinds import KINDS, ImageGenerator, Shape, kind_of
from radgen.settings import as_plain, build
from radgen.training.weights import fill, read_weights, save_weights


@dataclass(frozen=True)
class GeneratorCard:
    """What a file of generator weights says of itself.

    Attributes
    ----------
    shape
        Which tensors the generator holds.
    class_names
        Names by class id.
    source
        The study's name for this generator; part of every image id and latent seed.
    seen_images
        Real images shown when these weights were taken.
    settings
        Plain settings of the training.
    """

    shape: Shape
    class_names: tuple[str, ...]
    source: str
    seen_images: int
    settings: Mapping[str, Any]


def save_generator(path: Path, tensors: Mapping[str, Tensor], card: GeneratorCard) -> None:
    """Write a generator's state and card atomically; equal content gives equal bytes."""
    save_weights(path, tensors, as_plain(card) | {"kind": kind_of(card.shape).words})


def load_generator(path: Path, device: torch.device) -> tuple[ImageGenerator, GeneratorCard]:
    """Load a generator in evaluation mode, and its card.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or holds something else.
    """
    text, tensors = read_weights(path, what="generator weights", remedy="delete it and run the gan stage again")
    card = _read_card(path, text)
    generator: Any = kind_of(card.shape).build(card.shape)
    fill(generator, tensors, device, path=path, remedy="run the gan stage again")
    return generator, card


def _read_card(path: Path, text: str) -> GeneratorCard:
    known = {kind.words: kind for kind in KINDS.values()}
    try:
        plain = json.loads(text)
        words = str(plain.pop("kind", "nothing"))
        if words in known:
            names, shape = tuple(plain.pop("class_names")), build(known[words].shape, plain.pop("shape"))
            return GeneratorCard(shape=shape, class_names=names, **plain)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: holds no card of a generator; give weights that the gan stage wrote"
        raise CheckpointError(msg) from error
    held = "no card of a generator" if words == "nothing" else f"a {words}, not one of {', '.join(known)}"
    msg = f"{path}: holds {held}; give weights that the gan stage wrote"
    raise CheckpointError(msg)
