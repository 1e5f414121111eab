"""Two studies side by side: settings that differ, scores of samples, and the benchmark paired by test patient."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from radgen.benchmark.settings import SummarySettings
from radgen.benchmark.statistics import interval
from radgen.benchmark.tables import SCORES_SCHEMA
from radgen.benchmark.task_result import TaskResult, measure_tasks
from radgen.errors import InputError
from radgen.report.html import Html, element, join, table
from radgen.report.parts import DASH, document, number, paragraph
from radgen.report.parts import interval as written
from radgen.report.scores import EVERY_CLASS, FLOOR, METRIC_WORDS, QUALITY, SYNTHETIC, score
from radgen.report.settings import ReportSettings, StudyFacts
from radgen.report.study import StudyResults

MOST_CHARACTERS = 60
ABSENT = "not there"
Row = tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What two studies have in common and what they differ in, ready to be written as text or as a page."""

    names: tuple[str, str]
    settings: list[Row]
    metrics: list[Row]
    scores: list[Row]
    notes: list[str]

    @property
    def tables(self) -> list[tuple[str, Row, list[Row], str]]:
        """Title, header, rows of each table, and what to say where it has none."""
        one, other = self.names
        return [
            ("Settings that differ", ("stage", "setting", one, other), self.settings, "No recorded setting differs."),
            ("Scores of samples", ("source", "score", "role", one, other), self.metrics, "No score is in both."),
            (
                "Benchmark",
                ("task", "metric", "arm", one, other, f"{other} minus {one}", "patients"),
                self.scores,
                "No arm is in both.",
            ),
        ]


def compare(one: Path, other: Path) -> Comparison:
    """Compare two results folders.

    Raises
    ------
    InputError
        A folder holds no manifest: it is no study.
    """
    names = (one.name, other.name) if one.name != other.name else (str(one), str(other))
    studies = [StudyResults(root, ReportSettings(), StudyFacts()) for root in (one, other)]
    for study in studies:
        if not study.manifests:
            msg = f"{study.root}: no manifest of a stage lies here; give a study's folder, such as results/demo"
            raise InputError(msg)
    scores, notes = _paired_scores(studies[0], studies[1], names)
    return Comparison(names, _settings(*studies), _metrics(*studies), scores, notes)


# ---------------------------------------------------------------- settings


def _settings(one: StudyResults, other: StudyResults) -> list[Row]:
    first, second = (_recorded(study) for study in (one, other))
    rows: list[Row] = []
    for key in sorted({*first, *second}):
        left, right = first.get(key, ABSENT), second.get(key, ABSENT)
        if left != right:
            rows.append((*key, _cut(left), _cut(right)))
    return rows


def _recorded(study: StudyResults) -> dict[tuple[str, str], str]:
    """Return every setting that manifests record, by stage and dotted name; a stage's jobs are told apart by place."""
    stages: dict[str, int] = {}
    for _, manifest in study.manifests:
        stages[str(manifest["what"].get("stage"))] = stages.get(str(manifest["what"].get("stage")), 0) + 1
    found = {}
    for place, manifest in study.manifests:
        what = manifest["what"]
        stage = str(what.get("stage"))
        label = stage if stages[stage] == 1 else place.removesuffix("/manifest.json").removesuffix(".manifest.json")
        plain = {"version": what.get("version"), "seed": what.get("seed"), **(what.get("settings") or {})}
        for name, value in _flat(plain):
            found[label, name] = json.dumps(value, sort_keys=True)
    return found


def _flat(plain: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """List leaves by their dotted name.

    >>> _flat({"a": {"b": 1, "c": {}}, "d": [2]})
    [('a.b', 1), ('a.c', {}), ('d', [2])]
    """
    leaves = []
    for key, value in plain.items():
        leaves += _flat(value, f"{before}{key}.") if isinstance(value, dict) and value else [(f"{before}{key}", value)]
    return leaves


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


# ---------------------------------------------------------------- scores of samples


def _metrics(one: StudyResults, other: StudyResults) -> list[Row]:
    sources = [_sources(study) for study in (one, other)]
    rows: list[Row] = []
    for source in sorted(set(sources[0]) & set(sources[1])):
        both = [study.table("metrics.quality", QUALITY, source=source) for study in (one, other)]
        for metric, words in METRIC_WORDS.items():
            for role in (SYNTHETIC, FLOOR):
                values = [score(own, metric, role, EVERY_CLASS) for own in both]
                if any(value is not None for value in values):
                    rows.append((source, words, role, *(number(value) for value in values)))
    return rows


def _sources(study: StudyResults) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in study.root.glob("metrics/*.quality.parquet"))


# ---------------------------------------------------------------- benchmark


def _paired_scores(one: StudyResults, other: StudyResults, names: tuple[str, str]) -> tuple[list[Row], list[str]]:
    """Return the rows of arms that both studies scored, and what must be said of the patients."""
    if not (one.has("benchmark.scores") and other.has("benchmark.scores")):
        return [], ["The benchmark is not in both studies."]
    scores = [_scores(study) for study in (one, other)]
    rows, notes = [], []
    for task in sorted(set.intersection(*(set(pc.unique(own["task"]).to_pylist()) for own in scores))):
        parts = [own.filter(pc.equal(own["task"], task)) for own in scores]
        tested = [set(pc.unique(part["patient"]).to_pylist()) for part in parts]
        common = sorted(tested[0] & tested[1])
        counts = f"{len(tested[0])} test patients in {names[0]}, {len(tested[1])} in {names[1]}"
        if common:
            notes.append(f"{task}: paired on {len(common)} patients tested in both ({counts}).")
            rows += _on_common(task, parts, common)
        else:
            notes.append(f"{task}: no test patient is in both ({counts}), so differences are not paired and not given.")
            rows += _apart(task, parts)
    return rows, notes


def _scores(study: StudyResults) -> pa.Table:
    path = study.path("benchmark.scores")
    table = pq.read_table(path)
    missing = [name for name in SCORES_SCHEMA.names if name not in table.schema.names]
    if missing:
        msg = f"{path}: column {missing[0]!r} is missing: scores of another version; run `snakemake benchmark` again"
        raise InputError(msg)
    return table.select(SCORES_SCHEMA.names).cast(SCORES_SCHEMA)


def _on_common(task: str, parts: Sequence[pa.Table], patients: list[str]) -> list[Row]:
    own = [part.filter(pc.is_in(part["patient"], pa.array(patients))) for part in parts]
    arms = sorted(set.intersection(*(set(pc.unique(part["arm"]).to_pylist()) for part in own)))
    marked = [_marked(part, mark) for mark, part in zip(("one", "other"), own, strict=True)]
    result = measure_tasks(pa.concat_tables(marked), SummarySettings(), ())[0]
    return [row for arm in arms for row in _arm_rows(task, arm, result)]


def _marked(part: pa.Table, mark: str) -> pa.Table:
    """Return a study's scores with its arms renamed `<mark>:<arm>`, so that both may stand in one table."""
    place = part.schema.get_field_index("arm")
    return part.set_column(place, "arm", pc.binary_join_element_wise(pa.scalar(mark), part["arm"], ":"))


def _arm_rows(task: str, arm: str, result: TaskResult) -> list[Row]:
    rows = []
    for measure in result.measures[f"one:{arm}"]:
        twin = result.twin(f"other:{arm}", measure)
        if twin is None or measure.structure is not None:
            continue
        difference = twin.minus(measure, result.draws.weights)
        values = (_estimate(one.replicates) for one in (measure, twin))
        patients = str(len(result.draws.patients))
        rows.append((task, measure.metric, arm, *values, _estimate(difference, signed=True), patients))
    return rows


def _apart(task: str, parts: Sequence[pa.Table]) -> list[Row]:
    results = [measure_tasks(part, SummarySettings(), ())[0] for part in parts]
    rows = []
    for arm in sorted(set(results[0].measures) & set(results[1].measures)):
        for measure in results[0].measures[arm]:
            twin = results[1].twin(arm, measure)
            if twin is not None and measure.structure is None:
                values = (_estimate(one.replicates) for one in (measure, twin))
                patients = " and ".join(str(len(result.draws.patients)) for result in results)
                rows.append((task, measure.metric, arm, *values, DASH, patients))
    return rows


def _estimate(replicates: np.ndarray[Any, np.dtype[np.float64]], *, signed: bool = False) -> str:
    """Write the value on the patients themselves (replicate 0) with its interval."""
    lower, upper = interval(replicates, SummarySettings().confidence)
    return f"{number(float(replicates[0]), signed=signed)} {written(lower, upper, signed=signed)}"


# ---------------------------------------------------------------- writing


def as_text(comparison: Comparison) -> str:
    """Return the comparison as plain text in aligned columns."""
    parts = []
    for title, header, rows, nothing in comparison.tables:
        parts += [title, "=" * len(title), *(_aligned([header, *rows]) if rows else [nothing]), ""]
    return "\n".join([*parts, *comparison.notes]) + "\n"


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_page(comparison: Comparison) -> str:
    """Return the comparison as a page that opens from disk."""
    title = f"{comparison.names[0]} beside {comparison.names[1]}"
    sections = [
        element("section", element("h2", heading), table(header, rows) if rows else paragraph(nothing))
        for heading, header, rows, nothing in comparison.tables
    ]
    notes: list[Html] = [element("li", note) for note in comparison.notes]
    how = paragraph(
        "Settings are those that manifests record. Intervals are patient-level bootstrap intervals; a difference is "
        "paired: the same patients, and the same draws of patients, on both sides."
    )
    head = element("header", element("p", "radgen compare", class_="kicker"), element("h1", title))
    main = element("main", how, element("ul", notes), sections, style="max-width:none")
    return document(f"{title} · radgen", element("div", join(head, main), class_="page"))
