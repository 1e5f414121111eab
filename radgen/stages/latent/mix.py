"""Mix styles: coarse layers of one image (rows), fine layers of another (columns)."""

from __future__ import annotations

from pathlib import Path

from radgen.provenance import what_part, write_manifest
from radgen.stages.latent.opened import Key, manifest_path, open_generator, say

VERSION = 1


def run(
    *,
    weights: Path,
    out: Path,
    coarse: tuple[str, ...],
    fine: tuple[str, ...],
    first_fine: int,
    truncation: float = 1.0,
    centroids: Path | None = None,
    gan_manifest: Path | None = None,
    scale: int = 1,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Write a table of mixed images; its first row and column are the images that are mixed.

    Parameters
    ----------
    weights, gan_manifest
        Published generator, and its manifest where it does not lie beside it.
    out
        PNG; its manifest lies beside it.
    coarse, fine
        Styles as class:seed, a row and a column each.
    first_fine
        First layer that follows the column.
    truncation, centroids
        As in the sheet.
    scale
        Each pixel becomes a square of so many.
    device, threads
        Where it is computed.

    Raises
    ------
    CheckpointError, ConfigError, InputError
        Damaged weights, no such layer, no such style.
    """
    import numpy as np

    from radgen.gan.grid import write_png
    from radgen.gan.latent.mixing import mix
    from radgen.gan.latent.styles import Style, paint
    from radgen.stages.latent.pictures import Picture, shown, table

    opened = open_generator(weights, gan_manifest, device, threads)
    drawn = opened.truncation(truncation, centroids)
    rows, columns = (opened.styles([Key.of(word) for word in words], drawn) for words in (coarse, fine))

    def picture(style: Style) -> Picture:
        return shown(paint(opened.generator, style), scale)

    head = [picture(style) for style in columns]
    body = [[picture(row), *(picture(mix(row, column, first_fine)) for column in columns)] for row in rows]
    write_png(out, table([[np.zeros_like(head[0]), *head], *body]))
    settings = {
        "coarse": coarse,
        "fine": fine,
        "first_fine": first_fine,
        "truncation": truncation,
        "scale": scale,
        "threads": threads,
    }
    write_manifest(
        manifest_path(out),
        what=what_part(stage="latent.mix", version=VERSION, settings=settings, inputs=opened.inputs(centroids)),
        outputs={"table": out},
        saw_patients=opened.saw_patients,
        device=opened.device,
    )
    last = opened.generator.layers - 1
    say(f"{out.name}: layers 0 to {first_fine - 1} are of the rows, {first_fine} to {last} of the columns")
