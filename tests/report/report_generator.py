"""What judge, generator, samples, scores, audit and pairs of the invented study would leave."""

from __future__ import annotations

from typing import Any

import numpy as np
from report_pictures import SIZE, body_slice
from report_study import CLASSES, DROPPED, PATIENTS, SOURCE, Tree

from radgen.imageset.core import ImageSet, gather_index, images_path
from radgen.imageset.writers import ShardWriter
from radgen.provenance import digest_file, read_manifest, write_json
from radgen.seeds import random_generator


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
    write_synthetic(tree, "sample.part_index", noise=3.0, with_masks=False)
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


def write_synthetic(tree: Tree, key: str, *, noise: float, with_masks: bool) -> None:
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
    write_synthetic(tree, "pairs.part_index", noise=3.0, with_masks=True)
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
