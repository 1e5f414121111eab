"""The benchmark: the real-only curve, every arm with its interval, and the patients behind the synthetic images."""

from __future__ import annotations

from typing import Any

from radgen.provenance import ASPECTS, SawPatients
from radgen.report.arms import METRIC_WORDS, SUMMARY, arm_words, masks_words, metric_of, primary_rows, tasks, whom
from radgen.report.figures.cohort import SPLITS
from radgen.report.html import Html, element, join, table
from radgen.report.parts import DASH, Block, Pictures, count, interval, number, paragraph
from radgen.report.study import StudyResults, records


def benchmark_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return curve, arms, plateaus and tables; None where nothing was scored."""
    if not study.has("benchmark.summary"):
        return None
    parts: list[Html | None] = [pictures.of("benchmark")]
    for task in tasks(study):
        parts += [element("h3", f"Arms of {task}"), _arms_table(study, task), _annotator(study, task)]
        parts += [element("h3", f"All scores of {task}"), _scores_table(study, task)]
    return Block("benchmark", "Benchmark", join(parts))


def _arms_table(study: StudyResults, task: str) -> Html:
    rows = primary_rows(study, task)
    budget = rows["to_budget"].notna().any()
    header = ["Arm", "Setting", "Patients", "Images", "Synthetic", "Label budget", "Score", "To the low arm"]
    header += ["To the same budget"] if budget else []
    header += ["Gap closed"]
    first = records(rows)[0]
    caption = (
        f"{metric_of(rows)} on {count(first['n_patients'])} {whom(rows)} "
        f"({count(first['n_scored'])} {'images' if task == 'classification' else 'series'}), mean of "
        f"{count(first['n_seeds'])} networks. Patients, images: real ones the arm trains on. Label budget: patients "
        "whose labels or masks the arm rests on, validation patients and those of the simulated annotator included."
    )
    listed = [_arm_row(study, row, budget=bool(budget)) for row in records(rows)]
    return table(header, listed, caption=caption, numeric=range(2, len(header)))


def _arm_row(study: StudyResults, row: dict[str, Any], *, budget: bool) -> list[str | Html]:
    setting = row["setting"] if isinstance(row["setting"], str) else "real only"
    share = row["gap_share"]
    labels = ("n_train_patients", "n_val_patients", "n_annotator_patients", "n_borrowed_patients")
    cells: list[str | Html] = [
        arm_words(study, row["arm"]),
        setting if row["headline"] or setting == "real only" else f"{setting} (no headline)",
        *(count(row[name]) for name in ("n_train_patients", "n_train_images", "n_synthetic_images")),
        count(sum(row[name] for name in labels)),
        _estimate(row, "mean"),
        _estimate(row, "to_low", signed=True),
    ]
    cells += [_estimate(row, "to_budget", signed=True)] if budget else []
    return [*cells, DASH if number(share) == DASH else f"{100 * share:.0f} %"]


def _estimate(row: dict[str, Any], name: str, *, signed: bool = False) -> str | Html:
    if number(row[name]) == DASH:
        return DASH
    bounds = interval(row[f"{name}_lower"], row[f"{name}_upper"], signed=signed)
    return join(number(row[name], signed=signed), element("br"), element("small", bounds))


def _scores_table(study: StudyResults, task: str) -> Html:
    summary = study.table("benchmark.summary", SUMMARY)
    rows = summary[summary["task"] == task]
    listed = [
        [
            arm_words(study, row["arm"]),
            METRIC_WORDS.get(row["metric"], row["metric"]),
            row["structure"] if isinstance(row["structure"], str) else "all",
            number(row["mean"]),
            interval(row["mean_lower"], row["mean_upper"]),
            number(row["seed_sd"]),
            *(_empties(row) if task == "segmentation" else ()),
        ]
        for row in records(rows)
    ]
    header = ["Arm", "Metric", "Structure" if task == "segmentation" else "Class", "Mean", "Interval", "SD of seeds"]
    header += ["Both empty", "Missed", "Invented"] if task == "segmentation" else []
    return element(
        "details", element("summary", f"{len(listed)} rows: every metric, arm and structure"),
        table(header, listed, numeric=range(3, len(header))),
    )  # fmt: skip


def _empties(row: dict[str, Any]) -> list[str]:
    return [count(row.get(name)) for name in ("n_both_empty", "n_missed", "n_invented")]


def _annotator(study: StudyResults, task: str) -> Html | None:
    words = masks_words(study, task)
    return paragraph(f"{'. '.join(words)}.") if words else None


# ---------------------------------------------------------------- ancestry


def ancestry_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return how many patients of each split reached the synthetic images, apart for pixels, labels and masks."""
    del pictures
    rows = [
        [source, study.setting_of(source), what, *(_seen(saw, aspect) for aspect in ASPECTS)]
        for source in study.sources
        for what, key in (("samples", "sample.part_manifest"), ("pairs", "pairs.part_manifest"))
        if (saw := _saw(study, key, source)) is not None
    ]
    if not rows:
        return None
    words = paragraph(
        "Patients whose pixels, class labels or masks reached the synthetic images through any ancestor: encoder, "
        "generator, annotator, label head or selection. The benchmark refuses an arm whose ancestry breaks its "
        "setting. Training and validation patients count alike, because a generator is chosen on validation images; "
        "test patients never appear."
    )
    header = ("Source", "Setting", "Images", *(f"Patients: {aspect}" for aspect in ASPECTS))
    return Block("ancestry", "Ancestry", join(words, table(header, rows)))


def _saw(study: StudyResults, key: str, source: str) -> SawPatients | None:
    manifest = study.manifest(key, source=source)
    return None if manifest is None else SawPatients.from_json(manifest["what"]["saw_patients"])


def _seen(saw: SawPatients, aspect: str) -> str:
    groups = getattr(saw, aspect)
    order = (*SPLITS, *sorted(set(groups) - set(SPLITS)))
    told = [f"{count(len(groups[split]))} {split}" for split in order if groups.get(split)]
    unknown = ["unknown ancestors"] if saw.unknown else []
    return ", ".join(told + unknown) or "none"
