"""Teach the label head: an ensemble that reads masks off the frozen generator's features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.keyed import run_keyed
from radgen.labels.settings import LabelHeadSettings
from radgen.provenance import digest_file, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet
    from radgen.keyed import Finished, KeyedJob
    from radgen.labels.annotated import PackFacts

VERSION = 6


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    annotation: Path,
    annotation_manifest: Path,
    pack: Path,
    source: str,
    head: Path,
    validation: Path,
    manifest: Path,
    labels: LabelHeadSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Draw the annotated images again, prove that they are the same, and teach the heads on their features.

    Parameters
    ----------
    weights, gan_manifest
        The generator; it is not changed.
    annotation, annotation_manifest
        Image set of annotated images with masks.
    pack
        `pack.parquet`: where each image lies in the generator.
    source
        Name of the generator.
    head
        The ensemble, as safetensors.
    validation
        Dice of each member and of the ensemble on held-out images, and of ensembles trained again without a part of the
        images on that part: `radgen.labels.validate.VALIDATION_SCHEMA`.
    manifest
        Beside them; its notes say who annotated.
    labels, structures, classes
        Settings.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    AnnotationError
        Annotated images that are not in the pack.
    CheckpointError
        The generator has changed since the pack was made.
    TrainingError, LeaseError
        A loss that is not finite, another live writer.
    """
    import numpy as np

    from radgen.imageset.core import ImageSet
    from radgen.labels.annotated import read_pack_facts
    from radgen.labels.digests import rows_digest

    facts = read_pack_facts(pack, digest_file(weights))
    annotated = ImageSet(annotation)
    what = what_part(
        stage="labels",
        version=VERSION,
        settings={
            "source": source,
            "labels": as_plain(labels),
            "structures": list(structures.names),
            "classes": list(classes.names),
        },
        inputs={
            "weights": facts.generator,
            "pack": digest_file(pack),
            "annotation": rows_digest(annotated, np.arange(len(annotated)), with_masks=True),
        },
        seed=labels.seed,
    )
    outputs = {"head": head, "validation": validation}
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            finished = _teach(job, (weights, facts, annotated), labels, (classes.names, structures.names), device)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"labels {source}: unchanged, published again")
        who = read_manifest(annotation_manifest)["run"]["notes"].get("annotator")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=saw_patients_of(gan_manifest, annotation_manifest),
            device=str(finished.notes["device"]),
            notes=dict(finished.notes) | {"annotator": who},
            reused=done is not None,
        )
    _say(f"labels {source}: Dice {finished.notes['validation_dice']} on held-out images; annotator: {who}")


def _teach(
    job: KeyedJob,
    inputs: tuple[Path, PackFacts, ImageSet],
    settings: LabelHeadSettings,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    device: str,
) -> Finished:
    import pyarrow as pa

    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import write_table
    from radgen.labels.annotated import held_out_rows, redraw
    from radgen.labels.head import HeadShape, save_heads
    from radgen.labels.train import train_heads
    from radgen.labels.validate import leave_some_out, validate
    from radgen.seeds import random_generator
    from radgen.training.devices import use_device

    chosen, reason = use_device(device, threads=settings.threads)
    weights, facts, images = inputs
    sampler = load_sampler(weights, seed=facts.sampler_seed, truncation=facts.truncation, device=chosen)
    annotated = redraw(sampler, facts, images)
    order = random_generator("labels", "held out", settings.seed).permutation(len(annotated)).tolist()
    held = held_out_rows(annotated.class_ids, settings.validation_fraction, settings.members, order)
    least, most = int(held.sum(axis=1).min()), int(held.sum(axis=1).max())
    _say(f"labels: {len(annotated)} images, of which each head holds out {least} to {most}; {chosen} ({reason})")
    shape = HeadShape(
        scales=tuple(sampler.feature_channels.items()),
        class_names=names[0],
        labels=("background", *names[1]),
        members=settings.members,
        width=settings.width,
        generator=facts.generator,
    )
    heads = train_heads(annotated, held, shape, settings, device=chosen, say=_say)
    left_out = leave_some_out(annotated, order, shape, settings, device=chosen, say=_say)
    table = pa.concat_tables([validate(heads, annotated, held), left_out])
    files = {"head": job.path("head.safetensors"), "validation": job.path("validation.parquet")}
    save_heads(heads, files["head"])
    write_table(files["validation"], table)
    notes: dict[str, Any] = {
        "validation_dice": _dice_of("ensemble", table.to_pylist()),
        "leave_some_out_dice": _dice_of("leave-some-out", table.to_pylist()),
        "taught": len(annotated),
        "held_out": int(held.any(axis=0).sum()),
        "largest_redraw_difference": annotated.largest_difference,
        "device": chosen.type,
    }
    return job.finish(files, notes)


def _dice_of(member: str, rows: list[dict[str, Any]]) -> dict[str, float | None]:
    return {row["structure"]: round(row["dice"], 4) if row["n"] else None for row in rows if row["member"] == member}


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
