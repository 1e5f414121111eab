"""Draw a sheet of samples: rows are classes and truncations, columns are seeds."""

from __future__ import annotations

from pathlib import Path

from radgen.provenance import what_part, write_manifest
from radgen.stages.latent.opened import Key, manifest_path, open_generator, say

VERSION = 1


def run(
    *,
    weights: Path,
    out: Path,
    seeds: tuple[int, ...],
    classes: tuple[str, ...] = (),
    truncations: tuple[float, ...] = (1.0,),
    centroids: Path | None = None,
    gan_manifest: Path | None = None,
    scale: int = 1,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Write the sheet.

    Parameters
    ----------
    weights, gan_manifest
        Published generator, and its manifest where it does not lie beside it.
    out
        PNG; its manifest lies beside it.
    seeds
        One column each: the same latent in every class.
    classes
        All by default.
    truncations
        One row each, within each class.
    centroids
        Truncate towards the nearest of these instead of the class's average.
    scale
        Each pixel becomes a square of so many.
    device, threads
        Where it is computed.

    Raises
    ------
    CheckpointError, InputError
        Damaged weights or foreign centroids, an unknown class.
    """
    from radgen.gan.grid import write_png
    from radgen.gan.latent.styles import paint
    from radgen.stages.latent.pictures import shown, table

    opened = open_generator(weights, gan_manifest, device, threads)
    classes = classes or opened.class_names
    rows = [(name, psi) for name in classes for psi in truncations]
    pictures = []
    for name, psi in rows:
        styles = opened.styles([Key(name, seed) for seed in seeds], opened.truncation(psi, centroids))
        pictures.append([shown(paint(opened.generator, style), scale) for style in styles])
    write_png(out, table(pictures))
    settings = {"seeds": seeds, "classes": classes, "truncations": truncations, "scale": scale, "threads": threads}
    write_manifest(
        manifest_path(out),
        what=what_part(stage="latent.sheet", version=VERSION, settings=settings, inputs=opened.inputs(centroids)),
        outputs={"sheet": out},
        saw_patients=opened.saw_patients,
        device=opened.device,
    )
    for number, (name, psi) in enumerate(rows, start=1):
        say(f"row {number}: {name}, truncation {psi:g}")
    say(f"columns: seeds {', '.join(map(str, seeds))}")
