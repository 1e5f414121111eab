"""Walk from style to style, between seeds or between classes: a film (GIF, MP4) or a strip of pictures (PNG)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import ConfigError
from radgen.provenance import SawPatients, digest_file, saw_patients_of, what_part, write_manifest
from radgen.stages.latent.opened import Key, manifest_path, open_generator, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radgen.gan.latent.styles import Style
    from radgen.stages.latent.opened import Opened

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
    head: Path | None = None,
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
    head
        Label heads of this generator: beside (in a strip below) each frame stands the same with its mask over it. Their
        ancestry is read from the manifest beside them, and is unknown where there is none.
    scale
        Each pixel becomes a square of so many.
    device, threads
        Where it is computed.

    Raises
    ------
    CheckpointError, ConfigError, InputError
        Damaged weights, heads of another generator, another suffix, no MP4 encoder, no such style.
    """
    from radgen.gan.grid import write_png
    from radgen.gan.latent.interpolation import walk
    from radgen.gan.latent.styles import paint
    from radgen.labels.film import class_shares
    from radgen.stages.latent.pictures import FILMS, shown, table, write_film

    if out.suffix not in (*FILMS, ".png"):
        msg = f"{out}: write {', '.join(FILMS)} or .png (frames side by side), not {out.suffix!r}"
        raise ConfigError(msg)
    saw_by_heads = SawPatients() if head is None else _seen_by(head)
    opened = open_generator(weights, gan_manifest, device, threads)
    read_keys = [Key.of(word) for word in keys]
    styles = opened.styles(read_keys, opened.truncation(truncation, centroids))
    steps = list(walk(styles, frames, loop=loop))
    if head is None:
        pictures = [[paint(opened.generator, style)] for style in steps]
    else:
        class_ids = [opened.class_id(key.class_name) for key in read_keys]
        pictures = _with_masks(opened, head, steps, list(class_shares(class_ids, frames, loop=loop)))
    rows = [[shown(image, scale) for image in row] for row in zip(*pictures, strict=True)]
    if out.suffix == ".png":
        write_png(out, table(rows))
    else:
        write_film(out, [table([frame]) for frame in zip(*rows, strict=True)], frames_per_second)
    inputs = opened.inputs(centroids) | ({} if head is None else {"head": digest_file(head)})
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
        what=what_part(stage="latent.interpolate", version=VERSION, settings=settings, inputs=inputs),
        outputs={"film": out},
        saw_patients=opened.saw_patients | saw_by_heads,
        device=opened.device,
    )
    say(f"{out.name}: {len(rows[0])} frames through {', '.join(keys)}")


def _seen_by(head: Path) -> SawPatients:
    """Return the ancestry of heads; without a manifest beside them it is unknown, and the film says so."""
    beside = head.parent / "manifest.json"
    if beside.is_file():
        return saw_patients_of(beside)
    return SawPatients(unknown=frozenset({f"{head.name}: no manifest beside these heads says whose masks taught them"}))


def _with_masks(
    opened: Opened, head: Path, steps: list[Style], shares: list[dict[int, float]]
) -> list[list[NDArray[np.uint8]]]:
    """Return each frame's image, and the image with the mask that the heads paint over it: uint8 [3, H, W] each."""
    import torch

    from radgen.annotation.schema import label_schema
    from radgen.labels.film import as_colour, overlaid, paint_with_mask
    from radgen.labels.head import check_head, load_heads

    heads = load_heads(head, torch.device(opened.device))
    shape = heads.shape
    check_head(shape, generator=opened.digest, class_names=opened.class_names, labels=shape.labels)
    colours = [label.colour for label in label_schema(shape.labels[1:])]
    frames = []
    for style, share in zip(steps, shares, strict=True):
        image, mask = paint_with_mask(opened.generator, heads, style, share)
        frames.append([as_colour(image), overlaid(image, mask, colours)])
    return frames
