"""A tiny real generator with random weights, and annotated images of it, for the tests of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.annotation.choose import Judges
from radgen.annotation.outgoing import choose_images, outgoing_images
from radgen.annotation.pack import read_pack, write_pack
from radgen.annotation.result import write_annotation
from radgen.annotation.schema import label_schema
from radgen.annotation.settings import AnnotationSettings
from radgen.features.network import ConvEncoder, NetworkShape, save_network
from radgen.gan.aliasfree.generator import AliasFreeGenerator
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage
from radgen.gan.checkpoint import GeneratorCard, save_generator
from radgen.gan.generator import Generator, GeneratorShape
from radgen.gan.sampling import image_id, load_sampler
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, digest_file, what_part, write_manifest

SIDE = 16
SOURCE = "toy"
CLASSES = ("plain", "spotted")
STRUCTURES = ("bright", "middle")
CPU = torch.device("cpu")


def save_generator_file(path: Path, seed: int = 0) -> Path:
    """Write a tiny generator with random weights."""
    torch.manual_seed(seed)
    shape = GeneratorShape(
        resolution=SIDE,
        image_channels=1,
        classes=2,
        z_dim=6,
        w_dim=8,
        mapping_layers=1,
        channels=(12, 10, 9),
        noise=True,
    )
    card = GeneratorCard(shape=shape, class_names=CLASSES, source=SOURCE, seen_images=0, settings={})
    save_generator(path, Generator(shape).state_dict(), card)
    return path


def save_alias_free_file(path: Path, seed: int = 0) -> Path:
    """Write a tiny alias-free generator with random weights."""
    torch.manual_seed(seed)
    stage = Stage(resolution=SIDE, layers=4, channel_base=48, channel_max=12)
    shape = AliasFreeShape(image_channels=1, classes=2, stem=stage, z_dim=6, w_dim=8, embedding_dim=4)
    card = GeneratorCard(shape=shape, class_names=CLASSES, source=SOURCE, seen_images=0, settings={})
    save_generator(path, AliasFreeGenerator(shape).state_dict(), card)
    return path


def save_encoder_file(path: Path) -> Path:
    """Write a tiny encoder with random weights."""
    torch.manual_seed(1)
    shape = NetworkShape(channels=1, height=SIDE, width_px=SIDE, dimension=4, width=4, class_names=CLASSES)
    save_network(ConvEncoder(shape), path)
    return path


def paint_by_grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint the toy's truth: the brightest fifth of an image is structure 1, the next third structure 2."""
    grey = images[:, 0].astype(np.float64)
    bright, middle = np.quantile(grey, [0.8, 0.47], axis=(1, 2), keepdims=True)
    return np.where(grey > bright, 1, np.where(grey > middle, 2, 0)).astype(np.uint8)


class GreyFeatures:
    """An encoder that looks at the mean grey level of quadrants."""

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return [n, 4]."""
        half = images.shape[-1] // 2
        parts = [images[:, 0, a : a + half, b : b + half].mean(axis=(1, 2)) for a in (0, half) for b in (0, half)]
        return np.stack(parts, axis=1).astype(np.float32)


def make_annotation(folder: Path, weights: Path, count: int = 12) -> tuple[Path, Path]:
    """Make a pack of a generator and paint it; return pack.parquet and the annotated set's index."""
    sampler = load_sampler(weights, seed=3, truncation=0.9, device=CPU)
    choice = choose_images(
        sampler, Judges(GreyFeatures()), AnnotationSettings(count=count, candidates_per_class=32), earlier={}
    )
    images = outgoing_images(sampler, choice.chosen, lambda name, index: image_id(SOURCE, name, index))
    pack = folder / "pack" / "pack.parquet"
    labels = label_schema(STRUCTURES)
    write_pack(pack, images, labels, generator=digest_file(weights), truncation=0.9, sampler_seed=3)
    masks = {item.image_id: paint_by_grey(item.image[None, None])[0] for item in images}
    write_annotation(folder / "index.parquet", read_pack(pack), masks, source=SOURCE)
    return pack, folder / "index.parquet"


def real_pictures(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw grey discs (structure 1) with a small bright spot in half of them (structure 2): images and masks."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = np.zeros((count, 1, SIDE, SIDE), dtype=np.uint8)
    masks = np.zeros((count, SIDE, SIDE), dtype=np.uint8)
    for number in range(count):
        y, x = random.uniform(6, SIDE - 7, 2)
        disc = (rows - y) ** 2 + (columns - x) ** 2 < 20
        masks[number][disc] = 1
        if number % 2:
            masks[number][(rows - y) ** 2 + (columns - x) ** 2 < 4] = 2
        grey = np.choose(masks[number], [20, 120, 220]) + random.normal(0, 8, (SIDE, SIDE))
        images[number, 0] = grey.clip(0, 255).round()
    return images, masks


def write_real(folder: Path, patients: int = 6, per_patient: int = 8) -> Path:
    """Write a real image set whose patients are half of split annotator, half of split train; return its index."""
    images, masks = real_pictures(patients * per_patient, seed=4)
    with ShardWriter(folder, "shard-000", (1, SIDE, SIDE), with_masks=True) as writer:
        for number in range(len(images)):
            patient = number // per_patient
            row = {
                "image_id": f"real_{number:04d}",
                "source": "real",
                "split": "annotator" if patient % 2 == 0 else "train",
                "patient": f"patient{patient}",
                "class_name": CLASSES[number % 2],
                "class_id": number % 2,
            }
            writer.append(row, images[number], masks[number])
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return folder / "index.parquet"


def write_any_manifest(path: Path, saw: SawPatients, output: Path | None = None) -> Path:
    """Write a manifest such as the stage before would have left."""
    what = what_part(stage="gather", version=1, settings={}, inputs={})
    write_manifest(path, what=what, outputs={} if output is None else {"output": output}, saw_patients=saw)
    return path
