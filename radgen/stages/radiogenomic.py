"""Train one source's radiogenomic generator: nodules drawn from genes into healthy backgrounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.errors import CohortError
from radgen.keyed import Finished, KeyedJob
from radgen.provenance import SawPatients, by_split, input_digest, saw_patients_of, what_part, write_manifest
from radgen.radiogenomic.synthesis.settings import RadiogenomicSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    import torch

    from radgen.radiogenomic.synthesis.run import Lesson

VERSION = 1
NOT_IN_KEY = frozenset({"ep", "save_interval", "device", "workers", "cr"})


def run(
    *,
    nodules: Path,
    backgrounds: Path,
    nodules_manifest: Path,
    rna: Path,
    rna_manifest: Path,
    source: str,
    weights: Path,
    history: Path,
    grid: Path,
    manifest: Path,
    radiogenomic: RadiogenomicSettings,
    work: Path,
    device: str = "auto",
    dry_run: bool = False,
) -> None:
    """Train until the budget, or go on where an earlier call stopped.

    Parameters
    ----------
    nodules, backgrounds
        Image sets: nodule patches with masks, healthy patches. Training shows those of split train.
    nodules_manifest
        Of both.
    rna, rna_manifest
        Standardised expression; patients without it are left out, and counted.
    source
        Name of the source.
    weights, history, grid
        Published running average, its curves, a grid of genes.
    manifest
        Beside the weights.
    radiogenomic
        Settings.
    work
        Work folder of the study.
    device
        auto, cpu or cuda.
    dry_run
        Print parameters, operations, memory and the time to the budget, measured by a short probe; write nothing.

    Raises
    ------
    CohortError, ConfigError, InputError, LeaseError, TrainingError, StorageError, Interrupted
        Too few patients or no backgrounds, patches of an impossible size, a damaged table, another live writer,
        gradients that are not finite, a full disk, a signal.
    """
    from radgen.radiogenomic.synthesis.run import budget_images, build_trainer
    from radgen.training.devices import choose_precision, set_threads
    from radgen.training.probe import probe

    chosen, why = _device(device, radiogenomic)
    # Other arithmetic gives other weights, so the key holds what was chosen and not the word auto.
    settings = replace(radiogenomic, precision=choose_precision(radiogenomic.precision, chosen))
    set_threads(settings.threads)
    lesson, left_out = _lesson(nodules, backgrounds, rna, source, saw_patients_of(nodules_manifest, rna_manifest))
    _say(f"radiogenomic {source}: {_in_words(lesson, left_out)}; device {chosen} ({why}), {settings.precision}")
    if dry_run:
        trainer = build_trainer(lesson, settings, chosen)
        networks = {name: player.network for name, player in trainer.system.players.items()}
        for line in probe(trainer, networks, chosen, budget_images(lesson, settings)):
            _say(f"radiogenomic {source}: {line}")
        return
    in_key = {name: value for name, value in as_plain(settings).items() if name not in NOT_IN_KEY}
    inputs = {"nodules": input_digest(nodules_manifest), "rna": input_digest(rna)}
    key_settings = {"radiogenomic": in_key, "source": source}
    what = what_part(
        stage="radiogenomic", version=VERSION, settings=key_settings, inputs=inputs, seed=radiogenomic.seed
    )
    outputs = {"weights": weights, "history": history, "grid": grid}
    with KeyedJob(work, "radiogenomic", what) as job:
        done, reused = _trained(job, lesson, settings, chosen)
        job.publish(done, outputs)
    write_manifest(
        manifest,
        what=what | {"ep": settings.ep},
        outputs=outputs,
        saw_patients=lesson.saw,
        device=chosen.type,
        notes=dict(done.notes) | {"device_reason": why, "without_rna": left_out},
        reused=reused,
        code=done.code,
    )


def _device(device: str, settings: RadiogenomicSettings) -> tuple[torch.device, str]:
    """Choose the device; which of several GPUs the section says."""
    import torch

    from radgen.training.devices import choose_device

    chosen, why = choose_device(device)
    if chosen.type == "cuda" and settings.device.startswith("cuda"):
        chosen = torch.device(settings.device)
    return chosen, why


def _trained(
    job: KeyedJob, lesson: Lesson, settings: RadiogenomicSettings, device: torch.device
) -> tuple[Finished, bool]:
    """Train unless the key is finished; return the result, and whether it was there before."""
    from radgen.radiogenomic.synthesis.run import budget_images, notes_of, train_radiogenomic

    tag = f"images-{budget_images(lesson, settings):010d}"
    done = job.finished(tag)
    if done is not None:
        _say(f"radiogenomic {lesson.source}: {settings.ep} epochs were trained before, published again")
        return done, True
    outcome = train_radiogenomic(job.folder, lesson, settings, device, _say)
    return job.finish(outcome.files, notes_of(outcome), tag=tag), False


def _lesson(nodules: Path, backgrounds: Path, rna: Path, source: str, upstream: SawPatients) -> tuple[Lesson, int]:
    """Return what is learnt, and how many training patients have patches but no RNA."""
    import numpy as np

    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.expression import load_expression
    from radgen.radiogenomic.synthesis.run import Lesson

    expression, patches, healthy = load_expression(rna), ImageSet(nodules), ImageSet(backgrounds)
    rows, healthy_rows = patches.rows_where(split="train"), healthy.rows_where(split="train")
    owners = patches.column("patient")[rows]
    has_rna = np.isin(owners.astype(str), expression.patients)
    left_out = set(owners.tolist()) - set(owners[has_rna].tolist())
    if not has_rna.any():
        msg = (
            f"source {source}: none of the {len(left_out)} training patients with nodule patches has RNA; the table of "
            "the join says who has what"
        )
        raise CohortError(msg)
    shown = by_split(("train", patient) for patient in owners[has_rna].tolist())
    drawn_into = by_split(("train", patient) for patient in healthy.column("patient")[healthy_rows].tolist())
    # Statistics of the genes saw whom the manifest of the table names; pixels are those shown here alone.
    saw = SawPatients(pixels=shown, labels=shown, masks=shown) | SawPatients(pixels=drawn_into)
    saw |= SawPatients(labels=upstream.labels, unknown=upstream.unknown)
    return Lesson(patches, rows[has_rna], healthy, healthy_rows, expression, source, saw), len(left_out)


def _in_words(lesson: Lesson, left_out: int) -> str:
    shown: Any = lesson.nodules.column("patient")[lesson.nodule_rows]
    own = set(lesson.backgrounds.column("patient")[lesson.background_rows].tolist())
    patients = set(shown.tolist())
    return (
        f"{len(lesson.nodule_rows)} patches of {len(patients)} patients, {left_out} without RNA left out, "
        f"{len(lesson.background_rows)} healthy backgrounds ({len(patients - own)} patients have none of their own), "
        f"{len(lesson.expression.genes)} genes"
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
