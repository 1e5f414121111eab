"""Train and test one arm of the benchmark, or one of its networks, on real patients that no ancestor ever saw."""

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
    annotator: tuple[Path, ...] = (),
    stream: tuple[Path, ...] = (),
    seeds: tuple[int, ...] = (),
    device: str = "auto",
) -> None:
    """Check the arm's ancestry, train one network per seed, score test patients or, while sealed, development folds.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set, all splits.
    synthetic, synthetic_manifests
        The image set of each of the arm's sources and its manifest; empty for real arms.
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
    annotator
        The simulated annotator's weights and manifest, where it paints real images for the arm.
    stream
        What online pairs are drawn from: generator, label head, manifest of the pairs, domain encoder.
    seeds
        Only these networks; all by default.
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
    from radgen.benchmark.arms import ArmInputs, Fold, label_budget, patients_used, resolve_arm, study_of
    from radgen.imageset.core import ImageSet
    from radgen.keyed import run_keyed

    _check_inputs(task, arm_settings, synthetic, synthetic_manifests)
    training = benchmark.training
    real = ImageSet(slices)
    sets = {name: ImageSet(path) for name, path in zip(arm_settings.sources, synthetic, strict=True)}
    study = study_of(real, low, free_labels=classes.by == "position")
    networks = seeds or tuple(range(training.seed, training.seed + training.seeds))
    folds = [Fold(seed - training.seed, training.seeds) if benchmark.sealed else None for seed in networks]
    arms = tuple(
        resolve_arm(name=arm, task=task, settings=arm_settings, real=real, study=study, low=low, fold=fold)
        for fold in folds
    )
    saw = saw_patients_of(*synthetic_manifests)
    if arms[0].setting is not None:
        check_ancestry(arm, arms[0].setting, saw, study)
    inputs = ArmInputs(
        arms=arms,
        seeds=networks,
        budget=label_budget(arms[0], real, len(next(iter(sets.values()))) if sets else 0, saw, study),
        real=real,
        synthetic=sets,
        volumes=volumes,
        class_names=classes.names,
        structures=structures.names,
        settings=training,
        annotator=annotator[0] if annotator else None,
        stream=stream,
    )
    files = {path.name: path for path in (*annotator[:1], *stream)}
    what = what_part(
        stage="benchmark",
        version=VERSION,
        settings=_settings(inputs),
        inputs=_input_digests(task, slices, synthetic, volumes) | {name: input_digest(p) for name, p in files.items()},
        seed=training.seed,
    )
    outputs = {"scores": scores, "history": history}
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            finished = _train(job, inputs, device, outputs)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"benchmark: {task} {arm} was finished before (key {job.key}); its scores are published again")
    saw |= patients_used(arms, real) | saw_patients_of(*annotator[1:])
    used = str(finished.notes["device"])
    write_manifest(manifest, what=what, outputs=outputs, saw_patients=saw, device=used, reused=done is not None)


def _check_inputs(
    task: str, arm: ArmSettings, synthetic: tuple[Path, ...], synthetic_manifests: tuple[Path, ...]
) -> None:
    if task not in TASKS or not len(arm.sources) == len(synthetic) == len(synthetic_manifests):
        msg = (
            f"task {task!r} with {len(synthetic)} synthetic sets for {len(arm.sources)} sources; give one of "
            f"{', '.join(TASKS)} and one set with its manifest for each source"
        )
        raise ConfigError(msg)


def _settings(inputs: ArmInputs) -> dict[str, Any]:
    """Return what decides an arm's bytes: its rows themselves, so that a change elsewhere leaves it alone."""
    arm, classifies = inputs.arm, inputs.arm.task == CLASSIFICATION
    other = "segmenter" if classifies else "classifier"
    kinds = ("train", "val", "test", "painted", "unlabelled")
    training = {name: value for name, value in as_plain(inputs.settings).items() if not name.startswith(other)}
    return {
        "arm": arm.facts() | inputs.budget.to_dict(),
        "options": {name: value for name, value in as_plain(arm.settings).items() if name != "tasks"},
        "rows": [{name: digest_json(getattr(one, name).tolist()) for name in kinds} for one in inputs.arms],
        "seeds": list(inputs.seeds),
        "training": training,
        "names": list(inputs.class_names if classifies else inputs.structures),
    }


def _train(job: KeyedJob, inputs: ArmInputs, device: str, outputs: Mapping[str, Path]) -> Finished:
    from radgen.benchmark.run import run_arm
    from radgen.imageset.core import write_table
    from radgen.training.devices import use_device

    chosen, reason = use_device(device, threads=inputs.settings.threads)
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
    sets = [("synthetic" if number == 0 else f"synthetic-{number}", path) for number, path in enumerate(synthetic)]
    for name, index in [("slices", slices), *sets]:
        digests[name] = input_digest(index)
        for shard in sorted(set(read_index(index).column("shard").to_pylist())):
            digests[f"{name}/{shard}.images"] = input_digest(images_path(index.parent / shard))
            masks = masks_path(index.parent / shard)
            if with_masks and masks.is_file():
                digests[f"{name}/{shard}.masks"] = input_digest(masks)
    return digests


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
