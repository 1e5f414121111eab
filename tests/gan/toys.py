"""A toy study of 16-pixel images: bright squares whose side depends on the class, left of the middle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape, save_network
from radgen.gan.begin import Start
from radgen.gan.generator import Generator, GeneratorShape
from radgen.gan.run import Means
from radgen.gan.settings import GanSettings
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, what_part, write_manifest
from radgen.training.ranks import Ranks

CLASS_NAMES = ("small", "large")
SHAPE = GeneratorShape(16, 1, 2, 6, 12, 2, (8, 8, 6), noise=True)
GAN = {
    "images": 800,
    "threads": 1,
    "batch_size": 8,
    "z_dim": 6,
    "w_dim": 12,
    "generator_channels": [8, 8, 6],
    "discriminator_channels": [6, 8, 8],
    "rebuild": {"alone_images": 160},
    "tick_images": 200,
    "evaluate_images": 48,
    "save_every_images": 80,
}


def picture(class_id: int, random: np.random.Generator, zoom: int = 1) -> NDArray[np.uint8]:
    """One image [1, 16 zoom, 16 zoom]: dark, with a bright square in the left half."""
    image = random.integers(0, 20, (1, 16, 16))
    side = 3 + 3 * class_id
    row, column = random.integers(2, 14 - side), random.integers(1, 3)
    image[:, row : row + side, column : column + side] = random.integers(180, 250)
    return image.astype(np.uint8).repeat(zoom, axis=1).repeat(zoom, axis=2)


def write_images(folder: Path, *, train: int = 60, val: int = 60, shards: int = 2, side: int = 16) -> Path:
    """Write the image set, six images per patient, and its manifest; return its index."""
    random = np.random.default_rng(0)
    rows = [("train", number) for number in range(train)] + [("val", number) for number in range(val)]
    parts = []
    for shard in range(shards):
        with ShardWriter(folder, f"shard-{shard:03d}", (1, side, side), with_masks=False) as writer:
            for split, number in rows[shard::shards]:
                class_id = number % 2
                row = {
                    "image_id": f"{split}-{number}",
                    "source": "real",
                    "split": split,
                    "patient": f"{split}-patient-{number // 6}",
                    "class_name": CLASS_NAMES[class_id],
                    "class_id": class_id,
                }
                writer.append(row, picture(class_id, random, side // 16))
        parts.append(folder / f"shard-{shard:03d}.index.parquet")
    index = folder / "index.parquet"
    gather_index(parts, index)
    _manifest(folder / "manifest.json", "slices", {"index": index})
    return index


def write_encoder(folder: Path, side: int = 16) -> Path:
    """Write an untrained encoder and its manifest; return its weights."""
    torch.manual_seed(0)
    weights = folder / "encoder.safetensors"
    save_network(ConvEncoder(NetworkShape(1, side, side, 4, 4, CLASS_NAMES)), weights)
    _manifest(folder / "manifest.json", "encoder", {"weights": weights})
    return weights


def _manifest(path: Path, stage: str, outputs: dict[str, Path]) -> None:
    what = what_part(stage=stage, version=1, settings={}, inputs={})
    write_manifest(path, what=what, outputs=outputs, saw_patients=SawPatients())


def generator(seed: int = 0, shape: GeneratorShape = SHAPE) -> Generator:
    """Return an untrained generator whose noise and class averages matter."""
    torch.manual_seed(seed)
    made = Generator(shape)
    with torch.no_grad():
        for block in made.blocks:
            block.noise_strength.fill_(0.3)  # type: ignore[operator, union-attr]
        made.mapping.w_avg.normal_()
    return made.eval().requires_grad_(requires_grad=False)


def fresh(settings: GanSettings) -> Generator:
    """Return a generator with first weights, as training begins with."""
    torch.manual_seed(settings.seed)
    return Generator(SHAPE)


def means(encoder: FeatureNetwork, class_names: tuple[str, ...] = CLASS_NAMES) -> Means:
    """Return with what a run is carried out: this process, no scores, no guide, fresh weights."""
    start = Start(None, None, class_names, lambda: np.zeros((len(class_names), encoder.dimension)), encoder)
    return Means(torch.device("cpu"), None, None, start, Ranks(), lambda _: None)


def encoder_of(height: int, width: int, channels: int = 1) -> FeatureNetwork:
    """Return an untrained encoder for images of this size."""
    torch.manual_seed(0)
    shape = NetworkShape(channels, height, width, 4, 4, CLASS_NAMES)
    return FeatureNetwork(ConvEncoder(shape), "untrained", torch.device("cpu"))


def study(folder: Path, side: int = 16) -> Path:
    """Write slices and encoder of a toy study and return its folder."""
    write_images(folder / "slices", side=side)
    write_encoder(folder / "encoder", side)
    return folder


def gan_command(folder: Path, out: str, **changes: object) -> list[str]:
    """Return the command line of the gan stage on a toy study, writing to `out`."""
    sections = {"gan": GAN | changes, "classes": {"by": "folder", "names": CLASS_NAMES}}
    options = {
        "slices": folder / "slices/index.parquet",
        "slices-manifest": folder / "slices/manifest.json",
        "encoder": folder / "encoder/encoder.safetensors",
        "encoder-manifest": folder / "encoder/manifest.json",
        "source": "main",
        "weights": folder / out / "generator.safetensors",
        "last": folder / out / "last.safetensors",
        "history": folder / out / "history.parquet",
        "grid": folder / out / "samples.png",
        "manifest": folder / out / "manifest.json",
        "work": folder / f"work-{out}",
        "device": "cpu",
        "settings": json.dumps(sections),
    }
    return ["gan", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]


def images_of(folder: Path) -> ImageSet:
    """Open the toy study's images."""
    return ImageSet(folder / "slices/index.parquet")
