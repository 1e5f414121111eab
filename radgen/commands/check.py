"""Check a configuration in seconds, before hours are spent: paths, patients, classes, counts, disk, device."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from radgen.config import read_config
from radgen.errors import CohortError, RadgenError
from radgen.study import Study
from radgen.workflow import Plan

# Images and masks as stored, work copies, samples and pairs: what one real slice costs in all, in pictures of its size.
STORED_COPIES = 6
FIXED_MIB = 500


def main(words: list[str]) -> int:
    """Run every check; print one line each, and end with code 2 if any fails."""
    parser = argparse.ArgumentParser("radgen check", description=__doc__)
    parser.add_argument("config", type=Path, help="the study's YAML file")
    parser.add_argument("--archive", help="another place of the archive")
    parser.add_argument("--workers", type=int, default=2, help="processes that read headers")
    options = parser.parse_args(words)
    config = read_config(options.config, {"archive": options.archive} if options.archive else None)
    plan = Plan(Study.of(config))
    failed = 0
    for name, check in _checks(plan, options.workers):
        try:
            sys.stdout.write(f"ok    {name:<10} {check()}\n")
        except RadgenError as error:
            failed += 1
            sys.stdout.write(f"FAIL  {name:<10} {error}\n")
        sys.stdout.flush()
    return 2 if failed else 0


def _checks(plan: Plan, workers: int) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "paths", lambda: _paths(plan)
    yield "device", lambda: _device(plan)
    yield "weights", lambda: _weights(plan)
    counts: list[dict[str, Any]] = []  # filled by the cohort's check, read by the disk's
    phantom = plan.study.config.phantom or plan.study.config.radiogenomic_phantom
    if phantom is not None:
        counts.append({"slices": phantom.patients * phantom.slices_per_patient})
        yield "cohort", lambda: f"{phantom.patients} phantom patients will be made"
    else:
        yield "cohort", lambda: _cohort(plan, workers, counts)
    yield "disk", lambda: _disk(plan, sum(row["slices"] for row in counts))
    yield "arms", lambda: ", ".join(f"{task}: {len(plan.study.arms(task))} arms" for task in plan.study.tasks) or "none"
    for stage, reason in plan.study.absent().items():
        yield "absent", lambda stage=stage, reason=reason: f"{stage}: {reason}"  # type: ignore[misc]


def _paths(plan: Plan) -> str:
    plan.check_inputs()
    return f"archive {plan.archive}, results {plan.path.root}, work {plan.work}"


def _weights(plan: Plan) -> str:
    given = plan.given_weights()
    if not given:
        return "none asked for: every network of this study starts from its seed"
    return "; ".join(f"{name} {path}" for name, path in given.items())


def _device(plan: Plan) -> str:
    from radgen.training.devices import choose_device

    device, reason = choose_device(plan.device)
    return f"{device} ({reason})"


def _cohort(plan: Plan, workers: int, counts: list[dict[str, Any]]) -> str:
    """Take inventory and cohort in a temporary folder: the real thing, thrown away; `counts` gets its table's rows."""
    import json

    import pyarrow.parquet as pq

    from radgen.cli import main as radgen

    with tempfile.TemporaryDirectory(prefix="radgen-check-") as folder:
        place = Path(folder)
        table = plan.optional("patient_table")
        found = ["--index", place / "index.parquet", "--rejects", place / "rejects.parquet"]
        words = ["inventory", "--archive", *plan.roots.words(), *found, "--files", place / "private" / "files.parquet"]
        words += ["--manifest", place / "manifest.json", "--work", place / "work", "--workers", workers]
        key_file = plan.study.config.key_file
        words += ["--key-file", *([key_file] if key_file else []), "--patient-table", *table]
        words += ["--settings", json.dumps(plan.study.settings("inventory"))]
        _must(radgen([str(word) for word in words]))
        words = ["cohort", "--inventory", found[1], "--inventory-rejects", found[3]]
        words += ["--inventory-manifest", place / "manifest.json", "--files", place / "private" / "files.parquet"]
        words += ["--series", place / "cohort" / "series.parquet"]
        words += ["--labels-table", *plan.optional("labels_table"), "--split-file", *plan.optional("split_file")]
        words += ["--group-table", *plan.optional("group_table")]
        words += ["--rejects", place / "cohort" / "rejects.parquet", "--counts", place / "cohort" / "counts.parquet"]
        words += ["--page", place / "cohort" / "index.html", "--manifest", place / "cohort" / "manifest.json"]
        words += ["--shards", *(place / "cohort" / f"shard-{shard}.parquet" for shard in plan.shards)]
        words += ["--settings", json.dumps(plan.study.settings("cohort"))]
        _must(radgen([str(word) for word in words]))
        counts += pq.read_table(place / "cohort" / "counts.parquet").to_pylist()
    return "; ".join(
        f"{row['split']} {row['class_name'] or 'all classes'}: {row['patients']} patients, {row['slices']} slices"
        for row in counts
    )


def _must(code: int) -> None:
    if code:
        msg = "the archive does not make a cohort; the line above says why"
        raise CohortError(msg)


def _disk(plan: Plan, slices: int) -> str:
    from radgen.errors import StorageError

    if not slices:
        return "not estimated: no slices are known"

    size = plan.study.config.slices.size_px
    place = Path(plan.path.root)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    needed = slices * size * size * STORED_COPIES + FIXED_MIB * 2**20
    if free < needed:
        msg = (
            f"{place}: {free / 2**30:.1f} GiB free, about {needed / 2**30:.1f} GiB needed; free space or set `results:`"
        )
        raise StorageError(msg)
    return f"{free / 2**30:.0f} GiB free, about {needed / 2**30:.1f} GiB needed for {slices:,} slices"
