"""The measures of all arms of one task, on the same patients and the same bootstrap draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from radgen.benchmark.measures import Draws, Measure, image_measures, volume_measures
from radgen.benchmark.settings import CLASSIFICATION, SummarySettings
from radgen.benchmark.tables import ARM_FIELDS
from radgen.errors import InputError

Row = dict[str, Any]


@dataclass(frozen=True)
class TaskResult:
    """The measures of every arm of one task, with what each arm's rows tell about it."""

    task: str
    draws: Draws
    facts: Mapping[str, Row]
    measures: Mapping[str, list[Measure]]

    def twin(self, arm: str, measure: Measure) -> Measure | None:
        """Return the same metric and structure of another arm."""
        key = (measure.metric, measure.structure)
        return next((one for one in self.measures.get(arm, []) if (one.metric, one.structure) == key), None)


def measure_tasks(scores: pa.Table, settings: SummarySettings, order: Sequence[str]) -> list[TaskResult]:
    """Measure all arms of all tasks.

    Parameters
    ----------
    scores
        Rows of SCORES_SCHEMA of all arms.
    settings
        Number of bootstrap samples.
    order
        Names of arms in the order to show them; others come last, by name.

    Raises
    ------
    InputError
        Two arms of a task were tested on different patients.
    """
    rank = {name: number for number, name in enumerate(order)}
    results = []
    for task in sorted(pc.unique(scores.column("task")).to_pylist()):
        rows = as_one_network(scores.filter(pc.equal(scores.column("task"), task)))
        arms = sorted(pc.unique(rows.column("arm")).to_pylist(), key=lambda name: (rank.get(name, len(rank)), name))
        parts = {arm: rows.filter(pc.equal(rows.column("arm"), arm)) for arm in arms}
        draws = Draws.of(_common_patients(task, parts), settings.bootstrap_samples, task)
        measure = image_measures if task == CLASSIFICATION else volume_measures
        facts = {arm: part.select([field.name for field in ARM_FIELDS]).slice(0, 1) for arm, part in parts.items()}
        results.append(
            TaskResult(
                task=task,
                draws=draws,
                facts={arm: table.to_pylist()[0] | _geometry(parts[arm]) for arm, table in facts.items()},
                measures={arm: measure(part, draws) for arm, part in parts.items()},
            )
        )
    return results


def as_one_network(rows: pa.Table) -> pa.Table:
    """Take the networks of development folds for one: each patient was held out by one of them."""
    if set(rows.column("evaluation").to_pylist()) != {"development"}:
        return rows
    seeds = pa.array(np.zeros(rows.num_rows, dtype=np.int32))
    return rows.set_column(rows.column_names.index("seed"), rows.schema.field("seed"), seeds)


def _common_patients(task: str, parts: Mapping[str, pa.Table]) -> list[str]:
    tested = {arm: sorted(pc.unique(part.column("patient")).to_pylist()) for arm, part in parts.items()}
    first, patients = next(iter(tested.items()))
    for arm, others in tested.items():
        if others != patients:
            msg = (
                f"{task}: arm {arm} was tested on {len(others)} patients and arm {first} on {len(patients)}, not "
                "the same ones; run both on one cohort"
            )
            raise InputError(msg)
    return patients


def _geometry(rows: pa.Table) -> Row:
    """Return what distances rest on, in words: tolerance, and the smallest and largest voxel that was scored."""
    sizes = sorted(
        {tuple(size) for size in rows.column("spacing_mm").to_pylist() if size}, key=lambda s: (np.prod(s), s)
    )
    words = [" x ".join(f"{side:.3g}" for side in size) for size in sizes]
    tolerances = pc.unique(rows.column("tolerance_mm").drop_null()).to_pylist()
    return {
        "voxels": f"voxels of {' to '.join(dict.fromkeys((words[0], words[-1])))} mm" if words else None,
        "tolerance": f"tolerance {tolerances[0]:g} mm" if tolerances else None,
    }
