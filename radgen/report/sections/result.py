"""The headline: the paired difference to the low arm, claimed only where the ancestry allows it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from radgen.report.arms import SUMMARY, arm_words, masks_words, metric_of, primary_rows, tasks, verdict_sentences, whom
from radgen.report.html import Html, element, join
from radgen.report.parts import Block, Pictures, count, interval, notice, number, paragraph
from radgen.report.study import StudyResults, records


def result_block(study: StudyResults, pictures: Pictures) -> Block:
    """Return the headline section, which says in words when there is no headline."""
    title = "Does it help?"
    if not study.has("benchmark.summary"):
        reason = "no benchmark was run in this study, so nothing is claimed about its synthetic images."
        return Block("result", title, notice(reason[0].upper() + reason[1:], calm=True))
    parts = [_task(study, task) for task in tasks(study)]
    seal = notice(study.facts.test_set, calm=True) if study.facts.test_set else None
    return Block("result", title, join(seal, parts, pictures.of("headline")))


def _task(study: StudyResults, task: str) -> Html:
    rows = primary_rows(study, task)
    synthetic = rows[rows["synthetic"].notna()]
    heads = synthetic[synthetic["headline"] & synthetic["to_low"].notna()]
    heading = element("h3", f"{task.capitalize()}: {metric_of(rows)}")
    if heads.empty:
        return join(heading, _no_claim(synthetic), _sentences(study, task))
    cards = [_card(study, row) for row in records(heads)]
    tested = whom(rows) == "real test patients"
    what = "Primary result: paired" if tested else "So far: paired"
    seen = " that no ancestor of any arm saw" if tested else ""
    words = paragraph(
        f"{what} difference to the low arm on {count(rows['n_patients'].iloc[0])} {whom(rows)}{seen}, with its "
        "patient-level bootstrap interval. The share of the gap to all real patients that is closed is secondary and "
        "stands in the table of arms."
    )
    return join(heading, words, element("div", cards, class_="cards"), _sentences(study, task), _annotator(study, task))


def _sentences(study: StudyResults, task: str) -> Html | None:
    told = verdict_sentences(study, task)
    return element("ul", [element("li", f"{one[:1].upper()}{one[1:]}") for one in told]) if told else None


def _no_claim(synthetic: pd.DataFrame) -> Html:
    if synthetic.empty:
        return notice("No synthetic arm was scored here, so no headline claim is made.", calm=True)
    settings = ", ".join(sorted(set(synthetic["setting"].dropna())))
    return notice(
        element("b", "No headline claim is made. "),
        f"Every synthetic arm of this task is of setting {settings}: the generator saw what the low arm must do "
        "without, so a difference would not be the merit of synthetic images. The numbers stand below for "
        "completeness.",
        calm=True,
    )


def _card(study: StudyResults, row: dict[str, Any]) -> Html:
    low, high = row["to_low_lower"], row["to_low_upper"]
    if low > 0:
        kind, verdict = "better", "Better than the low arm: the interval lies above zero."
    elif high < 0:
        kind, verdict = "worse", "Worse than the low arm: the interval lies below zero."
    else:
        kind, verdict = "open", "No difference is shown: the interval holds zero."
    trial = " A trial: this proves nothing." if study.facts.trial is not None else ""
    return element(
        "div",
        element("p", f"{arm_words(study, row['arm'])} · setting {row['setting']}", class_="what"),
        element("p", number(row["to_low"], signed=True), class_="value"),
        element("p", interval(low, high, signed=True), class_="interval"),
        element("p", f"{verdict} {count(row['n_seeds'])} networks per arm.{trial}", class_="verdict"),
        class_=f"card {kind}",
    )


def _annotator(study: StudyResults, task: str) -> Html | None:
    words = masks_words(study, task)
    return paragraph(f"{'. '.join(words)}.") if words else None


def headline_sentence(study: StudyResults) -> str:
    """Return the result in one sentence for the head of the page."""
    if not study.has("benchmark.summary"):
        return ""
    summary = study.table("benchmark.summary", SUMMARY)
    rows = summary[
        summary["primary"] & summary["structure"].isna() & summary["headline"] & summary["synthetic"].notna()
    ]
    rows = rows[rows["to_low"].notna()]
    if rows.empty:
        return "No headline claim is made: no synthetic arm of a headline setting was scored."
    best = rows[rows["to_low_lower"] > 0]
    of = f"{len(best)} of {len(rows)}"
    return (
        f"In {of} synthetic arms of a headline setting the interval of the difference to the low arm lies above zero."
    )
