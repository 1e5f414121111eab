"""A toy cohort: bright discs on a noisy ground, as large as the first gene of their patient says."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
