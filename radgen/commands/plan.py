"""Say what a study will need before it runs: images, disk, hours of processors and GPUs, days, stage by stage."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from radgen.config import read_config
from radgen.planning.amounts import Amount, amounts, countable, left_out
from radgen.planning.disk import disk_mib
from radgen.planning.machine import Cost, Machine, calendar_hours, costs
from radgen.planning.published import comparison
from radgen.planning.rates import Rates, measured_rates, shipped_rates
from radgen.planning.sets import Cohort, known_slices
from radgen.sources import KINDS
from radgen.study import Study

GENERATORS = 3


def main(words: list[str]) -> int:
    """Print the plan of a study on a machine."""
    parser = argparse.ArgumentParser("radgen plan", description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", help="the study's YAML file")
    parser.add_argument("--slices", type=int, help="slices in all; else those counted by the study's own cohort")
    parser.add_argument("--patches", type=int, help="nodule patches of patients with genes; else those cut")
    parser.add_argument("--cpus", type=int, default=os.cpu_count() or 1, help="jobs of one thread at a time")
    parser.add_argument("--gpus", type=int, default=0, help="jobs of one GPU at a time")
    parser.add_argument("--gpu", default="A100", help="model of the GPU: V100, A100, H100 or H200")
    parser.add_argument("--gpu-share", type=float, help="share of the GPU's peak that training reaches; 0.1 is assumed")
    parser.add_argument("--measured", type=Path, help="CONFIG of a finished study whose run gives the rates")
    parser.add_argument("--published", action="store_true", help="compare with two published trainings, and end")
    options = parser.parse_args(words)
    if options.published:
        _say(comparison())
        return 0
    if options.config is None:
        parser.error("name the study's CONFIG")
    study = Study.of(read_config(options.config))
    share = {} if options.gpu_share is None else {"gpu_share": options.gpu_share}
    machine = Machine(options.cpus, options.gpus, options.gpu, **share)
    cohort = Cohort.of(study, options.slices or known_slices(study), options.patches)
    _say(plan_lines(study, cohort, _rates(options.measured), machine))
    return 0


def plan_lines(study: Study, cohort: Cohort, rates: Rates, machine: Machine) -> Iterator[str]:
    """Yield the plan as lines of text."""
    found = amounts(study, cohort)
    rows = costs(found, rates, machine)
    px = study.config.slices.size_px
    yield f"{cohort.slices:,} slices of {px} px, {cohort.train:,} of them for training; {len(study.shards)} shards"
    if cohort.patches:
        patch_px = study.config.nodules.size_px
        yield f"{cohort.patches:,} nodule patches of {patch_px} px of {cohort.profiles:,} patients with genes"
    yield f"machine: {machine.cpus} processors, {machine.gpus} GPUs" + (
        f" ({machine.gpu_model}, {machine.gpu_share:.0%} of its peak: assumed)" if machine.gpus else ""
    )
    yield f"rates: {rates.source}"
    sizes = disk_mib(study, cohort)
    yield _columns("stage", "images", "work", "jobs", "CPU h", "GPU h", "clock h", "disk GiB")
    for cost in rows:
        yield _row(cost, sizes.get(cost.amount.stage, 0.0))
    cpu, gpu = sum(cost.cpu_hours for cost in rows), sum(cost.gpu_hours for cost in rows)
    hours, disk = calendar_hours(rows, machine), sum(sizes.values()) / 1024
    yield _columns("all", "", "", "", f"{cpu:,.2f}", f"{gpu:,.2f}", f"{hours:,.2f}", f"{disk:,.2f}")
    yield f"from start to report: {hours:,.1f} hours" if hours < 48 else f"from start to report: {hours / 24:,.1f} days"
    for kind in KINDS:
        present = len(countable(study, kind, cohort))
        if present:
            yield _sources(kind, present, rows, machine)
    yield from left_out(study, cohort)
    yield (
        "assumed: work grows with pixels and with images shown; every stage keeps the networks it was measured with, "
        "training of generators is counted in operations; waiting in a queue and about 5 s of start to a job are left "
        "out"
    )


def _row(cost: Cost, disk_mib: float) -> str:
    amount: Amount = cost.amount
    gpu = f"{cost.gpu_hours:,.2f}" if cost.gpu_hours else "-"
    disk = f"{disk_mib / 1024:,.2f}" if disk_mib else "-"
    hours = (f"{cost.cpu_hours:,.2f}", gpu, f"{cost.clock_hours:,.2f}")
    return _columns(
        amount.stage, f"{amount.images:,}", f"{amount.size:,.0f} {amount.unit}", str(amount.jobs), *hours, disk
    )


def _columns(*words: str) -> str:
    widths = (12, 24, 7, 12, 12, 12, 10)
    return f"{words[0]:<20}" + "".join(f" {word:>{width - 1}}" for word, width in zip(words[1:], widths, strict=True))


def _sources(kind: str, present: int, rows: list[Cost], machine: Machine) -> str:
    """Say what sources of one kind cost, and three generators in all, or more."""
    parts = [cost.amount.of_kind.get(kind, 0.0) / cost.amount.size if cost.amount.size else 0.0 for cost in rows]
    cpu = sum(part * cost.cpu_hours for part, cost in zip(parts, rows, strict=True)) / present
    gpu = sum(part * cost.gpu_hours for part, cost in zip(parts, rows, strict=True)) / present
    each = f"each costs {_hours(cpu, gpu, machine)} {'on average ' if present > 1 else ''}up to its scores and audits"
    if kind != "gan":
        return f"sources of kind {kind}: {present} named; {each}"
    wanted = max(GENERATORS, present)
    all_cpu = sum(cost.cpu_hours for cost in rows) + (wanted - present) * cpu
    all_gpu = sum(cost.gpu_hours for cost in rows) + (wanted - present) * gpu
    return (
        f"generators: {present} named; {each}, {wanted} of them {_hours(all_cpu, all_gpu, machine)} with everything "
        "they share"
    )


def _hours(cpu: float, gpu: float, machine: Machine) -> str:
    return f"{cpu:,.2f} CPU h" + (f" and {gpu:,.2f} GPU h" if machine.gpus else "")


def _rates(measured: Path | None) -> Rates:
    if measured is None:
        return shipped_rates()
    study = Study.of(read_config(measured))
    found = amounts(study, Cohort.of(study, known_slices(study)))
    rates = measured_rates(Path(study.path.root, "logs"), found, f"the last run of {study.config.study}")
    # What that study does not do is taken from the shipped rates.
    return Rates(shipped_rates().seconds | rates.seconds, rates.source)


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
