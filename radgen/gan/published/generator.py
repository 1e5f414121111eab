"""StyleGAN-XL and StyleGAN3 generators out of their published checkpoints: shape and tensors.

A grown network does not say where its stages begin; its layers' bands do. What is read is compared, layer by layer,
with what the shape found would have, so a network of another design is refused and never half understood.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from radgen.errors import CheckpointError, ConfigError
from radgen.gan.aliasfree.schedule import CRITICAL_LAYERS, AliasFreeShape, Layer, Stage, plan
from radgen.gan.layers import ACTIVATION_GAIN
from radgen.gan.published.inert import read_inert
from radgen.gan.published.modules import Module

AVERAGE = "G_ema"
RELATIVE = 1e-6  # between the bands read and those worked out
CONSTANTS = {"num_critical": 2, "margin_size": 10, "output_scale": 0.25, "first_cutoff": 2}
LAYER_CONSTANTS = {"filter_size": 6, "lrelu_upsampling": 2, "conv_clamp": 256}


@dataclass(frozen=True)
class PublishedGenerator:
    """A generator read from a checkpoint.

    Attributes
    ----------
    shape
        Which tensors it holds.
    tensors
        Its state by name, as `AliasFreeGenerator` has it.
    """

    shape: AliasFreeShape
    tensors: Mapping[str, Tensor]


def read_published(path: Path) -> PublishedGenerator:
    """Read the averaged generator of a checkpoint; nothing in the file is run.

    Raises
    ------
    CheckpointError
        The file is damaged, asks for code, or holds another kind of network.
    """
    top = read_inert(path)
    if not isinstance(top, dict) or AVERAGE not in top:
        msg = f"{path.name}: holds no {AVERAGE}; give a StyleGAN-XL or StyleGAN3 checkpoint (network-snapshot.pkl)"
        raise CheckpointError(msg)
    generator = Module.of(top[AVERAGE], f"{path.name} {AVERAGE}")
    synthesis, mapping = generator.inner("synthesis"), generator.inner("mapping")
    _expect(synthesis, CONSTANTS)
    names = synthesis.state.get("layer_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        msg = f"{synthesis.where}: lists no layers; StyleGAN-XL and StyleGAN3 generators are read, others are not"
        raise CheckpointError(msg)
    layers = [synthesis.inner(name) for name in names]
    shape = _shape(generator, layers)
    for number, (found, expected) in enumerate(zip(layers, plan(shape), strict=True)):
        _compare(found, expected, number)
    tensors = _mapping(mapping, shape) | _input(synthesis.inner("input"))
    for number, layer in enumerate(layers):
        tensors |= _layer(layer, "to_image" if number == len(layers) - 1 else f"filtered.{number}")
    return PublishedGenerator(shape, tensors)


# ---------------------------------------------------------------- shape


def _shape(generator: Module, layers: list[Module]) -> AliasFreeShape:
    """Find the stages: a head begins with a layer that leaves the bands as they are."""
    cutoffs = [layer.number("out_cutoff") for layer in layers]
    starts = [0] + [
        place
        for place, layer in enumerate(layers[: -CRITICAL_LAYERS - 1])
        if place and math.isclose(layer.number("in_cutoff"), cutoffs[place], rel_tol=RELATIVE)
    ]
    synthesis = generator.inner("synthesis")
    classes = generator.whole("c_dim")
    last_resolution = generator.whole("img_resolution")
    stages: list[Stage] = []
    for number, (start, stop) in enumerate(itertools.pairwise([*starts, len(layers)])):
        is_last = stop == len(layers)
        count = stop - start - 1 if is_last else stop - start + CRITICAL_LAYERS
        before = stages[-1].resolution if stages else 8
        resolution = last_resolution if is_last else _resolution(cutoffs[start:stop], count, before)
        owner = synthesis if number == 0 or "channel_base" not in generator.state else generator
        stages.append(Stage(resolution, count, owner.whole("channel_base"), owner.whole("channel_max")))
    try:
        return AliasFreeShape(
            image_channels=generator.whole("img_channels"),
            classes=max(1, classes),
            stem=stages[0],
            heads=tuple(stages[1:]),
            filters="radial" if synthesis.number("use_radial_filters") else "separable",
            z_dim=generator.whole("z_dim"),
            w_dim=generator.whole("w_dim"),
            embedding_dim=generator.inner("mapping").inner("embed").tensor("weight").shape[-1] if classes else 0,
        )
    except ConfigError as error:
        msg = f"{generator.where}: {error}"
        raise CheckpointError(msg) from error


def _resolution(cutoffs: list[float], count: int, before: int) -> int:
    """Return a stage's resolution from the first step of its cutoffs; one that kept a single layer leaves no trace."""
    if len(cutoffs) < 2 or not 0 < cutoffs[0] < cutoffs[1] < 1e6 or count > 100:
        return 2 * before
    return 1 << round(math.log2(2 * cutoffs[0]) + (count - CRITICAL_LAYERS) * math.log2(cutoffs[1] / cutoffs[0]))


def _compare(found: Module, expected: Layer, number: int) -> None:
    """Refuse a layer that is not what the shape says.

    Raises
    ------
    CheckpointError
        With both values.
    """
    _expect(found, LAYER_CONSTANTS)
    values = {
        "in_sampling_rate": expected.in_rate,
        "out_sampling_rate": expected.out_rate,
        "in_cutoff": expected.in_cutoff,
        "out_cutoff": expected.out_cutoff,
        "in_half_width": expected.in_half_width,
        "out_half_width": expected.out_half_width,
        "in_channels": expected.inputs,
        "out_channels": expected.outputs,
        "conv_kernel": expected.kernel,
        "is_torgb": expected.to_image,
        "up_factor": expected.up,
        "down_factor": expected.down,
        "down_radial": expected.radial,
    }
    _expect(found, values)
    size = found.where.rsplit("_", 2)[-2]
    if size != str(expected.out_size):
        msg = f"{found.where}: layer {number} has maps of {size} pixels, {expected.out_size} are expected"
        raise CheckpointError(msg)


def _expect(module: Module, values: Mapping[str, float]) -> None:
    for name, expected in values.items():
        found = module.number(name, expected)
        if not math.isclose(found, expected, rel_tol=RELATIVE):
            msg = f"{module.where}: {name} is {found}, {expected} is expected; networks of this design are not read"
            raise CheckpointError(msg)


# ---------------------------------------------------------------- tensors


def _mapping(mapping: Module, shape: AliasFreeShape) -> dict[str, Tensor]:
    """Return the mapping's tensors; biases grow by the activation's gain, which comes before it here."""
    if mapping.number("num_layers") != 2:
        msg = f"{mapping.where}: num_layers is {mapping.number('num_layers')}; two are read"
        raise CheckpointError(msg)
    tensors = {"w_avg": mapping.tensor("w_avg").reshape(-1, shape.w_dim)}
    parts = {"layers.0": "fc0", "layers.1": "fc1"}
    if shape.embedding_dim:
        if not mapping.has("embed_proj"):
            msg = (
                f"{mapping.where}: classes enter by one linear layer, as in a conditional StyleGAN3; of conditional "
                f"generators StyleGAN-XL's are read"
            )
            raise CheckpointError(msg)
        rows = mapping.inner("embed").tensor("weight")
        if len(rows) < shape.classes:
            msg = f"{mapping.where}: {len(rows)} class embeddings for {shape.classes} classes"
            raise CheckpointError(msg)
        # The published table has rows for all of ImageNet's classes, of which the first ones were used.
        tensors["embedding"] = rows[: shape.classes].clone()
        parts["project"] = "embed_proj"
    for own, published in parts.items():
        layer = mapping.inner(published)
        tensors[f"{own}.weight"] = layer.tensor("weight")
        tensors[f"{own}.bias"] = layer.tensor("bias") * ACTIVATION_GAIN
    return {f"mapping.{name}": value for name, value in tensors.items()}


def _input(module: Module) -> dict[str, Tensor]:
    names = {"frequencies": "freqs", "phases": "phases", "transform": "transform", "weight": "weight"}
    tensors = {f"input.{own}": module.tensor(published) for own, published in names.items()}
    affine = module.inner("affine")
    return tensors | {f"input.affine.{name}": affine.tensor(name) for name in ("weight", "bias")}


def _layer(module: Module, own: str) -> dict[str, Tensor]:
    affine = module.inner("affine")
    magnitude = "magnitude_ema" if module.has_tensor("magnitude_ema") else ""
    return {
        f"{own}.weight": module.tensor("weight"),
        f"{own}.bias": module.tensor("bias"),
        f"{own}.magnitude": module.tensor(magnitude).reshape(()) if magnitude else torch.ones(()),
        f"{own}.affine.weight": affine.tensor("weight"),
        f"{own}.affine.bias": affine.tensor("bias"),
    }
