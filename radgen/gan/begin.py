"""Where training begins: which networks play, and whose weights they start from.

A stage of a growing generator goes on from the stage before. `init_from` goes on from a finished generator, in its
shape, whose classes may be others: a class of the same name keeps its embedding and average style, a new one takes
those of the class whose images look most like it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.errors import ConfigError
from radgen.features.network import FeatureNetwork
from radgen.gan.aliasfree.generator import AliasFreeGenerator, continue_from
from radgen.gan.checkpoint import load_generator
from radgen.gan.kinds import ImageGenerator, Shape
from radgen.gan.projected.embedding import first_embeddings
from radgen.gan.sampling import BLOCK_SIZE, Sampler
from radgen.gan.scale import enlarged_grey

CPU = torch.device("cpu")
# Images of each known class that are compared with a new class.
LOOKS = 4 * BLOCK_SIZE
EMBEDDING = "mapping.embedding"
AVERAGE = "mapping.w_avg"


@dataclass(frozen=True)
class Start:
    """What training starts from besides a seed.

    Attributes
    ----------
    previous
        Weights of the stage before, of a growing generator.
    init_from
        Weights of a finished generator.
    class_names
        Names by class id of what is trained now.
    class_means
        Returns the mean feature vector of each class's training images, float64 [classes, D], by the encoder: a pass
        over all of them, made only where it is needed.
    encoder
        The domain encoder.
    """

    previous: Path | None
    init_from: Path | None
    class_names: tuple[str, ...]
    class_means: Callable[[], NDArray[np.float64]]
    encoder: FeatureNetwork


def begin(generator: ImageGenerator, start: Start) -> str:
    """Give a fresh generator the weights it starts from; return one sentence about it, or nothing.

    Raises
    ------
    CheckpointError, ConfigError
        The file is no generator, or one of another shape.
    """
    if start.previous is not None:
        return _grow(generator, start.previous)
    if start.init_from is not None:
        return _go_on(generator, start)
    if isinstance(generator, AliasFreeGenerator) and generator.mapping.embedding is not None:
        table = first_embeddings(len(start.class_names), start.encoder.dimension, start.class_means(), seed=0)
        with torch.no_grad():
            generator.mapping.embedding.copy_(table)
        return "class embeddings start as the encoder's class means"
    return ""


def shape_of_file(path: Path, *, classes: int, resolution: int, image_channels: int) -> Shape:
    """Return the shape of a finished generator, for other classes.

    Raises
    ------
    CheckpointError, ConfigError
        The file is no generator, or its images are not those of the study.
    """
    shape: Any = load_generator(path, CPU)[1].shape
    if (shape.resolution, shape.image_channels) != (resolution, image_channels):
        msg = (
            f"init_from {path.name}: makes images of {shape.resolution} pixels and {shape.image_channels} channel(s), "
            f"but the study's have {resolution} and {image_channels}; choose slices.size_px and windows like the file's"
        )
        raise ConfigError(msg)
    found: Shape = dataclasses.replace(shape, classes=classes)
    return found


def _grow(generator: ImageGenerator, previous: Path) -> str:
    earlier, card = load_generator(previous, CPU)
    if not isinstance(earlier, AliasFreeGenerator) or not isinstance(generator, AliasFreeGenerator):
        msg = f"{previous.name}: holds a generator that does not grow; give the stage before of an alias-free one"
        raise ConfigError(msg)
    continue_from(generator, earlier)
    learning = {name for name, _ in generator.learning()}
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(name in learning)
    return f"grown on {earlier.shape.resolution} pixels of {card.seen_images} images; {len(learning)} tensors learn"


def _go_on(generator: ImageGenerator, start: Start) -> str:
    path = start.init_from
    assert path is not None  # noqa: S101 - asked by the caller
    known, card = load_generator(path, CPU)
    own, theirs = generator.state_dict(), known.state_dict()
    rows, sentence = _class_rows(known, card.class_names, start)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(theirs[name][rows] if name in {EMBEDDING, AVERAGE} else theirs[name])
    return f"goes on from {path.name} ({card.seen_images} images); {sentence}"


def _class_rows(known: ImageGenerator, names: Sequence[str], start: Start) -> tuple[Tensor, str]:
    """Return for each class the known one it starts as, int64 [classes], and a sentence that says so."""
    new = [name for name in start.class_names if name not in names]
    nearest = dict(zip(new, _nearest(known, names, new, start), strict=True)) if new else {}
    rows = [names.index(nearest.get(name, name)) for name in start.class_names]
    said = [f"{name} starts as {nearest[name]}" for name in new]
    return torch.tensor(rows), ", ".join(said) if said else "every class is known by name"


def _nearest(known: ImageGenerator, names: Sequence[str], new: Sequence[str], start: Start) -> list[str]:
    """Return for each new class the known one whose generated images have the nearest mean feature vector."""
    shape = start.encoder.shape
    if known.shape.image_channels != shape.channels:
        msg = f"init_from: images of {known.shape.image_channels} channels, but the study's have {shape.channels}"
        raise ConfigError(msg)
    sampler = Sampler(known, names, source="init_from", seed=0, truncation=1.0)
    means = []
    for class_id in range(len(names)):
        images = enlarged_grey(sampler.images(class_id, range(LOOKS)), shape.height)
        means.append(start.encoder.features(images).astype(np.float64).mean(axis=0))
    chosen = []
    for name in new:
        wanted = start.class_means()[start.class_names.index(name)]
        chosen.append(names[int(np.square(np.stack(means) - wanted).sum(axis=1).argmin())])
    return chosen


def freeze(generator: nn.Module, beginnings: Sequence[str]) -> None:
    """Let parameters whose names begin so stay as they are.

    Raises
    ------
    ConfigError
        No parameter's name begins so, or nothing is left to learn.
    """
    names = [name for name, _ in generator.named_parameters()]
    for beginning in beginnings:
        if not any(name.startswith(beginning) for name in names):
            tops = sorted({name.partition(".")[0] for name in names})
            msg = f"freeze: no parameter of the generator begins with {beginning!r}; they begin with {', '.join(tops)}"
            raise ConfigError(msg)
    for name, parameter in generator.named_parameters():
        if name.startswith(tuple(beginnings)):
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in generator.parameters()):
        msg = f"freeze: {', '.join(beginnings)} leave no parameter of the generator to learn; freeze fewer"
        raise ConfigError(msg)
