"""Cluster a generator's styles and write their centroids, towards which other tools truncate."""

from __future__ import annotations

from pathlib import Path

from radgen.provenance import what_part, write_manifest
from radgen.stages.latent.opened import manifest_path, open_generator, say

VERSION = 1


def run(
    *,
    weights: Path,
    out: Path,
    count: int,
    styles: int,
    seed: int = 1,
    pooled: bool = False,
    iterations: int = 30,
    gan_manifest: Path | None = None,
    threads: int = 1,
) -> None:
    """Write centroids.

    Parameters
    ----------
    weights, gan_manifest
        Published generator, and its manifest where it does not lie beside it.
    out
        Safetensors of `centres` [k, w_dim], `class_ids` [k] and `sizes` [k]; its manifest lies beside it.
    count, styles, seed, pooled, iterations
        See `radgen.gan.latent.centroids.find_centroids`.
    threads
        CPU threads.

    Raises
    ------
    CheckpointError, ConfigError, InputError
        Damaged weights, impossible numbers, no manifest.
    """
    from radgen.gan.latent.centroids import find_centroids, save_centroids

    opened = open_generator(weights, gan_manifest, "cpu", threads)
    found = find_centroids(opened.generator, count, seed=seed, styles=styles, pooled=pooled, iterations=iterations)
    save_centroids(out, found, generator=opened.digest)
    settings = {"count": count, "styles": styles, "pooled": pooled, "iterations": iterations, "threads": threads}
    write_manifest(
        manifest_path(out),
        what=what_part(
            stage="latent.centroids", version=VERSION, settings=settings, inputs=opened.inputs(None), seed=seed
        ),
        outputs={"centroids": out},
        saw_patients=opened.saw_patients,
    )
    say(
        f"{out.name}: {len(found.centres)} centroids of {styles} styles {'in all' if pooled else 'per class'}; "
        f"the smallest holds {int(found.sizes.min())}, the largest {int(found.sizes.max())}"
    )
