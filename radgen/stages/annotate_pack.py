"""Choose a few synthetic images for annotation and write the pack that goes out to a person."""

from __future__ import annotations

from pathlib import Path

from radgen.annotation.settings import AnnotationSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import ConfigError
from radgen.gan.settings import SampleSettings
from radgen.provenance import digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

VERSION = 2


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    encoder: Path,
    encoder_manifest: Path,
    source: str,
    folder: Path,
    pack: Path,
    manifest: Path,
    annotation: AnnotationSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    sample: SampleSettings,
    device: str = "auto",
) -> None:
    """Write a pack of the most representative samples of each class; masks already painted there are left alone.

    Parameters
    ----------
    weights, gan_manifest
        The generator.
    encoder, encoder_manifest
        The domain encoder, in whose feature space samples are compared.
    source
        Name of the generator.
    folder, pack
        The pack's folder, and `pack.parquet` in it (columns: `radgen.annotation.pack.PACK_SCHEMA`).
    manifest
        Beside the pack.
    annotation, structures, classes, sample
        Settings; of `sample` the seed, the truncation and the threads.
    device
        auto, cpu or cuda.

    Raises
    ------
    ConfigError
        `pack` is not in `folder`, the generator's classes are not the study's, or there are too few candidates.
    CheckpointError
        Generator or encoder cannot be read.
    """
    from radgen.annotation.outgoing import outgoing_images
    from radgen.annotation.pack import pack_files, write_pack
    from radgen.annotation.schema import label_schema
    from radgen.features.network import load_features
    from radgen.gan.sampling import image_id, load_sampler
    from radgen.training.devices import choose_device, set_threads

    if pack.parent != folder:
        msg = f"--pack {pack} must lie in --folder {folder}: the pictures go beside it"
        raise ConfigError(msg)
    chosen, reason = choose_device(device)
    set_threads(sample.threads)
    _say(f"annotate-pack {source}: device {chosen} ({reason})")
    what = what_part(
        stage="annotate_pack",
        version=VERSION,
        settings={
            "source": source,
            "annotation": {"count": annotation.count, "candidates_per_class": annotation.candidates_per_class},
            "structures": [list(structures.names), list(structures.colours)],
            "classes": list(classes.names),
            "sample": {"seed": sample.seed, "truncation": sample.truncation, "threads": sample.threads},
        },
        inputs={"weights": input_digest(weights), "encoder": input_digest(encoder)},
        seed=sample.seed,
    )
    sampler = load_sampler(weights, seed=sample.seed, truncation=sample.truncation, device=chosen)
    images = outgoing_images(
        sampler,
        load_features(encoder, chosen),
        classes.names,
        annotation,
        lambda class_name, index: image_id(source, class_name, index),
    )
    write_pack(
        pack,
        images,
        label_schema(structures.names, structures.colours),
        generator=digest_file(weights),
        truncation=sample.truncation,
        sampler_seed=sample.seed,
    )
    write_manifest(
        manifest,
        what=what,
        outputs={str(path): path for path in pack_files(pack)},
        saw_patients=saw_patients_of(gan_manifest, encoder_manifest),
        device=str(chosen),
        notes={"images": len(images), "settings": as_plain(annotation)},
    )
    _say(f"annotate-pack {source}: {len(images)} images in {folder}; its instructions.html says how to paint them")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
