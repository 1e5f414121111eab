"""Checkpoints in the published format, made here: persistent-object records around tensors of known weights."""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from radgen.gan.aliasfree.schedule import AliasFreeShape, Layer, Stage, input_channels, plan
from tests.gan.published.weights import weight


def small(resolution: int, layers: int) -> Stage:
    return Stage(resolution, layers, 128, 24)


SHAPES = {
    "stem": AliasFreeShape(3, 3, small(16, 7), w_dim=16),
    "grown twice": AliasFreeShape(3, 3, small(16, 7), (small(32, 4), small(64, 4)), w_dim=16),
    "radial": AliasFreeShape(1, 3, small(16, 6), (small(64, 5),), filters="radial", w_dim=16),
    "one class": AliasFreeShape(3, 1, small(32, 7), w_dim=16, embedding_dim=0),
}


def _reconstruct_persistent_obj(_meta: Any) -> None:
    msg = "the checkpoint's code was run"
    raise AssertionError(msg)


class Persistent:
    """A module as the published format pickles it: source text, class name and state, rebuilt by one function."""

    def __init__(self, class_name: str, where: str, **attributes: Any) -> None:
        self.where = where
        self.meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": class_name}
        self.state: dict[str, Any] = {"_parameters": {}, "_buffers": {}, "_modules": {}, "training": False} | attributes

    def parameter(self, name: str, *shape: int) -> Persistent:
        self.state["_parameters"][name] = nn.Parameter(_tensor(f"{self.where}.{name}", shape), requires_grad=False)
        return self

    def buffer(self, name: str, *shape: int) -> Persistent:
        self.state["_buffers"][name] = _tensor(f"{self.where}.{name}", shape)
        return self

    def module(self, name: str, module: Any) -> Persistent:
        self.state["_modules"][name] = module
        return self

    def linear(self, name: str, outputs: int, inputs: int) -> Persistent:
        inner = Persistent("FullyConnectedLayer", f"{self.where}.{name}", in_features=inputs, weight_gain=np.float64(1))
        return self.module(name, inner.parameter("weight", outputs, inputs).parameter("bias", outputs))

    def __reduce__(self) -> Any:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta | {"state": self.state},)


def _tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(np.array(weight(name, shape)))


@contextlib.contextmanager
def published_names() -> Iterator[None]:
    """Lend this process the module name that the format uses."""
    module = types.ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    sys.modules |= {"torch_utils": types.ModuleType("torch_utils"), "torch_utils.persistence": module}
    try:
        yield
    finally:
        del sys.modules["torch_utils.persistence"], sys.modules["torch_utils"]


def generator(shape: AliasFreeShape) -> Persistent:
    facts = {
        "z_dim": shape.z_dim,
        "c_dim": shape.classes if shape.embedding_dim else 0,
        "w_dim": shape.w_dim,
        "img_resolution": shape.resolution,
        "img_channels": shape.image_channels,
    }
    if shape.heads:
        facts |= {"channel_base": shape.heads[-1].channel_base, "channel_max": shape.heads[-1].channel_max}
    top = Persistent("SuperresGenerator" if shape.heads else "Generator", "", **facts)
    return top.module("mapping", mapping(shape)).module("synthesis", synthesis(shape))


def mapping(shape: AliasFreeShape) -> Persistent:
    module = Persistent("MappingNetwork", "mapping", num_layers=2)
    inputs = shape.z_dim
    if shape.embedding_dim:
        table = nn.Embedding(5, shape.embedding_dim)  # more rows than classes, as published
        table.weight.data.copy_(_tensor("mapping.embed.weight", (5, shape.embedding_dim)))
        module.module("embed", table).linear("embed_proj", shape.z_dim, shape.embedding_dim)
        inputs *= 2
    module.linear("fc0", shape.w_dim, inputs).linear("fc1", shape.w_dim, shape.w_dim)
    return module.buffer("w_avg", *((shape.classes,) if shape.embedding_dim else ()), shape.w_dim)


def synthesis(shape: AliasFreeShape) -> Persistent:
    layers = plan(shape)
    names = layer_names(layers)
    module = Persistent(
        "SynthesisNetwork",
        "synthesis",
        layer_names=names,
        channel_base=shape.stem.channel_base,
        channel_max=shape.stem.channel_max,
        num_critical=2,
        margin_size=10,
        output_scale=0.25,
        first_cutoff=2,
        use_radial_filters=shape.filters == "radial",
        sampling_rates=np.full(8, 16.0),
    )
    count = input_channels(shape)
    first = Persistent("SynthesisInput", "synthesis.input").linear("affine", 4, shape.w_dim)
    first.parameter("weight", count, count).buffer("freqs", count, 2).buffer("phases", count)
    first.state["_buffers"]["transform"] = torch.eye(3)
    module.module("input", first)
    for name, layer in zip(names, layers, strict=True):
        module.module(name, _layer(f"synthesis.{name}", layer, shape.w_dim))
    return module


def layer_names(layers: tuple[Layer, ...]) -> list[str]:
    """A head's first layer is numbered one more than there are layers before it."""
    names, number = [], -1
    for place, layer in enumerate(layers):
        number = place + 1 if place and layer.stage != layers[place - 1].stage else number + 1
        names.append(f"L{number}_{layer.out_size}_{layer.outputs}")
    return names


def _layer(where: str, layer: Layer, w_dim: int) -> Persistent:
    module = Persistent(
        "SynthesisLayer",
        where,
        is_torgb=layer.to_image,
        in_channels=layer.inputs,
        out_channels=np.int64(layer.outputs),
        in_sampling_rate=layer.in_rate,
        out_sampling_rate=np.float64(layer.out_rate),
        in_cutoff=np.float64(layer.in_cutoff),
        out_cutoff=np.float64(layer.out_cutoff),
        in_half_width=layer.in_half_width,
        out_half_width=layer.out_half_width,
        conv_kernel=layer.kernel,
        conv_clamp=256,
        filter_size=6,
        lrelu_upsampling=2,
        up_factor=layer.up,
        down_factor=layer.down,
        down_radial=layer.radial,
    )
    module.linear("affine", layer.inputs, w_dim).parameter("bias", layer.outputs).buffer("magnitude_ema")
    return module.parameter("weight", layer.outputs, layer.inputs, layer.kernel, layer.kernel)


def checkpoint(path: Path, network: Any, **others: Any) -> Path:
    """Write a checkpoint whose averaged generator is `network`."""
    with published_names():
        path.write_bytes(pickle.dumps({"G": None, "D": None} | others | {"G_ema": network}, protocol=4))
    return path
