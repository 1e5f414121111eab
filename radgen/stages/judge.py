"""Train the judge on half of the training patients, and check that it sees classes, blur, shifts and wrong classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import ClassSettings
from radgen.features.settings import JudgeSettings
from radgen.keyed import run_keyed
from radgen.provenance import SawPatients, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.features.train import Lesson
    from radgen.keyed import KeyedJob

VERSION = 1


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    weights: Path,
    history: Path,
    checks: Path,
    manifest: Path,
    judge: JudgeSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Train the network behind every published score; it shares no seed, objective or half of the patients.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set.
    weights
        The network, as safetensors.
    history
        Loss on the way, accuracy of the linear class probe at the end.
    checks
        What the judge sees on validation and test patients; a line warns where a value does not rise.
    manifest
        Beside them. Its ancestry is that of the weights: held-out images are measured and choose nothing.
    judge, classes
        Settings.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError, TrainingError, LeaseError
        Too few training patients, a loss that is not finite, another live writer.
    """
    from radgen.features.rows import ancestry, judge_rows, pixel_digests
    from radgen.features.train import Lesson, choose_objective
    from radgen.imageset.core import ImageSet

    images = ImageSet(slices)
    rows, unseen = judge_rows(images, classes, judge.seed)
    objective, reason = choose_objective(judge.objective, rows, images, classes)
    settings = {"judge": as_plain(judge), "classes": [classes.by, *classes.names]}
    inputs = pixel_digests(slices, "slices")
    what = what_part(stage="judge", version=VERSION, settings=settings, inputs=inputs, seed=judge.seed)
    outputs = {"weights": weights, "history": history, "checks": checks}
    _say(f"judge: {objective} ({reason}), learns from {len(rows.pixels)} images, never sees {len(unseen)} of training")
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            files, used = _train(job, Lesson(images, rows, classes, objective), judge, device)
            counts = {"images": len(rows.pixels), "unseen": len(unseen)}
            notes = {"objective": objective, "reason": reason, "device": used} | counts
            job.publish(job.finish(files, notes), outputs)
        else:
            notes = dict(done.notes)
            _say("judge: unchanged, published again")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=ancestry(images, rows, classes)
            | SawPatients(unknown=saw_patients_of(slices_manifest).unknown),
            device=str(notes["device"]),
            notes=notes,
            reused=done is not None,
        )


def _train(job: KeyedJob, lesson: Lesson, judge: JudgeSettings, device: str) -> tuple[dict[str, Path], str]:
    """Return the files written and the device that was used."""
    from radgen.features.network import load_features, save_network
    from radgen.features.train import history_table, train_network
    from radgen.imageset.core import write_table
    from radgen.metrics.judge_checks import check_judge, check_lines
    from radgen.training.devices import use_device

    chosen, why = use_device(device, threads=judge.threads)
    _say(f"device {chosen} ({why}), {judge.threads} thread(s)")
    network, rows = train_network(lesson, judge, chosen, _say)
    names = {"weights": "judge.safetensors", "history": "history.parquet", "checks": "checks.parquet"}
    files = {name: job.path(file) for name, file in names.items()}
    save_network(network, files["weights"])
    write_table(files["history"], history_table(rows))
    table = check_judge(load_features(files["weights"], chosen), lesson.images, lesson.classes, judge)
    write_table(files["checks"], table)
    for line in check_lines(table):
        _say(line)
    return files, chosen.type


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
