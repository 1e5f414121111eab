"""Choose a few synthetic images for annotation and write the pack that goes out to a person."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.annotation.settings import FIRST_ROUND, AnnotationSettings
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import ConfigError
from radgen.gan.settings import SampleSettings
from radgen.provenance import SawPatients, digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch
    from numpy.typing import NDArray

    from radgen.annotation.outgoing import Choice
    from radgen.gan.sampling import Sampler
    from radgen.imageset.core import ImageSet
    from radgen.labels.doubt import DoubtingSampler
    from radgen.metrics.copies import CopyGuard

VERSION = 6


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    encoder: Path,
    encoder_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    folder: Path,
    pack: Path,
    manifest: Path,
    annotation: AnnotationSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    sample: SampleSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    round_name: str = FIRST_ROUND,
    earlier: tuple[Path, ...] = (),
    head: Path | None = None,
    labels_manifest: Path | None = None,
    device: str = "auto",
) -> None:
    """Write the pack of one round; masks already painted there are left alone, and so is the choice of their images.

    Parameters
    ----------
    weights, gan_manifest
        The generator.
    encoder, encoder_manifest
        The domain encoder, in whose feature space samples are compared.
    slices, slices_manifest
        The real image set: a near-copy of a training image never goes out.
    source
        Name of the generator.
    folder, pack
        The pack's folder, and `pack.parquet` in it (columns: `radgen.annotation.pack.PACK_SCHEMA`).
    manifest
        Beside the pack.
    annotation, structures, classes, sample, source_settings, low
        Settings of this round; of `sample` the seed, the truncation and the threads.
    round_name
        round-01, round-02, ...
    earlier
        `pack.parquet` of the rounds before this one: their images are not chosen again.
    head, labels_manifest
        The ensemble taught on those rounds; images on which it is unsure go out.
    device
        auto, cpu or cuda.

    Raises
    ------
    ConfigError
        `pack` is not in `folder`, the generator's classes are not the study's, or there are too few candidates.
    AnnotationError
        Masks lie there that were painted for another generator, or earlier rounds are of another generator.
    CheckpointError
        Generator, encoder or head cannot be read, or the head reads another generator.
    """
    from radgen.annotation.outgoing import check_classes, outgoing_images
    from radgen.annotation.pack import pack_files, write_pack
    from radgen.annotation.rounds import Drawing, drawing_of, join_rounds
    from radgen.annotation.schema import label_schema
    from radgen.features.rows import patients_of, pixel_digests, source_rows
    from radgen.gan.sampling import image_id, load_sampler
    from radgen.imageset.core import ImageSet
    from radgen.labels.doubt import DoubtingSampler
    from radgen.training.devices import use_device

    if pack.parent != folder:
        msg = f"--pack {pack} must lie in --folder {folder}: the pictures go beside it"
        raise ConfigError(msg)
    device_chosen, why = use_device(device, threads=sample.threads)
    _say(f"annotate-pack {source}, {round_name}: device {device_chosen} ({why})")
    generator = digest_file(weights)
    before = join_rounds(earlier, generator) if earlier else None
    drawing = Drawing(sample.seed, sample.truncation) if before is None else drawing_of(before)
    real = ImageSet(slices)
    training = source_rows(real, source_settings, low, classes).pixels
    what = what_part(
        stage="annotate_pack",
        version=VERSION,
        settings={
            "source": source,
            "round": round_name,
            "annotation": {name: value for name, value in as_plain(annotation).items() if name != "source"},
            "structures": [list(structures.names), list(structures.colours)],
            "classes": list(classes.names),
            "sample": {"seed": drawing.seed, "truncation": drawing.truncation, "threads": sample.threads},
            "source_settings": as_plain(source_settings),
            "low": as_plain(low),
        },
        inputs={"weights": input_digest(weights), "encoder": input_digest(encoder)}
        | pixel_digests(slices, "slices")
        | {f"earlier/{number}": input_digest(path) for number, path in enumerate(earlier, start=1)}
        | ({} if head is None else {"head": input_digest(head)}),
        seed=drawing.seed,
    )
    sampler = load_sampler(weights, seed=drawing.seed, truncation=drawing.truncation, device=device_chosen)
    check_classes(sampler, classes.names)
    choice = _kept(pack, generator)
    if choice is None:
        guard = _guard(encoder, device_chosen, (real, training), annotation.copy_quantile)
        doubting = None if head is None else DoubtingSampler.load(head, sampler, device_chosen, generator)
        choice = _choose(sampler, doubting, guard, annotation, before)
    images = outgoing_images(sampler, choice.chosen, lambda class_name, index: image_id(source, class_name, index))
    write_pack(
        pack,
        images,
        label_schema(structures.names, structures.colours),
        generator=generator,
        truncation=drawing.truncation,
        sampler_seed=drawing.seed,
        round_name=round_name,
    )
    ancestors = [gan_manifest, encoder_manifest, *([] if labels_manifest is None else [labels_manifest])]
    write_manifest(
        manifest,
        what=what,
        outputs={str(path): path for path in pack_files(pack)},
        saw_patients=saw_patients_of(*ancestors)
        | SawPatients(pixels=patients_of(real, training), unknown=saw_patients_of(slices_manifest).unknown),
        device=str(device_chosen),
        notes={"images": len(images), "settings": as_plain(annotation)} | choice.notes(),
    )
    _say(
        f"annotate-pack {source}, {round_name}: {len(images)} images in {folder}, {sum(choice.copies.values())} "
        "candidates refused as near-copies; its instructions.html says how to paint them"
    )


def _kept(pack: Path, generator: str) -> Choice | None:
    """Return the choice of a pack for which masks are there already; None where nothing is painted yet."""
    from radgen.annotation.outgoing import Choice
    from radgen.annotation.pack import read_rows
    from radgen.annotation.rounds import check_generator, choice_of
    from radgen.annotation.waiting import masks_present

    if not masks_present(pack.parent) or not pack.is_file():
        return None
    rows = read_rows(pack)
    check_generator(pack, rows, generator)
    _say("annotate-pack: masks are there, so their images stay; labels and instructions are written again")
    return Choice(choice_of(rows))


def _guard(encoder: Path, device: torch.device, real: tuple[ImageSet, NDArray[np.int64]], quantile: float) -> CopyGuard:
    from radgen.features.network import load_features
    from radgen.metrics.copies import copy_guard

    guard = copy_guard(load_features(encoder, device), *real, quantile=quantile)
    _say(f"annotate-pack: nearest allowed to a training image: {guard.limits}")
    return guard


def _choose(
    sampler: Sampler,
    doubting: DoubtingSampler | None,
    guard: CopyGuard,
    settings: AnnotationSettings,
    before: pa.Table | None,
) -> Choice:
    from radgen.annotation.choose import Judges
    from radgen.annotation.outgoing import choose_images
    from radgen.annotation.rounds import choice_of

    taken = {} if before is None else choice_of(before)
    earlier = {class_id: [index for index, _ in picked] for class_id, picked in taken.items()}
    judges = Judges(guard.network, guard.is_copy, None if doubting is None else doubting.doubt)
    choice = choose_images(doubting or sampler, judges, settings, earlier)
    return dataclasses.replace(choice, nearest_allowed=guard.limits)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
