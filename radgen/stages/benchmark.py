"""Train and test one arm of the benchmark: all its seeds, on real test patients that no ancestor ever saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.benchmark.settings import CLASSIFICATION, SEGMENTATION, TASKS, ArmSettings, BenchmarkSettings
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import ConfigError
from radgen.provenance import digest_json, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.benchmark.arms import ArmInputs
    from radgen.keyed import Finished, KeyedJob

VERSION = 3


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    synthetic: tuple[Path, ...],
    synthetic_manifests: tuple[Path, ...],
    volumes: tuple[Path, ...],
    task: str,
    arm: str,
    scores: Path,
    history: Path,
    manifest: Path,
    benchmark: BenchmarkSettings,
    arm_settings: ArmSettings,
    low: LowSettings,
    classes: ClassSettings,
    structures: StructureSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Check the arm's ancestry, train one network per seed, score the test patients.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set, all splits.
    synthetic, synthetic_manifests
        The image set of the arm's source and its manifest; empty for real arms.
    volumes
        Reference labels of test series on their source grids; segmentation only.
    task
        classification or segmentation.
    arm
        The arm's name.
    scores, history, manifest
        Outputs: columns in `radgen.benchmark.tables`.
    benchmark, arm_settings, low, classes, structures
        Settings.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    AncestryError
        The synthetic images saw patients that the arm's setting forbids.
    CohortError, InputError, TrainingError, LeaseError
        Too few images, an unfit file, a loss that is not finite, another live writer.
    """
    from radgen.benchmark.ancestry import check_ancestry
    from radgen.benchmark.arms import ArmInputs, label_budget, patients_used, resolve_arm, study_of
    from radgen.imageset.core import ImageSet
    from radgen.keyed import run_keyed

    if task not in TASKS or len(synthetic) != len(synthetic_manifests) or len(synthetic) > 1:
        msg = f"task {task!r} with {len(synthetic)} synthetic sets; give one of {', '.join(TASKS)} and at most one set"
        raise ConfigError(msg)
    real, extra = ImageSet(slices), ImageSet(synthetic[0]) if synthetic else None
    study = study_of(real, low, free_labels=classes.by == "position")
    resolved = resolve_arm(name=arm, task=task, settings=arm_settings, real=real, study=study, low=low)
    saw = saw_patients_of(*synthetic_manifests)
    if resolved.setting is not None:
        check_ancestry(arm, resolved.setting, saw, study)
    inputs = ArmInputs(
        arm=resolved,
        budget=label_budget(resolved, real, 0 if extra is None else len(extra), saw, study),
        real=real,
        synthetic=extra,
        volumes=volumes,
        class_names=classes.names,
        structures=structures.names,
        settings=benchmark.training,
    )
    what = what_part(
        stage="benchmark",
        version=VERSION,
        settings=_settings(inputs),
        inputs=_input_digests(task, slices, synthetic, volumes),
        seed=benchmark.training.seed,
    )
    outputs = {"scores": scores, "history": history}
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            finished = _train(job, inputs, device, outputs)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"benchmark: {task} {arm} was finished before (key {job.key}); its scores are published again")
    saw |= patients_used(resolved, real)
    used = str(finished.notes["device"])
    write_manifest(manifest, what=what, outputs=outputs, saw_patients=saw, device=used, reused=done is not None)


def _settings(inputs: ArmInputs) -> dict[str, Any]:
    """Return what decides an arm's bytes: its rows themselves, so that a change elsewhere leaves it alone."""
    arm, classifies = inputs.arm, inputs.arm.task == CLASSIFICATION
    other = "segmenter" if classifies else "classifier"
    training = {name: value for name, value in as_plain(inputs.settings).items() if not name.startswith(other)}
    return {
        "arm": arm.facts() | inputs.budget.to_dict(),
        "rows": {name: digest_json(getattr(arm, name).tolist()) for name in ("train", "val", "test")},
        "training": training,
        "names": list(inputs.class_names if classifies else inputs.structures),
    }


def _train(job: KeyedJob, inputs: ArmInputs, device: str, outputs: Mapping[str, Path]) -> Finished:
    from radgen.benchmark.run import run_arm
    from radgen.imageset.core import write_table
    from radgen.training.devices import choose_device, set_threads

    chosen, reason = choose_device(device)
    set_threads(inputs.settings.threads)
    _say(f"benchmark: {inputs.arm.task} {inputs.arm.name} on {chosen} ({reason}); {inputs.budget.to_dict()}")
    tables = run_arm(inputs, chosen, _say)
    files = {name: job.path(f"{name}.parquet") for name in outputs}
    for path, table in zip(files.values(), tables, strict=True):
        write_table(path, table)
    return job.finish(files, {"device": chosen.type})


def _input_digests(task: str, slices: Path, synthetic: tuple[Path, ...], volumes: tuple[Path, ...]) -> dict[str, str]:
    """Digest pixels too, and masks where they are used: an index can stay equal while a picture changes."""
    from radgen.imageset.core import images_path, masks_path, read_index

    with_masks = task == SEGMENTATION
    digests = {f"volumes/{path.name}": input_digest(path) for path in volumes if with_masks}
    for name, index in [("slices", slices), *(("synthetic", path) for path in synthetic)]:
        digests[name] = input_digest(index)
        for shard in sorted(set(read_index(index).column("shard").to_pylist())):
            digests[f"{name}/{shard}.images"] = input_digest(images_path(index.parent / shard))
            masks = masks_path(index.parent / shard)
            if with_masks and masks.is_file():
                digests[f"{name}/{shard}.masks"] = input_digest(masks)
    return digests


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
