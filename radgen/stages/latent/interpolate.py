"""Walk from style to style, between seeds or between classes: a film (GIF, MP4) or a strip of pictures (PNG)."""

from __future__ import annotations

from pathlib import Path

from radgen.errors import ConfigError
from radgen.provenance import what_part, write_manifest
from radgen.stages.latent.opened import Key, manifest_path, open_generator, say

VERSION = 1


def run(
    *,
    weights: Path,
    out: Path,
    keys: tuple[str, ...],
    frames: int = 24,
    loop: bool = False,
    frames_per_second: int = 12,
    truncation: float = 1.0,
    centroids: Path | None = None,
    gan_manifest: Path | None = None,
    scale: int = 1,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Write the film or strip.

    Parameters
    ----------
    weights, gan_manifest
        Published generator, and its manifest where it does not lie beside it.
    out
        .gif, .mp4, or .png for the frames side by side; its manifest lies beside it.
    keys
        Styles as class:seed; one seed in two classes is the way between classes with the latent fixed.
    frames, loop
        Frames from one key to the next; whether the film goes back to the first.
    frames_per_second
        Of a film.
    truncation, centroids
        As in the sheet.
    scale
        Each pixel becomes a square of so many.
    device, threads
        Where it is computed.

    Raises
    ------
    CheckpointError, ConfigError, InputError
        Damaged weights, another suffix, no MP4 encoder, no such style.
    """
    from radgen.gan.grid import write_png
    from radgen.gan.latent.interpolation import walk
    from radgen.gan.latent.styles import paint
    from radgen.stages.latent.pictures import FILMS, shown, table, write_film

    if out.suffix not in (*FILMS, ".png"):
        msg = f"{out}: write {', '.join(FILMS)} or .png (frames side by side), not {out.suffix!r}"
        raise ConfigError(msg)
    opened = open_generator(weights, gan_manifest, device, threads)
    styles = opened.styles([Key.of(word) for word in keys], opened.truncation(truncation, centroids))
    pictures = [shown(paint(opened.generator, style), scale) for style in walk(styles, frames, loop=loop)]
    if out.suffix == ".png":
        write_png(out, table([pictures]))
    else:
        write_film(out, pictures, frames_per_second)
    settings = {
        "keys": keys,
        "frames": frames,
        "loop": loop,
        "frames_per_second": frames_per_second,
        "truncation": truncation,
        "scale": scale,
        "threads": threads,
    }
    write_manifest(
        manifest_path(out),
        what=what_part(stage="latent.interpolate", version=VERSION, settings=settings, inputs=opened.inputs(centroids)),
        outputs={"film": out},
        saw_patients=opened.saw_patients,
        device=opened.device,
    )
    say(f"{out.name}: {len(pictures)} frames through {', '.join(keys)}")
