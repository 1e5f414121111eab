"""A toy cohort: bright discs on a noisy ground, as large as the first gene of their patient says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, what_part, write_manifest
from radgen.radiogenomic.expression import Expression, save_expression
from radgen.radiogenomic.synthesis.networks import RadiogenomicShape
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.radiogenomic.synthesis.system import RadiogenomicSystem, radiogenomic_trainer
from radgen.seeds import random_generator
from radgen.training.adversarial import AdversarialTrainer

PX, PATIENTS, GENES = 32, 24, 6
TINY = {"g_n_feat": 4, "d_n_feat": 8, "embed_dim": 8, "g_ls": 4, "hidden": 16, "bs": 8, "precision": "fp32"}


def profiles(patients: int = PATIENTS) -> NDArray[np.float32]:
    """Return float32 [patients, GENES], normal; the first is the size, the others are noise."""
    return random_generator("toy genes").normal(size=(patients, GENES)).astype(np.float32)


def radius_px(profile: NDArray[np.float32]) -> float:
    """Return the radius that a profile asks for."""
    return float(7.0 + 3.0 * np.tanh(profile[0]))


def ground(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a healthy background, uint8 [PX, PX]."""
    return np.clip(random.normal(40, 8, (PX, PX)), 0, 255).astype(np.uint8)


def patch(profile: NDArray[np.float32], random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return image and cover, uint8 [PX, PX] each."""
    y, x = np.mgrid[:PX, :PX] - (PX - 1) / 2
    cover = np.clip(radius_px(profile) + 0.5 - np.hypot(y, x), 0, 1)
    image = ground(random) * (1 - cover) + 190 * cover
    return image.astype(np.uint8), np.rint(255 * cover).astype(np.uint8)


class InMemory:
    """Batches of the toy, as `PairedPatches` makes them of image sets."""

    def batch(self, seen_images: int, size: int) -> tuple[Tensor, Tensor]:
        """See `PairedPatches.batch`."""
        genes, found, rows = profiles(), [], []
        for number in range(seen_images, seen_images + size):
            random = random_generator("toy", number)
            own, other = random.choice(PATIENTS, 2, replace=False)
            found.append([*patch(genes[own], random), *patch(genes[other], random), ground(random)])
            rows.append(int(own))
        return torch.from_numpy(np.array(found)), torch.tensor(rows)


def trainer(**options: object) -> AdversarialTrainer[RadiogenomicSystem]:
    """Return a trainer of tiny networks in fp32."""
    settings = RadiogenomicSettings(**TINY | options)  # type: ignore[arg-type]
    shape = RadiogenomicShape(
        resolution=PX,
        genes=GENES,
        hidden=settings.hidden,
        embed_dim=settings.embed_dim,
        g_ls=settings.g_ls,
        g_n_feat=settings.g_n_feat,
        d_n_feat=settings.d_n_feat,
        code_kernel=settings.code_kernel,
    )
    genes = torch.from_numpy(profiles())
    return radiogenomic_trainer(shape, settings, InMemory(), genes, torch.device("cpu"))


def write_sets(folder: Path, patients: int = 8, patches: int = 2) -> None:
    """Write nodules/, nodules/backgrounds/ and rna/ of a toy study; the last two patients are of split test.

    Patient p0 has no background of its own, and p1 no RNA.
    """
    genes = profiles(patients)
    nodules, healthy = folder / "nodules", folder / "nodules" / "backgrounds"
    with (
        ShardWriter(nodules, "shard-000", (1, PX, PX), with_masks=True, covers=True) as nodule_shard,
        ShardWriter(healthy, "shard-000", (1, PX, PX), with_masks=False) as healthy_shard,
    ):
        for number in range(patients):
            for k in range(patches):
                random = random_generator("toy set", number, k)
                image, mask = patch(genes[number], random)
                nodule_shard.append(_row(number, patients, "nodule", k), image[None], mask)
                if number:
                    healthy_shard.append(_row(number, patients, "background", k), ground(random)[None])
    for index in (nodules, healthy):
        gather_index([index / "shard-000.index.parquet"], index / "index.parquet")
    names, kept = [f"p{number}" for number in range(patients)], [n for n in range(patients) if n != 1]
    table = Expression(tuple(names[n] for n in kept), tuple(f"G{n}" for n in range(GENES)), genes[kept])
    save_expression(folder / "rna" / "rna.parquet", table)
    saw = SawPatients(pixels={"train": frozenset(names[:-2])}, masks={"train": frozenset(names[:-2])})
    for stage, path in (("nodules_gather", nodules / "manifest.json"), ("rna", folder / "rna" / "manifest.json")):
        what = what_part(stage=stage, version=1, settings={}, inputs={})
        write_manifest(path, what=what, outputs={}, saw_patients=saw)


def _row(number: int, patients: int, kind: str, k: int) -> dict[str, object]:
    return {
        "image_id": f"p{number}-{kind}-{k}",
        "source": "real",
        "split": "train" if number < patients - 2 else "test",
        "patient": f"p{number}",
        "class_name": kind,
        "class_id": 0,
        "spacing_row_mm": 1.25,
        "spacing_col_mm": 1.25,
        "window_low": [-1000.0],
        "window_high": [500.0],
    }


def command(folder: Path, out: str, *, work: str = "", **changes: object) -> list[str]:
    """Return the command line of the radiogenomic stage on a toy study, writing to `out`."""
    options = {
        "nodules": folder / "nodules/index.parquet",
        "backgrounds": folder / "nodules/backgrounds/index.parquet",
        "nodules-manifest": folder / "nodules/manifest.json",
        "rna": folder / "rna/rna.parquet",
        "rna-manifest": folder / "rna/manifest.json",
        "source": "main",
        "weights": folder / out / "generator.safetensors",
        "history": folder / out / "history.parquet",
        "grid": folder / out / "samples.png",
        "manifest": folder / out / "manifest.json",
        "work": folder / (work or f"work-{out}"),
        "device": "cpu",
        "settings": json.dumps({"radiogenomic": TINY | {"ep": 4, "save_interval": 2} | changes}),
    }
    return ["radiogenomic", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
