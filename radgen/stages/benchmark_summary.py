"""Join the scores of all benchmark arms and sum them up with patient-level intervals, paired to the low arm."""

from __future__ import annotations

from pathlib import Path

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings
from radgen.cohort.settings import LowSettings
from radgen.errors import InputError
from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

VERSION = 2


def run(
    *,
    scores: tuple[Path, ...],
    manifests: tuple[Path, ...],
    table: Path,
    summary: Path,
    curve: Path,
    verdicts: Path,
    manifest: Path,
    benchmark: BenchmarkSettings,
    arms: dict[str, ArmSettings],
    low: LowSettings,
) -> None:
    """Join, sum up, and say whether the configured low fraction obeys the rule.

    Parameters
    ----------
    scores, manifests
        One of each per task and arm.
    table, summary, curve, verdicts, manifest
        Outputs: all score rows, the summary, the real-only curve and what they say in sentences; columns in
        `radgen.benchmark.tables`.
    benchmark
        Bootstrap samples, confidence and the rule's thresholds.
    arms
        All arms by name, in the order to show them.
    low
        The configured low fraction.

    Raises
    ------
    InputError
        There are no scores, or arms were tested on different patients.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from radgen.benchmark.summary import curve_rows, summary_rows, verdict
    from radgen.benchmark.tables import CURVE_SCHEMA, SUMMARY_SCHEMA, VERDICT_SCHEMA, table_of
    from radgen.benchmark.task_result import measure_tasks
    from radgen.benchmark.verdicts import verdict_rows
    from radgen.imageset.core import write_table

    if not scores:
        msg = "no benchmark scores were given; run at least one arm first"
        raise InputError(msg)
    joined = pa.concat_tables([pq.read_table(path) for path in scores])
    settings = benchmark.summary
    results = measure_tasks(joined, settings, list(arms))
    real_only = [name for name, arm in arms.items() if arm.on_curve]
    curves = [curve_rows(result, real_only, low.fraction, settings) for result in results]
    sums = [summary_rows(result, settings, benchmark.primary) for result in results]
    told = [
        row
        for result, rows in zip(results, sums, strict=True)
        for row in verdict_rows(result, rows, settings, benchmark.primary)
    ]
    write_table(table, joined.sort_by([(name, "ascending") for name in ("task", "arm", "seed")]))
    write_table(summary, table_of((row for rows in sums for row in rows), SUMMARY_SCHEMA))
    write_table(curve, table_of((row for rows in curves for row in rows), CURVE_SCHEMA))
    write_table(verdicts, table_of(told, VERDICT_SCHEMA))
    rule = [verdict(rows) for rows in curves if rows]
    for line in [*rule, *(row["sentence"] for row in told)]:
        print(f"benchmark: {line}", flush=True)  # noqa: T201 - a stage's progress goes to its log
    write_manifest(
        manifest,
        what=what_part(
            stage="benchmark_summary",
            version=VERSION,
            settings={
                "summary": as_plain(settings),
                "primary": benchmark.primary,
                "arms": as_plain(arms),
                "low": as_plain(low),
            },
            inputs={f"{path.parent.name}/{path.name}": input_digest(path) for path in scores},
        ),
        outputs={"table": table, "summary": summary, "curve": curve, "verdicts": verdicts},
        saw_patients=saw_patients_of(*manifests),
        notes={"rule": rule},
    )
