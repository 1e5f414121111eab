"""Find the style per layer of a real image, and bend the generator to it on request; both are patient data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import ConfigError, InputError
from radgen.gan.latent.settings import InversionSettings
from radgen.provenance import (
    SawPatients,
    digest_bytes,
    digest_file,
    read_manifest,
    saw_patients_of,
    what_part,
    write_manifest,
)
from radgen.settings import as_plain
from radgen.stages.latent.opened import Opened, open_generator, say

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from radgen.gan.latent.inversion import Features
    from radgen.gan.latent.styles import Style

VERSION = 1


@dataclass(frozen=True)
class Target:
    """The image that is inverted.

    Attributes
    ----------
    name
        Its id, or "image" for a file: file names may hold names of patients.
    pixels
        uint8 [C, H, W].
    class_name
        Its class, where it is known.
    saw_patients
        Whose it is.
    """

    name: str
    pixels: NDArray[np.uint8]
    class_name: str | None
    saw_patients: SawPatients


@dataclass(frozen=True)
class Found:
    """One step of an inversion: its name, its style and its image."""

    step: str
    style: Style
    image: NDArray[np.uint8]


def run(
    *,
    weights: Path,
    out: Path,
    image: Path | None = None,
    index: Path | None = None,
    image_id: str | None = None,
    class_name: str | None = None,
    encoder: Path | None = None,
    gan_manifest: Path | None = None,
    scale: int = 1,
    settings: InversionSettings | None = None,
    device: str = "auto",
) -> None:
    """Invert one image.

    Parameters
    ----------
    weights, gan_manifest
        Published generator, and its manifest where it does not lie beside it.
    out
        Folder of style.safetensors (`w` [layers, w_dim], `noise`), side_by_side.png (the image, the start, the found
        style, the tuned generator), scores.parquet, generator.safetensors after tuning, and manifest.json.
    image
        PNG of the generator's size, or
    index, image_id
        an image of an image set; its patient enters the ancestry.
    class_name
        Class of the image: where the search starts. By default that of the index, else all classes are tried.
    encoder
        The domain encoder, whose features are compared beside the pixels; its manifest lies beside it.
    scale
        Each pixel of the picture becomes a square of so many.
    settings
        See `InversionSettings`.
    device
        auto, cpu or cuda.

    Raises
    ------
    CheckpointError, ConfigError, InputError
        Damaged weights, no image or two, an image of another size, an unknown class.
    """
    from radgen.gan.latent.inversion import invert, likeness, nearest_start, tune
    from radgen.gan.latent.styles import Style, paint

    settings = settings or InversionSettings()
    opened = open_generator(weights, gan_manifest, device, settings.threads)
    target = _target(opened, image, index, image_id)
    chosen = class_name or (target.class_name if target.class_name in opened.class_names else None)
    class_ids = [opened.class_id(chosen)] if chosen else list(range(len(opened.class_names)))
    near = likeness(opened.generator, target.pixels, _features(encoder, opened), settings)
    start = nearest_start(opened.generator, near, class_ids, settings)
    style = invert(opened.generator, near, start, settings)
    begin = Style(start.expand_as(style.w), style.noise)
    steps = [
        Found("start", begin, paint(opened.generator, begin)),
        Found("styles per layer", style, paint(opened.generator, style)),
    ]
    tuned = None
    if settings.tune:
        tuned = tune(opened.generator, near, style, class_ids, settings)
        steps.append(Found("tuned generator", style, paint(tuned, style)))
    files = _write(out, target, steps, scale)
    if tuned is not None:
        files.append(_write_tuned(out / "generator.safetensors", opened, tuned.state_dict(), target))
    saw = opened.saw_patients | target.saw_patients
    if encoder is not None:
        saw |= saw_patients_of(encoder.parent / "manifest.json")
    if chosen and target.saw_patients.pixels:
        saw |= SawPatients(labels=target.saw_patients.pixels)
    inputs = opened.inputs(None) | {"image": digest_bytes(target.pixels.tobytes())}
    inputs |= {} if encoder is None else {"encoder": digest_file(encoder)}
    plain = {"inversion": as_plain(settings), "image": target.name, "class": chosen, "scale": scale}
    write_manifest(
        out / "manifest.json",
        what=what_part(stage="latent.invert", version=VERSION, settings=plain, inputs=inputs, seed=settings.seed),
        outputs={path.name: path for path in files},
        saw_patients=saw,
        device=opened.device,
    )


def _target(opened: Opened, image: Path | None, index: Path | None, image_id: str | None) -> Target:
    from radgen.stages.latent.pictures import read_png

    if image is not None and index is None and image_id is None:
        pixels = read_png(image, opened.generator.shape.image_channels)
        unknown = f"an image file of unknown patient, pixels {digest_bytes(pixels.tobytes())}"
        return Target("image", pixels, None, SawPatients(unknown=frozenset({unknown})))
    if image is None and index is not None and image_id is not None:
        return _of_set(index, image_id)
    msg = "no image, or two; give --image FILE.png, or --index INDEX with --image-id ID"
    raise ConfigError(msg)


def _of_set(index: Path, image_id: str) -> Target:
    from radgen.imageset.core import ImageSet

    images = ImageSet(index)
    found = images.rows_where(image_id=image_id)
    if len(found) == 0:
        msg = f"{index}: no image {image_id!r} among {len(images)}; ids look like {images.column('image_id')[0]}"
        raise InputError(msg)
    row = images.table.slice(int(found[0]), 1).to_pylist()[0]
    whole = saw_patients_of(index.parent / "manifest.json")
    saw = whole  # of a synthetic image all that its generator saw
    if row["patient"] is not None:
        saw = SawPatients(pixels={row["split"]: frozenset({row["patient"]})}, unknown=whole.unknown)
    return Target(image_id, images.images(found)[0], row["class_name"], saw)


def _features(encoder: Path | None, opened: Opened) -> Features | None:
    if encoder is None:
        return None
    from radgen.features.network import load_features

    read_manifest(encoder.parent / "manifest.json")  # nobody would know whose images it saw
    network = load_features(encoder, opened.device)
    shape, own = network.shape, opened.generator.shape
    sizes = [(shape.channels, shape.height, shape.width_px), (own.image_channels, own.resolution, own.resolution)]
    if sizes[0] != sizes[1]:
        msg = f"{encoder}: takes images {sizes[0]}, but the generator makes {sizes[1]}; give that of the same study"
        raise InputError(msg)
    return network.module


def _write(out: Path, target: Target, steps: list[Found], scale: int) -> list[Path]:
    import pyarrow as pa
    from safetensors.torch import save_file

    from radgen.gan.grid import write_png
    from radgen.gan.latent.inversion import psnr_db
    from radgen.imageset.core import write_table
    from radgen.provenance import atomic_path
    from radgen.stages.latent.pictures import shown, table

    style, pictures, scores = out / "style.safetensors", out / "side_by_side.png", out / "scores.parquet"
    rows = [
        {"image_id": target.name, "step": found.step, "psnr_db": psnr_db(found.image, target.pixels)} for found in steps
    ]
    with atomic_path(style) as temporary:
        save_file({"w": steps[1].style.w.cpu().contiguous(), "noise": steps[1].style.noise.cpu()}, temporary)
    write_png(pictures, table([[shown(target.pixels, scale), *(shown(found.image, scale) for found in steps)]]))
    write_table(scores, pa.Table.from_pylist(rows))
    for row in rows:
        say(f"{row['step']}: PSNR {row['psnr_db']:.2f} dB")
    return [style, pictures, scores]


def _write_tuned(path: Path, opened: Opened, tensors: dict[str, torch.Tensor], target: Target) -> Path:
    from radgen.gan.checkpoint import save_generator

    tuned_to = {"weights": opened.digest, "pixels": digest_bytes(target.pixels.tobytes())}
    settings = {**opened.card.settings, "tuned_to": tuned_to}
    save_generator(path, tensors, dataclasses.replace(opened.card, settings=settings))
    return path
