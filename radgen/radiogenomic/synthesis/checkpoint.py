"""Weights of a radiogenomic generator as safetensors: tensors, and one card that says what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radgen.errors import CheckpointError, ConfigError, InputError
from radgen.radiogenomic.expression import gene_digest
from radgen.radiogenomic.synthesis.networks import RadiogenomicGenerator, RadiogenomicShape
from radgen.settings import as_plain, build
from radgen.training.weights import fill, read_weights, save_weights

KIND = "radiogenomic generator"
REMEDY = "train it again"


@dataclass(frozen=True)
class RadiogenomicCard:
    """What a file of weights says of itself.

    Parameters
    ----------
    shape
        Which tensors the networks hold.
    genes
        Names of the genes, in the order of the encoder's input.
    caption
        What must stand under every result of these genes; empty where nothing must.
    source
        The study's name for this generator; part of every image id and seed.
    seen_images
        Patches shown when these weights were taken.
    settings
        Plain settings of the training.
    saw_patients
        Ancestry: a digest of the patients for each aspect (pixels, labels, masks), and how many they are.
    """

    shape: RadiogenomicShape
    genes: tuple[str, ...]
    caption: str
    source: str
    seen_images: int
    settings: Mapping[str, Any]
    saw_patients: Mapping[str, Any]

    @property
    def genes_digest(self) -> str:
        """Digest of the genes and their order."""
        return gene_digest(self.genes)

    def check_genes(self, genes: tuple[str, ...], whose: str) -> None:
        """Refuse another set of genes than the encoder learnt.

        Raises
        ------
        InputError
            With both counts and digests, and examples of what is missing.
        """
        if genes == self.genes:
            return
        missing = [gene for gene in self.genes if gene not in set(genes)]
        told = f"{len(missing)} of the latter are missing, such as {missing[0][:40]}" if missing else "in another order"
        msg = (
            f"{whose}: {len(genes)} genes (digest {gene_digest(genes)[:8]}), but the generator {self.source} learnt "
            f"{len(self.genes)} (digest {self.genes_digest[:8]}), {told}; transform the table by the rna stage of the "
            "generator's study, or train on these genes"
        )
        raise InputError(msg)


def save_radiogenomic(path: Path, tensors: Mapping[str, Tensor], card: RadiogenomicCard) -> None:
    """Write a generator's state and card atomically; equal content gives equal bytes."""
    save_weights(path, tensors, as_plain(card) | {"kind": KIND, "genes_digest": card.genes_digest})


def load_radiogenomic(path: Path, device: torch.device) -> tuple[RadiogenomicGenerator, RadiogenomicCard]:
    """Load a generator in evaluation mode, and its card.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, or holds something else.
    """
    text, tensors = read_weights(path, what="weights of a radiogenomic generator", remedy=REMEDY)
    card = _read_card(path, text)
    generator = RadiogenomicGenerator(card.shape)
    fill(generator, tensors, device, path=path, remedy=REMEDY)
    return generator, card


def _read_card(path: Path, text: str) -> RadiogenomicCard:
    try:
        plain = json.loads(text)
        kind, digest = plain.pop("kind", None), plain.pop("genes_digest", "")
        if kind == KIND:
            genes, shape = tuple(plain.pop("genes")), build(RadiogenomicShape, plain.pop("shape"))
            card = RadiogenomicCard(shape=shape, genes=genes, **plain)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: its card is damaged ({error}); give weights of a radiogenomic generator"
        raise CheckpointError(msg) from error
    if kind != KIND:
        msg = f"{path}: holds no {KIND}; give weights that the radiogenomic stage wrote"
        raise CheckpointError(msg)
    if digest != card.genes_digest or len(card.genes) != card.shape.genes:
        msg = (
            f"{path}: its card names {len(card.genes)} genes (digest {card.genes_digest[:8]}), but says {digest[:8]} "
            f"and an encoder of {card.shape.genes}; {REMEDY}"
        )
        raise CheckpointError(msg)
    return card
