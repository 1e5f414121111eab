"""Nodules that two genes shape, as image sets: disks whose radius and grey follow a patient's genes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.radiogenomic.evaluation.score import Evidence
from radgen.radiogenomic.expression import Expression

SIZE = 32
GENES = 8
TRAIN, NEW = 24, 14


def picture(genes: NDArray[np.floating], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image and cover uint8 [32, 32]: gene 0 is the radius, gene 1 the grey, the noise is the seed's."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    radius = 7 * np.exp(0.2 * float(genes[0]))
    cover = np.clip(radius + 0.5 - np.hypot(y + rng.normal(0, 0.5), x), 0, 1)
    grey = 40 + cover * (90 + 25 * float(genes[1])) + rng.normal(0, 5, cover.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), np.rint(255 * cover).astype(np.uint8)


def patients() -> tuple[list[str], NDArray[np.float32]]:
    """Names and genes of all patients, those to learn from first."""
    names = [f"p{number:02d}" for number in range(TRAIN + NEW)]
    return names, np.random.default_rng(1).normal(size=(len(names), GENES)).astype(np.float32)


def write(folder: Path, rows: list[tuple[str, str, NDArray[np.floating], int]]) -> ImageSet:
    """Write (patient, split, genes, seed) as an image set of nodules."""
    with ShardWriter(folder, "shard-000", (1, SIZE, SIZE), with_masks=True, covers=True) as writer:
        for number, (patient, split, genes, seed) in enumerate(rows):
            image, cover = picture(genes, seed)
            row: dict[str, Any] = {"image_id": f"{folder.name}-{number}", "source": "real", "split": split}
            row |= {"patient": patient, "window_low": [-1000.0], "window_high": [500.0], "spacing_row_mm": 1.5}
            writer.append(row, image[None], cover)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    return ImageSet(folder / "index.parquet")


@dataclass
class Drawer:
    """Stands in for a sampler: draws by genes, or by nothing."""

    follows: bool

    def draw(self, profile: NDArray[np.float32], background: NDArray[np.uint8], number: int) -> Any:
        """A nodule; the background moves its greys a little."""
        image, mask = picture(profile if self.follows else np.zeros(GENES), number)
        shaded = np.clip(image.astype(int) + int(background[0, 0]) % 5, 0, 255).astype(np.uint8)
        return type("Nodule", (), {"image": shaded, "mask": mask})


def evidence(folder: Path, *, follows: bool = True, copies: bool = False, draws: int = 3) -> Evidence:
    """Real nodules, and generated ones that follow genes, follow nothing, or copy the training patients."""
    names, genes = patients()
    splits = ["train"] * TRAIN + ["test"] * NEW
    real = [
        (name, split, row, 10 * place + k)
        for place, (name, split, row) in enumerate(zip(names, splits, genes, strict=True))
        for k in range(2)
    ]
    nothing = np.zeros(GENES)
    made = []
    for place, (name, row) in enumerate(zip(names, genes, strict=True)):
        for k in range(draws):
            source = (
                real[(place % TRAIN) * 2] if copies else (name, "", row if follows else nothing, 5000 + 10 * place + k)
            )
            made.append((name, "synthetic", source[2], source[3]))
    torch.manual_seed(0)
    network = ConvEncoder(NetworkShape(1, SIZE, SIZE, 8, 4))
    samples = write(folder / "samples", made)
    return Evidence(
        write(folder / "nodules", real),
        write(folder / "backgrounds", [(name, "test", nothing, 9000 + place) for place, name in enumerate(names[-4:])]),
        samples,
        samples.column("patient"),
        Expression(tuple(names), tuple(f"G{number}" for number in range(GENES)), genes),
        Drawer(follows),  # type: ignore[arg-type]
        FeatureNetwork(network.eval(), "", torch.device("cpu")),
    )
