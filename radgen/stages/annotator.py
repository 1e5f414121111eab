"""Teach the simulated annotator: a small segmenter on patients set apart for it and used nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.keyed import run_keyed
from radgen.labels.settings import AnnotatorSettings
from radgen.provenance import SawPatients, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet
    from radgen.keyed import Finished, KeyedJob
    from radgen.labels.overlap import StructureScore
    from radgen.labels.teach import AnnotatorRows

VERSION = 1


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    weights: Path,
    scores: Path,
    manifest: Path,
    annotator: AnnotatorSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Teach the segmenter, and score it on a share of its own patients that it has not seen.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set with masks; only rows of split `annotator` are read.
    weights
        The segmenter, as safetensors.
    scores
        One row per structure: columns of `radgen.labels.teach.SCORES_SCHEMA`.
    manifest
        Beside them; its notes carry the validation Dice.
    annotator, structures, classes
        Settings.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError, TrainingError, LeaseError
        Fewer than two patients with masks are set apart, a loss that is not finite, another live writer.
    """
    from radgen.imageset.core import ImageSet
    from radgen.labels.digests import rows_digest
    from radgen.labels.teach import annotator_rows

    del classes  # the annotator knows structures, not classes
    images = ImageSet(slices)
    rows = annotator_rows(images, annotator)
    # The key rests on the annotator's own rows: other patients may join the study without teaching it again.
    what = what_part(
        stage="annotator",
        version=VERSION,
        settings={"annotator": as_plain(annotator), "structures": list(structures.names)},
        inputs={
            "teaching": rows_digest(images, rows.teaching, with_masks=True),
            "held_out": rows_digest(images, rows.held_out, with_masks=True),
        },
        seed=annotator.seed,
    )
    outputs = {"weights": weights, "scores": scores}
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            finished = _teach(job, images, rows, structures.names, settings=annotator, device=device)
            job.publish(finished, outputs)
        else:
            finished = done
            _say("annotator: unchanged, published again")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=_saw(images, rows) | SawPatients(unknown=saw_patients_of(slices_manifest).unknown),
            device=str(finished.notes["device"]),
            notes=finished.notes,
            reused=done is not None,
        )


def _teach(
    job: KeyedJob,
    images: ImageSet,
    rows: AnnotatorRows,
    structures: tuple[str, ...],
    *,
    settings: AnnotatorSettings,
    device: str,
) -> Finished:
    from radgen.imageset.core import write_table
    from radgen.labels.segmenter import save_segmenter
    from radgen.labels.teach import score_segmenter, scores_table, teach_segmenter
    from radgen.training.devices import use_device

    chosen, reason = use_device(device, threads=settings.threads)
    _say(f"annotator: {len(rows.teaching)} images to learn from, {len(rows.held_out)} held out; {chosen} ({reason})")
    segmenter = teach_segmenter(images, rows.teaching, structures, settings, device=chosen, say=_say)
    found = score_segmenter(segmenter, images, rows.held_out, structures, chosen)
    files = {"weights": job.path("annotator.safetensors"), "scores": job.path("scores.parquet")}
    save_segmenter(segmenter, files["weights"])
    write_table(files["scores"], scores_table(found))
    for score in found:
        _say(f"annotator: {score.structure}: Dice {score.dice:.3f} on {score.n} held-out images")
    return job.finish(files, {"annotator": _card(images, rows, found), "device": chosen.type})


def _card(images: ImageSet, rows: AnnotatorRows, found: list[StructureScore]) -> dict[str, Any]:
    """What every result that rests on this annotator says about it."""
    patients = images.column("patient")
    return {
        "kind": "simulated annotator",
        "validation_dice": {score.structure: round(score.dice, 4) if score.n else None for score in found},
        "held_out_images": len(rows.held_out),
        "patients_taught": len(set(patients[rows.teaching].tolist())),
        "patients_held_out": len(set(patients[rows.held_out].tolist())),
    }


def _saw(images: ImageSet, rows: AnnotatorRows) -> SawPatients:
    """Pixels and masks of all patients set apart: the held-out ones are scored on, and their masks were needed too."""
    import numpy as np

    from radgen.features.rows import patients_of

    everyone = patients_of(images, np.concatenate([rows.teaching, rows.held_out]))
    return SawPatients(pixels=everyone, masks=everyone)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
