"""A small results folder with invented numbers, as the stages would leave it, to test the report alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from report_pictures import SIZE, body_slice

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings, SummarySettings
from radgen.benchmark.tables import HISTORY_SCHEMA, SCORES_SCHEMA, table_of
from radgen.cohort.settings import LowSettings
from radgen.cohort.tables import COUNTS_SCHEMA, REJECTS_SCHEMA, SERIES_SCHEMA
from radgen.imageset.core import ImageSet, gather_index, images_path, write_table
from radgen.imageset.writers import ShardWriter
from radgen.imaging.across_splits import SCHEMA as NEAR_DUPLICATES_SCHEMA
from radgen.imaging.qc import BINS, QC_SCHEMA, png
from radgen.imaging.refusal import REJECTS_SCHEMA as SLICE_REJECTS_SCHEMA
from radgen.paths import StudyPaths
from radgen.provenance import SawPatients, digest_file, digest_json, read_manifest, what_part, write_json
from radgen.report.settings import ReportSettings, StudyFacts
from radgen.seeds import random_generator
from radgen.stages import benchmark_summary

CLASSES = ("normal", "liver_lesion")
STRUCTURES = ("liver", "spleen", "lesion")
SPLITS = {"train": 14, "val": 3, "test": 6, "annotator": 3}
SLICES_PER_PATIENT = 4
SOURCE = "main"
SETTING = "scarce-labels"
DROPPED = "main_liver_lesion_000003"  # by the audit of the samples
ARMS = {
    "real_100": ArmSettings(real_fraction=1.0),
    "real_low": ArmSettings(),
    "low_synthetic": ArmSettings(synthetic=SOURCE, setting=SETTING),
    "synthetic_only": ArmSettings(real_fraction=0.0, synthetic=SOURCE, setting=SETTING),
}
ARM_SKILL = {"real_100": 0.9, "real_low": 0.72, "low_synthetic": 0.83, "synthetic_only": 0.75}
FACTS = StudyFacts(
    study="tiny",
    title="A tiny study",
    is_phantom=True,
    patients_from="tag",
    simulated_annotator=True,
    sources={SOURCE: SETTING},
    arms={
        "real_100": "real 100 %",
        "real_low": "real low",
        "low_synthetic": "real low + synthetic",
        "synthetic_only": "synthetic only",
    },
    low_arm="real_low",
    structures=STRUCTURES,
)
REPORT = ReportSettings()


def patient_key(number: int) -> str:
    """Return an invented keyed hash."""
    return digest_json(["patient", number])[:16]


PATIENTS = [
    (patient_key(number), split)
    for number, split in enumerate(split for split, count in SPLITS.items() for _ in range(count))
]


def _filled(schema: pa.Schema | None) -> dict[str, Any]:
    """Return an empty value for each column that must have one and that the report does not read."""
    required = [field for field in schema or () if not field.nullable]
    return {field.name: [] if pa.types.is_list(field.type) else _zero(field.type) for field in required}


def _zero(kind: pa.DataType) -> Any:
    return "" if pa.types.is_string(kind) else False if pa.types.is_boolean(kind) else 0


class Tree:
    """Writes tables of a study below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._path = StudyPaths(str(root))

    def path(self, key: str, **wildcards: str) -> Path:
        return Path(self._path(key, **wildcards))

    def table(
        self, key: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None, **wildcards: str
    ) -> None:
        plain = [_filled(schema) | dict(row) for row in rows]
        write_table(self.path(key, **wildcards), pa.Table.from_pylist(plain, schema=schema))

    def manifest(
        self,
        key: str,
        stage: str,
        settings: Mapping[str, Any] | None = None,
        notes: Mapping[str, Any] | None = None,
        **wildcards: str,
    ) -> None:
        train, val = (frozenset(key for key, own in PATIENTS if own == split) for split in ("train", "val"))
        saw = SawPatients(pixels={"train": train, "val": val}, labels={"train": frozenset(sorted(train)[:2])})
        what = what_part(stage=stage, version=1, settings=settings or {}, inputs={"series": digest_json(stage)}, seed=1)
        what |= {"code": digest_json([stage, "code"]), "outputs": {}, "saw_patients": saw.to_json()}
        run = {"device": "cpu", "seconds": 12.5, "peak_memory_mib": 512, "date": "2024-02-03T04:05:06+00:00"}
        run |= {"packages": {"numpy": "2.4.0"}, "reused": False, "notes": dict(notes or {})}
        write_json(self.path(key, **wildcards), {"what": what, "run": run})


def build_tree(root: Path, *, parts: Sequence[Callable[[Tree], None]] | None = None) -> Path:
    """Write the parts of a study (all by default) and return its folder."""
    tree = Tree(root)
    for part in ALL_PARTS if parts is None else parts:
        part(tree)
    return root


# ---------------------------------------------------------------- archive


def write_cohort(tree: Tree) -> None:
    rows = [{"series_key": f"{key}s", "patient_key": key, "split": split} for key, split in PATIENTS]
    tree.table("cohort.series", rows, SERIES_SCHEMA)
    refused = [("scan", "truncated", True)] * 3 + [("scan", "foreign", True)] + [("scan", "side-file", False)] * 9
    names = {"series_key": None, "sentence": "it is damaged"}
    rejects = [
        names | {"file_id": f"{n:04d}", "stage": s, "reason": r, "refused": f} for n, (s, r, f) in enumerate(refused)
    ]
    tree.table("cohort.rejects", rejects, REJECTS_SCHEMA)
    counts = [
        {"split": split, "class_name": None, "patients": n, "series": n, "slices": 4 * n, "with_mask": n}
        for split, n in SPLITS.items()
    ]  # fmt: skip
    tree.table("cohort.counts", counts, COUNTS_SCHEMA)
    tree.manifest("cohort.manifest", "cohort")


def write_slices(tree: Tree) -> None:
    folder = tree.path("slices.index").parent
    with ShardWriter(folder, "shard-000", (1, SIZE, SIZE), with_masks=True) as writer:
        for key, split in PATIENTS:
            for number in range(SLICES_PER_PATIENT):
                class_id = number % 2
                image, mask = body_slice("real", key, number, lesion=bool(class_id))
                row = {
                    "image_id": f"{key}_{number:03d}",
                    "source": "real",
                    "split": split,
                    "patient": key,
                    "series": f"{key}s",
                }
                row |= {"slice_index": number, "modality": "CT", "anatomy": "abdomen", "class_name": CLASSES[class_id]}
                row |= {"class_id": class_id, "spacing_row_mm": 6.0, "spacing_col_mm": 6.0, "window_low": [-160.0]}
                row |= {"window_high": [240.0], "clipped_fraction": 0.01 * number}
                writer.append(row, image, mask)
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    write_checks(tree)
    write_near_duplicates(tree)
    rejects = [
        {"series_key": f"{PATIENTS[0][0]}s", "reason": reason, "sentence": "too little"}
        for reason in ("almost-empty", "flat", "flat")
    ]
    tree.table("slices.rejects", rejects, SLICE_REJECTS_SCHEMA)
    window = {"ct_center_hu": 40.0, "ct_width_hu": 400.0, "low_percentile": 0.5, "high_percentile": 99.5}
    own = {
        "size_px": 32,
        "field_of_view_mm": None,
        "slice_choice": "all",
        "background": "body",
        "window": window,
        "body": {"arms": "keep"},
    }
    tree.manifest("slices.part_manifest", "slices", {"slices": own}, shard="000")
    tree.manifest("slices.manifest", "slices_gather")


# A series whose body mask took nearly all, one that is used with a remark, and one refused as a whole.
ODD, REMARKED, WHOLE_REFUSED = 5, 2, len(PATIENTS)
REMARK = {"kind": "tilted", "treatment": "resample", "figure": 12.5, "unit": "degrees"}


def write_checks(tree: Tree) -> None:
    random = random_generator("tree", "checks")
    rows = [_checked(number, random) for number in range(len(PATIENTS))]
    rows[ODD] |= {"removed_fraction": 0.97}
    rows[REMARKED] |= {"remarks": [REMARK]}
    rows.append({"series_key": "refused-s", "patient_key": PATIENTS[0][0], "split": "train", "refused": "truncated"})
    tree.table("slices.qc", rows, QC_SCHEMA)


def write_near_duplicates(tree: Tree) -> None:
    (one, split_one), (two, split_two) = PATIENTS[0], PATIENTS[-1]
    rows = [
        {"image_one": f"{one}_{n:03d}", "image_two": f"{two}_{n:03d}", "series_one": f"{one}s", "series_two": f"{two}s"}
        | {"split_one": split_one, "split_two": split_two, "correlation": 0.99 - 0.01 * n}
        for n in range(2)
    ]
    tree.table("slices.near_duplicates", rows, NEAR_DUPLICATES_SCHEMA)


def _checked(number: int, random: np.random.Generator) -> dict[str, Any]:
    key, split = PATIENTS[number]
    image, _ = body_slice("real", key, 0, lesion=False)
    kept, removed = (random.integers(0, 200, BINS + 2).tolist() for _ in range(2))
    row = {"series_key": f"{key}s", "patient_key": key, "split": split, "format": "dicom", "modality": "CT"}
    row |= {"anatomy": "abdomen", "class_names": list(CLASSES), "n_slices": SLICES_PER_PATIENT, "rows": 64, "cols": 64}
    row |= {"n_stored": SLICES_PER_PATIENT, "spacing_slice_mm": 5.0, "spacing_row_mm": 0.8, "spacing_col_mm": 0.8}
    row |= {"window_low": -160.0, "window_high": 240.0, "clipped_fraction": 0.01, "minimum": -1024.0, "maximum": 900.0}
    row |= {"removed_fraction": 0.5 + random.uniform(0, 0.02), "kept_low": -200.0, "kept_median": 40.0}
    row |= {"removed_tissue": 0.01, "removed_tissue_most": 0.02 + random.uniform(0, 0.01), "removed_tissue_slice": 3}
    row |= {"kept_high": 300.0, "histogram_low": -1050.0, "histogram_high": 1510.0, "kept_counts": kept}
    return row | {"removed_counts": removed, "thumbnail_slice": 2, "before": png(image[0] // 2), "after": png(image[0])}


# ---------------------------------------------------------------- generator


def write_judge(tree: Tree) -> None:
    rows: list[dict[str, Any]] = [
        {
            "check": "class_accuracy",
            "level": None,
            "unit": "",
            "value": 0.91,
            "reference": 0.5,
            "rises": True,
            "n": 40,
            "reason": None,
        }
    ]
    for check, unit, levels, start in (("blur", "px", (0.5, 1.0, 2.0), 0.0), ("shift", "px", (1.0, 2.0), 0.0), ("wrong_class", "share", (0.25, 0.5, 1.0), 1.1)):  # noqa: E501  # fmt: skip
        before = start
        for level in levels:
            value = start + 3.0 * level
            rows.append({"check": check, "level": level, "unit": unit, "value": value, "reference": before, "rises": True, "n": 40, "reason": None})  # noqa: E501  # fmt: skip
            before = value
    tree.table("judge.checks", rows)
    tree.manifest("judge.manifest", "judge", {"judge": {"dimension": 32, "images": 16_000}})


def write_training(tree: Tree) -> None:
    ticks = range(5_000, 45_001, 5_000)
    values = {
        "loss_discriminator": lambda seen: 1.2 + 0.2 * np.exp(-seen / 9000),
        "loss_generator": lambda seen: 0.9 - 0.2 * np.exp(-seen / 9000),
        "loss_penalty": lambda seen: 0.05,
        "domain_fid": lambda seen: 4 + 40 * np.exp(-seen / 9000),
    }
    rows = [{"seen_images": s, "metric": name, "value": float(of(s))} for s in ticks for name, of in values.items()]
    tree.table("gan.history", rows, source=SOURCE)
    own = {"batch_size": 16, "precision": "bf16", "loss": "nonsaturating", "publish": "best"}
    tree.manifest(
        "gan.manifest", "gan", {"gan": own, "budget_images": 45_000}, {"published_images": 40_000}, source=SOURCE
    )
    history = [{"seen_images": s, "split": "train", "metric": "loss", "value": 0.7 * np.exp(-s / 9000)} for s in ticks]
    tree.table("encoder.history", history, source=SOURCE)
    tree.manifest("encoder.manifest", "encoder", {"encoder": {"dimension": 64, "images": 24_000}}, source=SOURCE)


def write_samples(tree: Tree) -> None:
    _write_synthetic(tree, "sample.part_index", noise=3.0, with_masks=False)
    tree.manifest("sample.part_manifest", "sample", source=SOURCE)
    gather_index([tree.path("sample.part_index", source=SOURCE)], tree.path("sample.index"))


def write_interpolation(tree: Tree) -> None:
    index, frames = tree.path("interpolation.index", source=SOURCE), 4
    with ShardWriter(index.parent, "shard-000", (1, SIZE, SIZE), with_masks=False) as writer:
        for number in range(frames + 1):
            image, _ = body_slice("frame", number, lesion=number > 2, noise=3.0)
            name = CLASSES[number > 2]
            row = {"image_id": f"{SOURCE}_frame_{number:06d}", "source": SOURCE, "split": "synthetic"}
            writer.append(row | {"class_name": name, "class_id": CLASSES.index(name)}, image)
    gather_index([index.parent / "shard-000.index.parquet"], index)
    own = {"keys": [f"{name}:1" for name in CLASSES], "frames": frames}
    tree.manifest("interpolation.part_manifest", "interpolation", own, source=SOURCE)


def _write_synthetic(tree: Tree, key: str, *, noise: float, with_masks: bool) -> None:
    folder = tree.path(key, source=SOURCE).parent
    with ShardWriter(folder, "shard-000", (1, SIZE, SIZE), with_masks=with_masks) as writer:
        for class_id, class_name in enumerate(CLASSES):
            for number in range(20):
                image, mask = body_slice("synthetic", class_name, number, lesion=bool(class_id), noise=noise)
                row = {"image_id": f"{SOURCE}_{class_name}_{number:06d}", "source": SOURCE, "split": "synthetic"}
                writer.append(
                    row | {"class_name": class_name, "class_id": class_id}, image, mask if with_masks else None
                )
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")


def write_metrics(tree: Tree) -> None:
    values = {"judge_fd": (2.1, 1.2), "kid": (0.03, 0.01), "precision": (0.8, 0.86), "recall": (0.55, 0.84)}
    values |= {"density": (0.9, 1.0), "coverage": (0.7, 0.92), "near_copies_features": (0.02, 0.01)}
    values |= {"near_copies_pixels": (0.015, 0.01), "nearest_features": (3.1, 3.3), "nearest_pixels": (0.3, 0.31)}
    rows = []
    for name in ("all", *CLASSES):
        for metric, pair in values.items():
            for role, value in zip(("synthetic", "floor"), pair, strict=True):
                spread = 0.01 if metric == "kid" else float("nan")
                row = {
                    "source": SOURCE,
                    "class_name": name,
                    "metric": metric,
                    "role": role,
                    "value": value,
                    "reason": None,
                }
                rows.append(row | {"low": value - spread, "high": value + spread, "n_real": 36, "n_synthetic": 20})
    tree.table("metrics.quality", rows, source=SOURCE)
    random = random_generator("tree", "nearest")
    train = [key for key, split in PATIENTS if split == "train"]
    made = [(f"{SOURCE}_{name}_{n:06d}", "synthetic", name) for name in CLASSES for n in range(20)]
    held = [
        (f"{key}_{n:03d}", "control", CLASSES[n % 2]) for key, split in PATIENTS if split == "test" for n in range(4)
    ]
    nearest = [
        {"image_id": image, "kind": kind, "class_name": name, "distance_features": random.gamma(20, 0.15), "distance_pixels": random.gamma(20, 0.015), "nearest_image_id": f"{train[0]}_000", "nearest_patient": train[0], "nearest_pixels_image_id": f"{train[number % 14]}_{number % 4:03d}"}  # noqa: E501
        for number, (image, kind, name) in enumerate(made + held)
    ]  # fmt: skip
    tree.table("metrics.nearest", nearest, source=SOURCE)
    tree.manifest("metrics.part_manifest", "metrics", {"metrics": {"neighbours": 5}}, source=SOURCE)


def write_audit(tree: Tree) -> None:
    """Let the samples leave but for one of them, and hold the pairs back."""
    words = "membership inference reaches an area of up to 0.64 by pixels, the policy allows 0.60"
    _write_verdict(tree, "pairs", f"must not leave: {words}", words, passed=False)
    _write_verdict(tree, "samples", "may leave: every check of the policy holds", "every check holds", passed=True)


def _write_verdict(tree: Tree, part: str, sentence: str, words: str, *, passed: bool) -> None:
    where = {"part": part, "source": SOURCE}
    rows = [
        {"comparison": "all", "measure": "near_copies", "role": "synthetic", "value": 0.025, "n": 40},
        {"comparison": "all", "measure": "planted_found", "role": "blended", "value": 0.9, "n": 10},
        {"comparison": "pixels", "measure": "membership_auc", "role": "synthetic", "value": 0.58, "n": 56},
    ]
    rows[2] |= {"low": 0.53, "high": 0.64}
    tree.table("audit.measures", [dict.fromkeys(("low", "high", "reason")) | row for row in rows], **where)
    checks = [{"name": "membership_auc", "value": 0.64, "limit": 0.6, "passed": passed, "words": words}]
    verdict = {"passed": passed, "sentence": sentence, "images": 40, "dropped": 1, "checks": checks}
    write_json(tree.path("audit.verdict", **where), verdict | {"unknown_ancestry": []})
    ids = [f"{SOURCE}_{name}_{n:06d}" for name in CLASSES for n in range(20)]
    real = ImageSet(tree.path("slices.index")).column("image_id")
    judged = {"comparison": "parts", "nearest_patient": PATIENTS[0][0], "down_px": 0, "right_px": 0}
    looked_up = [
        judged
        | {"image_id": name, "class_name": name.removeprefix(f"{SOURCE}_")[:-7], "kept": name != DROPPED}
        | {"closeness": 0.9 if name == DROPPED else 1.1 + 0.01 * place, "nearest_image_id": real[place]}
        | {"mirrored": place % 2 == 1}
        for place, name in enumerate(ids)
    ]
    tree.table("audit.images", looked_up, **where)
    index = "sample.part_index" if part == "samples" else "pairs.part_index"
    images = images_path(tree.path(index, source=SOURCE).parent / "shard-000")
    tree.manifest("audit.part_manifest", "audit", {"release": {"seed": 4}}, **where)
    path = tree.path("audit.part_manifest", **where)
    manifest = read_manifest(path)
    written = [tree.path(f"audit.{name}", **where) for name in ("verdict", "images")]
    manifest["what"]["outputs"] = {each.name: digest_file(each) for each in written}
    manifest["what"]["inputs"] = {"images/shard-000": digest_file(images)}
    write_json(path, manifest)


# ---------------------------------------------------------------- masks


def write_masks(tree: Tree) -> None:
    dice = {"liver": 0.94, "spleen": 0.88, "lesion": 0.71}
    scores = [
        {"structure": name, "dice": value, "n": 9, "found": 1.0, "n_without": 3, "false_alarms": 0.0}
        for name, value in dice.items()
    ]
    tree.table("annotator.scores", scores)
    tree.manifest("annotator.manifest", "annotator")
    pack = [{"image_id": f"{SOURCE}_{name}_{n:06d}", "class_name": name} for name in CLASSES for n in range(5)]
    tree.table("annotate.pack", pack, source=SOURCE, round="round-01")
    random = random_generator("tree", "labels")
    rows = [
        {"member": member, "structure": name, "dice": value - random.uniform(0.02, 0.06), "n": 4, "found": 1.0, "n_without": 2, "false_alarms": 0.1}  # noqa: E501
        for member in ("0", "1", "2", "ensemble")
        for name, value in dice.items()
    ]  # fmt: skip
    tree.table("labels.validation", rows, source=SOURCE)
    _write_calibration(tree)
    _write_annotation_curve(tree)
    tree.manifest("labels.manifest", "labels", {"labels": {"members": 3, "validation_fraction": 0.2}}, source=SOURCE)
    _write_synthetic(tree, "pairs.part_index", noise=3.0, with_masks=True)
    tree.manifest("pairs.part_manifest", "pairs", {"pairs": {"drop_fraction": 0.1}}, source=SOURCE)
    uncertainty = [
        {"image_id": f"{SOURCE}_{name}_{n:06d}", "class_name": name, "expected_error": float(random.beta(2, 8))}
        for name in CLASSES
        for n in range(22)
    ]  # fmt: skip
    limit = float(np.quantile([row["expected_error"] for row in uncertainty], 0.9))
    uncertainty = [row | {"kept": row["expected_error"] < limit} for row in uncertainty]
    tree.table("pairs.uncertainty", uncertainty, source=SOURCE)


def _write_calibration(tree: Tree) -> None:
    random = random_generator("tree", "calibration")
    images, curve = [], []
    for name, psnr in (("held-out slices", 24.0), ("samples", None)):
        for number in range(20):
            error = float(random.uniform(0.1, 0.3))
            row = {"set": name, "error": error, "psnr_db": psnr, "oracle_error": psnr and 0.08}
            images.append(row)
            coverage = (number + 1) / 20
            curve.append(
                {
                    "set": name,
                    "coverage": coverage,
                    "risk": 0.1 + 0.1 * coverage,
                    "by_disagreement": 0.13 + 0.07 * coverage,
                    "random": 0.2,
                    "ideal": 0.2 * coverage,
                }
            )
    tree.table("calibration.images", images, source=SOURCE)
    tree.table("calibration.curve", curve, source=SOURCE)


def _write_annotation_curve(tree: Tree) -> None:
    rows = [
        {
            "measure": measure,
            "arm": arm,
            "structure": structure,
            "count": count,
            "minutes": 1.5 * count,
            "dice": 0.5 + 0.05 * place,
            "lower": 0.45 + 0.05 * place,
            "upper": 0.53 + 0.05 * place,
            "n_seeds": 3,
            "n_units": 20,
        }
        for measure, arm in (("masks", "synthetic"), ("downstream", "synthetic"), ("downstream", "real"))
        for structure in ("all", "liver")
        for place, count in enumerate((1, 4, 16, 64))
    ]
    full = {"measure": "downstream", "arm": "ceiling", "count": 180, "minutes": None, "n_seeds": 3, "n_units": 20}
    rows += [
        full | {"structure": structure, "dice": 0.8, "lower": 0.78, "upper": 0.82} for structure in ("all", "liver")
    ]
    tree.table("annotation_curve.table", rows, source=SOURCE)


# ---------------------------------------------------------------- benchmark


def write_benchmark(tree: Tree) -> None:
    scores, manifests = [], []
    for task in ("classification", "segmentation"):
        for arm, settings in ARMS.items():
            place = {"task": task, "arm": arm}
            facts = _arm_facts(task, arm, settings)
            write_table(tree.path("benchmark.arm_scores", **place), table_of(_scores(task, arm, facts), SCORES_SCHEMA))
            write_table(tree.path("benchmark.arm_history", **place), table_of(_history(task, arm), HISTORY_SCHEMA))
            training = {"seeds": 3, "max_steps": 400, "batch_size": 16}
            tree.manifest("benchmark.arm_manifest", "benchmark", {"training": training}, **place)
            scores.append(tree.path("benchmark.arm_scores", **place))
            manifests.append(tree.path("benchmark.arm_manifest", **place))
    benchmark_summary.run(
        scores=tuple(scores),
        manifests=tuple(manifests),
        table=tree.path("benchmark.scores"),
        summary=tree.path("benchmark.summary"),
        curve=tree.path("benchmark.curve"),
        verdicts=tree.path("benchmark.verdicts"),
        manifest=tree.path("benchmark.manifest"),
        benchmark=BenchmarkSettings(summary=SummarySettings(bootstrap_samples=100)),
        arms=ARMS,
        low=LowSettings(fraction=0.1),
    )
    summary = {
        "bootstrap_samples": 100,
        "permutations": 100,
        "confidence": 0.95,
        "rule_gap": 0.05,
        "rule_standard_errors": 4.0,
    }
    tree.manifest("benchmark.manifest", "benchmark_summary", {"summary": summary})


def _arm_facts(task: str, arm: str, settings: ArmSettings) -> dict[str, Any]:
    fraction = 0.1 if settings.real_fraction == "low" else float(settings.real_fraction)
    patients = round(14 * fraction)
    return {
        "task": task,
        "arm": arm,
        "setting": settings.setting,
        "synthetic": settings.synthetic,
        "headline": settings.synthetic is not None,
        "real_fraction": fraction,
        "n_train_patients": patients,
        "n_train_images": 4 * patients,
        "n_synthetic_images": 40 if settings.synthetic else 0,
        "n_val_patients": max(1, patients // 5),
        "n_annotator_patients": 3 if settings.synthetic else 0,
        "n_borrowed_patients": 0,
    }


def _scores(task: str, arm: str, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    tested = [key for key, split in PATIENTS if split == "test"]
    for seed in range(3):
        for patient in tested:
            random = random_generator("tree", task, arm, seed, patient)
            base = dict(facts) | {"seed": seed, "patient": patient, "series": f"{patient}s"}
            if task == "segmentation":
                level = random_generator("tree", patient).normal(0, 0.03)
                for name in STRUCTURES:
                    value = float(np.clip(ARM_SKILL[arm] + level + random.normal(0, 0.015), 0, 1))
                    rows += [
                        base
                        | {"structure": name, "metric": "dice", "value": value, "reason": "", "n_missing_slices": 0}
                    ]
                    rows += [
                        base
                        | {
                            "structure": name,
                            "metric": "hd95_mm",
                            "value": 12 * (1 - value),
                            "reason": "",
                            "n_missing_slices": 0,
                        }
                    ]
            else:
                for number in range(SLICES_PER_PATIENT):
                    truth = number % 2
                    chance = 1 / (1 + np.exp(-4 * (ARM_SKILL[arm] - 0.5) * (2 * truth - 1) - random.normal(0, 1)))
                    for class_id, name in enumerate(CLASSES):
                        share = float(chance if class_id else 1 - chance)
                        rows += [base | {"image_id": f"{patient}_{number:03d}", "structure": name, "metric": "probability", "probability": share, "truth": int(truth == class_id)}]  # noqa: E501  # fmt: skip
    return rows


def _history(task: str, arm: str) -> list[dict[str, Any]]:
    rows = []
    for seed in range(3):
        random = random_generator("tree", "history", task, arm, seed)
        for step in range(50, 401, 50):
            score = ARM_SKILL[arm] * (1 - np.exp(-step / 90)) + random.normal(0, 0.01)
            rows.append({"task": task, "arm": arm, "seed": seed, "step": step, "seen_images": 16 * step, "train_loss": 0.5, "val_loss": 0.6, "val_score": float(score), "chosen": step == 350})  # noqa: E501  # fmt: skip
    return rows


ALL_PARTS: tuple[Callable[[Tree], None], ...] = (
    write_cohort,
    write_slices,
    write_judge,
    write_training,
    write_samples,
    write_interpolation,
    write_metrics,
    write_masks,
    write_audit,
    write_benchmark,
)
