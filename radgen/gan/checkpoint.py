"""Generator weights as safetensors: tensors, and one card that says what they are."""

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
from radgen.gan.kinds import KINDS, ImageGenerator, Shape, kind_of
from radgen.provenance import atomic_path
from radgen.settings import as_plain, build
from radgen.training.devices import place

CARD_KEY = "radgen"  # one key only: the order of several would change from run to run


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
    plain = as_plain(card) | {"kind": kind_of(card.shape).words}
    text = json.dumps(plain, sort_keys=True)
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata={CARD_KEY: text})


def load_generator(path: Path, device: torch.device) -> tuple[ImageGenerator, GeneratorCard]:
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
        msg = f"{path}: not readable as generator weights ({error}); delete it and run the gan stage again"
        raise CheckpointError(msg) from error
    generator = kind_of(card.shape).build(card.shape)
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        msg = f"{path}: its tensors do not fit its own card ({str(error).splitlines()[0]}); run the gan stage again"
        raise CheckpointError(msg) from error
    place(generator, device)
    frozen: Any = generator.eval().requires_grad_(requires_grad=False)
    return frozen, card


def _read_card(path: Path, text: str | None) -> GeneratorCard:
    known = {kind.words: kind for kind in KINDS.values()}
    try:
        plain = json.loads(text or "{}")
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
