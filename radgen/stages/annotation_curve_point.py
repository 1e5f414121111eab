"""Measure one point of the annotation curve: heads, pairs and segmenters of so many annotations, real ones beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.gan.settings import SampleSettings
from radgen.keyed import run_keyed
from radgen.labels.settings import AnnotationCurveSettings, AnnotatorSettings, LabelHeadSettings, PairsSettings
from radgen.provenance import SawPatients, digest_file, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from radgen.imageset.core import ImageSet
    from radgen.keyed import Finished, KeyedJob
    from radgen.labels.annotated import Annotated, PackFacts
    from radgen.labels.curve import Budgets

VERSION = 6
# They decide which points there are and how these are summed up, not what one of them is.
_OF_THE_WHOLE_CURVE = frozenset({"counts", "seeds", "seed", "bootstrap_samples", "confidence"})


@dataclass(frozen=True)
class _Point:
    """What a point is measured on: the annotated images, and the real rows that teach and that are scored.

    `ceiling` holds all real rows that may teach, at the curve's first count alone: one ceiling for each repetition.
    """

    count: int
    seed: int
    weights: Path
    facts: PackFacts
    images: ImageSet
    real: ImageSet
    taught: NDArray[np.int64]
    ceiling: NDArray[np.int64]
    scored: NDArray[np.int64]


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    annotation: Path,
    annotation_manifest: Path,
    pack: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    count: int,
    seed: int,
    scores: Path,
    manifest: Path,
    annotation_curve: AnnotationCurveSettings,
    labels: LabelHeadSettings,
    annotator: AnnotatorSettings,
    pairs: PairsSettings,
    sample: SampleSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Teach heads on `count` annotated images and a segmenter on their pairs, and another one on `count` real masks.

    The first point of a repetition also teaches one on all real training masks, the ceiling of both.

    Parameters
    ----------
    weights, gan_manifest
        The generator; it is not changed.
    annotation, annotation_manifest, pack
        All annotated images, and where each lies in the generator.
    slices, slices_manifest
        The real image set with masks.
    source
        Name of the generator.
    count, seed
        Annotated images, and which repetition this is.
    scores
        `radgen.labels.curve.POINT_SCHEMA`.
    manifest
        Beside it; its notes say who annotated.
    annotation_curve, labels, annotator, pairs, sample, structures, classes
        Settings; those of the annotator teach the segmenters.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    AnnotationError
        Fewer images are annotated than the curve needs.
    CheckpointError
        The generator has changed since the pack was made.
    TrainingError, LeaseError
        A loss that is not finite, another live writer.
    """
    import numpy as np

    from radgen.features.rows import patients_of
    from radgen.imageset.core import ImageSet
    from radgen.labels.annotated import read_pack_facts
    from radgen.labels.curve import TEACHING_SPLIT, Budgets, real_rows
    from radgen.labels.digests import rows_digest

    facts, annotated, real = read_pack_facts(pack, digest_file(weights)), ImageSet(annotation), ImageSet(slices)
    taught, scored = real_rows(real, count, seed), real.rows_where(split=annotation_curve.split)
    first = count == annotation_curve.counts[0]
    ceiling = real.rows_where(split=TEACHING_SPLIT) if first else taught[:0]
    budgets = Budgets(annotation_curve, labels, annotator, pairs)
    own = {name: value for name, value in as_plain(annotation_curve).items() if name not in _OF_THE_WHOLE_CURVE}
    what = what_part(
        stage="annotation_curve_point",
        version=VERSION,
        settings={
            "source": source,
            "point": {"count": count, "seed": seed},
            "annotation_curve": own,
            "labels": as_plain(labels),
            "segmenter": as_plain(annotator),
            "pairs": {"drop_fraction": pairs.drop_fraction},
            "sample": {"truncation": sample.truncation, "centroids": sample.centroids},
            "structures": list(structures.names),
            "classes": list(classes.names),
        },
        inputs={
            "weights": facts.generator,
            "pack": digest_file(pack),
            "annotation": rows_digest(annotated, np.arange(len(annotated)), with_masks=True),
            "taught": rows_digest(real, taught, with_masks=True),
            "ceiling": rows_digest(real, ceiling, with_masks=True),
            "scored": rows_digest(real, scored, with_masks=True),
        },
        seed=seed,
    )
    outputs = {"scores": scores}
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            point = _Point(count, seed, weights, facts, annotated, real, taught, ceiling, scored)
            finished = _measure(job, point, (budgets, sample), structures.names, device)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"annotation-curve-point {source}: {count} annotations, seed {seed}: unchanged, published again")
        looked_at = patients_of(real, np.concatenate([taught, ceiling, scored]))
        who = read_manifest(annotation_manifest)["run"]["notes"].get("annotator")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=saw_patients_of(gan_manifest, annotation_manifest)
            | SawPatients(pixels=looked_at, masks=looked_at, unknown=saw_patients_of(slices_manifest).unknown),
            device=str(finished.notes["device"]),
            notes=dict(finished.notes) | {"annotator": who},
            reused=done is not None,
        )


def _measure(
    job: KeyedJob, point: _Point, given: tuple[Budgets, SampleSettings], structures: tuple[str, ...], device: str
) -> Finished:
    import shutil

    import numpy as np
    import pyarrow as pa

    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import write_table
    from radgen.labels import curve
    from radgen.labels.annotated import redraw
    from radgen.labels.head import HeadShape
    from radgen.labels.teach import teach_segmenter
    from radgen.seeds import derive_seed
    from radgen.training.devices import use_device

    budgets, sample = given
    chosen, reason = use_device(device, threads=budgets.curve.threads)
    facts = point.facts
    sampler = load_sampler(point.weights, seed=facts.sampler_seed, truncation=facts.truncation, device=chosen)
    annotated = redraw(sampler, facts, point.images)
    learn, held = curve.split_annotated(annotated, point.count, point.seed, budgets.curve)
    _say(
        f"annotation-curve-point: {len(learn)} annotations, seed {point.seed}, {len(held)} held out; "
        f"{chosen} ({reason})"
    )
    shape = HeadShape(
        scales=tuple(sampler.feature_channels.items()),
        class_names=sampler.class_names,
        labels=("background", *structures),
        members=budgets.labels.members,
        width=budgets.labels.width,
        generator=facts.generator,
    )
    heads = curve.teach_heads(annotated, learn, shape, budgets.heads(point.seed), device=chosen, say=_say)
    # Pairs of latents of their own: those of the pack are annotated already.
    drawing = load_sampler(
        point.weights,
        seed=derive_seed("annotation curve", "pairs", point.seed),
        truncation=sample.truncation,
        device=chosen,
        centroids=sample.centroids,
    )
    pairs = curve.make_pairs(heads, drawing, job.path("made"), budgets)
    minutes = curve.minutes_of(_seconds(point.images, annotated, learn), budgets.curve.seconds_per_image)
    place = curve.CurvePoint(point.count, point.seed, minutes)
    scores = curve.mask_scores(heads, annotated, held)
    tables = [curve.point_table(scores, curve.MASKS, curve.SYNTHETIC, place)]
    arms = [(curve.SYNTHETIC, pairs, np.arange(len(pairs)), place), (curve.REAL, point.real, point.taught, place)]
    if len(point.ceiling):
        everything = curve.CurvePoint(len(point.ceiling), point.seed, minutes=None)
        arms.append((curve.CEILING, point.real, point.ceiling, everything))
    for arm, images, rows, where in arms:
        own = budgets.segmenter(point.seed)
        segmenter = teach_segmenter(images, rows, structures, own, device=chosen, say=_say)
        scores = curve.patient_scores(segmenter, point.real, point.scored, chosen)
        tables.append(curve.point_table(scores, curve.DOWNSTREAM, arm, where))
    shutil.rmtree(job.path("made"))
    path = job.path("scores.parquet")
    write_table(path, pa.concat_tables(tables))
    told = {name: _mean_dice(table) for name, table in zip(("masks", *(arm for arm, *_ in arms)), tables, strict=True)}
    _say(f"annotation-curve-point: {point.count} annotations, seed {point.seed}: mean Dice {told}")
    return job.finish({"scores": path}, {"mean_dice": told, "device": chosen.type})


def _seconds(images: ImageSet, annotated: Annotated, rows: list[int]) -> list[float | None]:
    """Return the noted seconds of rows; None where nobody noted them."""
    if "seconds" not in images.table.column_names:
        return [None] * len(rows)
    noted = dict(zip(images.table["image_id"].to_pylist(), images.table["seconds"].to_pylist(), strict=True))
    return [noted[annotated.image_ids[row]] for row in rows]


def _mean_dice(table: pa.Table) -> float | None:
    values = table.column("dice").to_pylist()
    return round(sum(values) / len(values), 4) if values else None


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
