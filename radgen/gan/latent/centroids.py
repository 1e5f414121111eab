"""Centroids of the mapped styles: the modes towards which truncation draws instead of one average.

A class whose images form several groups has an average between them that looks like none. Drawing a style to the
nearest centroid keeps it within its group.

Source: Mokady et al. 2022, "Self-distilled StyleGAN: towards generation from internet photos", section 4.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from torch import Tensor, nn

from radgen.errors import CheckpointError, ConfigError
from radgen.gan.kinds import ImageGenerator
from radgen.gan.latent.kmeans import cluster
from radgen.seeds import derive_seed
from radgen.training.weights import CARD_KEY, save_weights

KIND = "style centroids"
POOLED = -1  # class id of centroids that serve all classes
CHUNK = 4096  # styles mapped and compared at once; the sums depend on it, so it is no setting
STYLES_PER_CENTROID = 256
ITERATIONS = 30


@dataclass(frozen=True)
class Centroids:
    """Centres of truncation.

    Attributes
    ----------
    centres
        float32 [k, w_dim].
    class_ids
        Class of each, int64 [k]; -1 serves all classes.
    sizes
        Mapped styles nearest to each, int64 [k].
    """

    centres: Tensor
    class_ids: Tensor
    sizes: Tensor

    def nearest(self, w: Tensor, class_ids: Tensor) -> Tensor:
        """Return the centre nearest in L2 to each style [n, w_dim], among those of its class [n]: [n, w_dim]."""
        centres, classes = self.centres.to(w.device), self.class_ids.to(w.device)
        distances = torch.cdist(w, centres, compute_mode="donot_use_mm_for_euclid_dist")
        foreign = (classes != POOLED) & (classes != class_ids[:, None])
        return centres[distances.masked_fill(foreign, torch.inf).argmin(dim=1)]


def truncate(w: Tensor, centre: Tensor, psi: float) -> Tensor:
    """Return `centre + psi * (w - centre)`, exactly the centre at 0 and exactly w at 1.

    Source: Karras et al. 2019, "A style-based generator architecture", appendix B.
    """
    return torch.lerp(centre, w, psi)


def find_centroids(
    generator: ImageGenerator, count: int, *, seed: int, styles: int, pooled: bool = False, iterations: int = ITERATIONS
) -> Centroids:
    """Cluster the styles that latents of each class, or of all classes together, are mapped to.

    All on the CPU, wherever the generator is: low bits can move a centroid far, and every caller must find the same.

    Parameters
    ----------
    generator
        In evaluation mode.
    count
        Centroids of each class, or of all classes together.
    seed
        Seed of the latents and of the start.
    styles
        Styles mapped for each class, or for all classes together.
    pooled
        Cluster all classes together.
    iterations
        Most steps of Lloyd's algorithm.

    Raises
    ------
    ConfigError
        Fewer styles than centroids, or fewer different ones.
    """
    classes = range(generator.shape.classes)
    groups = {POOLED: tuple(classes)} if pooled else {class_id: (class_id,) for class_id in classes}
    if not 0 < count <= styles:
        msg = f"{count} centroids of {styles} styles; ask for at least 1, and for as many styles or more"
        raise ConfigError(msg)
    mapping = copy.deepcopy(generator.mapping).cpu()
    found = {}
    for name, group in groups.items():
        draws = torch.Generator().manual_seed(derive_seed("centroid start", seed, *group))
        stream = functools.partial(mapped_styles, mapping, generator.shape.z_dim, group, styles, seed)
        found[name] = cluster(stream, count, draws, iterations)
    return Centroids(
        torch.cat([part.centres for part in found.values()]).float(),
        torch.tensor([name for name in found for _ in range(count)]),
        torch.cat([part.sizes for part in found.values()]),
    )


@torch.no_grad()
def mapped_styles(mapping: nn.Module, z_dim: int, class_ids: Sequence[int], count: int, seed: int) -> Iterator[Tensor]:
    """Map latents of classes that take turns, in chunks: float64 [m, w_dim]; a larger count begins with a smaller."""
    classes = torch.tensor(class_ids)[torch.arange(CHUNK) % len(class_ids)]
    for chunk in range(-(-count // CHUNK)):
        draws = torch.Generator().manual_seed(derive_seed("centroids", seed, chunk, *class_ids))
        w = mapping(torch.randn(CHUNK, z_dim, generator=draws), classes)
        yield w[: count - chunk * CHUNK].double()


def save_centroids(path: Path, centroids: Centroids, *, generator: str) -> None:
    """Write centroids and the digest of the weights they belong to; equal content gives equal bytes."""
    tensors = {
        "centres": centroids.centres.contiguous(),
        "class_ids": centroids.class_ids.contiguous(),
        "sizes": centroids.sizes.contiguous(),
    }
    save_weights(path, tensors, {"kind": KIND, "generator": generator})


def load_centroids(path: Path, *, generator: str) -> Centroids:
    """Read centroids.

    Parameters
    ----------
    path
        What `save_centroids` wrote.
    generator
        Digest of the weights that are to be truncated.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, something else, or of other weights.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            card = json.loads((file.metadata() or {})[CARD_KEY])
            tensors = {name: file.get_tensor(name) for name in ("centres", "class_ids", "sizes")}
        kind, made_from = card["kind"], card["generator"]
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        msg = f"{path}: not readable as {KIND} ({error}); make them by `radgen latent centroids`"
        raise CheckpointError(msg) from error
    if kind != KIND or made_from != generator:
        msg = f"{path}: {kind} of weights {made_from}, but these weights are {generator}; make them of these weights"
        raise CheckpointError(msg)
    return Centroids(**tensors)
