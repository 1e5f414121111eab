"""Whether each synthetic set may leave: the verdicts of the release policy, and what they rest on."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from radgen.report.html import Html, element, join, table
from radgen.report.parts import DASH, Block, Pictures, count, interval, notice, number, paragraph
from radgen.report.study import StudyResults, records

PARTS = ("samples", "pairs")
COLUMNS = ("comparison", "measure", "role", "value", "low", "high", "n", "reason")
AREA, DISTANCE = "membership_auc", "nearest"  # every other measure is a share
MEASURE_WORDS = {
    "near_copies": "near copies of training images",
    "planted_found": "planted copies that are found",
    "membership_auc": "membership inference, area under the curve",
    "nearest": "median distance to the nearest training image",
    "authentic": "nearer to no training image than other patients are (AuthPct)",
    "nearer_than_any_control": "nearer to a training image than any held-out image",
    "duplicates": "nearer to another of the set than people are to each other",
    "control_near_duplicates": "held-out images as near as slices of one volume",
}
ROLE_WORDS = {"synthetic": "synthetic", "control": "held-out real", "other_slice": "another slice of the volume"}


def safety_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return the verdict of every audited set; None where none was audited."""
    sets = [(part, name) for part in PARTS for name in study.sources]
    audited = [(part, name) for part, name in sets if study.has("audit.verdict", part=part, source=name)]
    if not audited:
        return None
    words = paragraph(
        "Each synthetic image is looked up among the training images it rests on, by pixels, by what tells people "
        "apart, part by part, and by the judge, mirrored and shifted too. Held-out patients, whom nothing can have "
        "copied, set the limits. Copies planted on purpose show what the audit finds. It cannot prove that a set is "
        "safe: docs/safety.md says what it does not see."
    )
    return Block(
        "safety", "May it leave?", join(words, [_of_set(study, pictures, part, name) for part, name in audited])
    )


def _of_set(study: StudyResults, pictures: Pictures, part: str, source: str) -> Html:
    verdict = json.loads(study.path("audit.verdict", part=part, source=source).read_text(encoding="utf-8"))
    rows = study.table("audit.measures", COLUMNS, part=part, source=source)
    checks = [
        [check["words"], "holds" if check["passed"] else "broken", number(check["value"], 2)]
        for check in verdict["checks"]
    ]
    return join(
        element("h3", f"{part.capitalize()} of source {source}"),
        notice(f"This set {verdict['sentence']}.", calm=bool(verdict["passed"])),
        [paragraph(f"Its ancestry is not known: {line}.") for line in verdict["unknown_ancestry"]],
        table(("Check", "", "Value"), checks, numeric=(2,)),
        pictures.one(f"audit_{part}_{source}"),
        _measures(rows),
    )


def _measures(rows: pd.DataFrame) -> Html:
    shown = rows[(rows["comparison"] == "all") | ~rows["measure"].isin(["near_copies", "planted_found"])]
    listed = [
        [
            MEASURE_WORDS.get(row["measure"], row["measure"]),
            row["comparison"],
            ROLE_WORDS.get(row["role"], row["role"]),
            _value(row),
            count(row["n"]),
        ]
        for row in records(shown.sort_values(["measure", "comparison", "role"]))
    ]
    return table(("Measure", "Compared by", "Images", "Value", "n"), listed, numeric=(3, 4))


def _value(row: dict[str, Any]) -> str | Html:
    if number(row["value"]) == DASH:
        return str(row["reason"])
    if row["measure"] not in {AREA, DISTANCE}:
        return f"{100 * row['value']:.1f} %"
    bounds = interval(row["low"], row["high"])
    return number(row["value"]) if bounds == DASH else join(number(row["value"]), " ", element("small", bounds))
