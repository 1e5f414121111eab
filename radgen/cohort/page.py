"""The cohort as one page: counts by class, split and patient, what was refused and what is unusual.

No scripts, no other files.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import median
from typing import Any, TypeAlias

from radgen.cohort.refusal import Reason
from radgen.cohort.settings import SPLITS
from radgen.cohort.table_rows import Rows

Row = Mapping[str, Any]
PATIENTS_SHOWN = 2000
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2329; background: #fff; margin: 3rem auto; max-width: 60rem;
  padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p { margin: .4rem 0; max-width: 46rem; } .lead { color: #56616b; }
.notice { border-left: 4px solid #b4540a; background: #fdf3e8; padding: .6rem 1rem; margin: 1rem 0; font-weight: 600; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 1rem .3rem 0; text-align: right; border-bottom: 1px solid #e3e7ea; }
th { font-weight: 600; color: #56616b; border-bottom-color: #aab4bc; }
th:first-child, td:first-child { text-align: left; } td.text, th.text { text-align: left; }
tr.total td { font-weight: 600; }
tr.block td { font-weight: 600; color: #56616b; padding-top: 1rem; border-bottom: 0; }
code { font: .92em ui-monospace, monospace; } summary { cursor: pointer; margin: .6rem 0; }
"""


@dataclass
class _Person:
    """What is told of a patient."""

    split: str
    classes: tuple[str, ...] = ()
    series: int = 0
    slices: int = 0


Figures: TypeAlias = "dict[str, array[float]]"
"""What was measured, by unit."""


@dataclass
class _Sums:
    """What the page tells of all series."""

    people: dict[str, _Person] = field(default_factory=dict)
    formats: set[str] = field(default_factory=set)
    series: int = 0
    burned_in: int = 0
    remarks: dict[tuple[str, str], Figures] = field(default_factory=dict)  # by what was found and done about it


def _sums(series: Rows) -> _Sums:
    """Walk once through the series."""
    sums = _Sums()
    for row in series:
        sums.series += 1
        sums.formats.add(" ".join(part for part in (row["modality"], row["format"]) if part))
        person = sums.people.setdefault(row["patient_key"], _Person(row["split"]))
        name = row["class_name"] or "by slice"
        if name not in person.classes:
            person.classes = tuple(sorted({*person.classes, name}))
        person.series += 1
        person.slices += row["n_slices"]
        sums.burned_in += any(remark["kind"] == Reason.BURNED_IN for remark in row["remarks"])
        for remark in row["remarks"]:
            figures = sums.remarks.setdefault((remark["kind"], remark["treatment"]), {})
            figures.setdefault(remark["unit"], array("d")).append(remark["figure"])
    return sums


def draw_page(series: Rows, counts: Sequence[Row], rejects: Iterable[Row], notes: Mapping[str, Any]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    series, counts, rejects
        Rows of the cohort's tables.
    notes
        Of inventory and cohort: `claim`, `limit` and unmatched counts of tables are shown.
    """
    sums = _sums(series)
    slices = sum(person.slices for person in sums.people.values())
    formats = escape(", ".join(sorted(sums.formats)))
    lead = f"{len(sums.people):,} patients, {sums.series:,} series, {slices:,} slices; {formats}."
    parts = [
        "<h1>Cohort</h1>",
        f'<p class="lead">{lead}</p>',
        *(f'<p class="notice">{escape(text)}</p>' for text in (*_notices(notes), *_burned_in(sums))),
        "<h2>Patients, series and slices by class and split</h2>",
        _count_table(sums.people, counts),
        "<h2>Tables brought along</h2>" if _unmatched(notes) else "",
        _unmatched(notes),
        "<h2>Refused and set aside</h2>",
        _reject_table(rejects),
        "<h2>Used with a remark</h2>" if sums.remarks else "",
        _remark_table(sums.remarks),
        "<h2>Patients</h2>",
        _patient_table(sums.people),
    ]
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Cohort</title>\n<style>{STYLE}</style>'
    return "\n".join([head, "<body>", *(part for part in parts if part), "</body>", "</html>", ""])


def _notices(notes: Mapping[str, Any]) -> list[str]:
    notices = []
    if "limit" in notes:
        limit = notes["limit"]
        notices.append(f"TRIAL: limited to {limit['patients']} patients, {limit['patients_left_out']} left out.")
    if "claim" in notes:
        notices.append(f"{str(notes['claim']).capitalize()}.")
    if "rows" in notes.get("patient_from", ""):
        notices.append("Patients are approximated by ranges of row numbers.")
    return notices


def _burned_in(sums: _Sums) -> list[str]:
    text = "may show text burned into their pixels, a name perhaps: look at them, and mask the text or leave them out."
    return [f"{sums.burned_in:,} of {sums.series:,} series {text}"] if sums.burned_in else []


def _count_table(patients: Mapping[str, _Person], counts: Sequence[Row]) -> str:
    """One table with a block of rows for patients, series and slices, so that the columns of splits line up."""
    splits = [split for split in SPLITS if any(row["split"] == split for row in counts)]
    names = sorted({row["class_name"] or "" for row in counts})
    people = Counter(person.split for person in patients.values())
    lines = [_line(["", *splits], "th")]
    for column in ("patients", "series", "slices"):
        found = {(row["class_name"] or "", row["split"]): row[column] for row in counts}
        lines.append(_line([column], "td", "block"))
        lines.extend(
            _line([name or "classes by slice", *(found.get((name, split), 0) for split in splits)], "td")
            for name in names
        )
        if len(names) > 1:
            sums = {split: sum(found.get((name, split), 0) for name in names) for split in splits}
            # A patient may have series of several classes, so people are counted once, not summed over classes.
            total = people if column == "patients" else sums
            lines.append(_line(["all", *(total[split] for split in splits)], "td", "total"))
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _unmatched(notes: Mapping[str, Any]) -> str:
    shown = (("patient_table", "patients"), ("labels_table", "labels"), ("split_file", "splits"))
    rows = [
        [title, notes[name]["rows"], notes[name]["rows_without_series"], notes[name]["series_without_row"]]
        for name, title in shown
        if name in notes
    ]
    return _table(["table", "rows", "rows without series", "series without row"], rows) if rows else ""


def _reject_table(rejects: Iterable[Row]) -> str:
    numbers = Counter[tuple[bool, str]]()
    examples: dict[str, str] = {}
    measured: dict[str, Figures] = {}
    for row in rejects:
        reason = row["reason"]
        numbers[row["refused"], reason] += 1
        examples.setdefault(reason, row["sentence"])
        if row["figure"] is not None:
            measured.setdefault(reason, {}).setdefault(row["unit"], array("d")).append(row["figure"])
    if not numbers:
        return "<p>Every file of the archive is in use.</p>"
    rows = [
        [
            reason,
            number,
            "refused" if refused else "set aside",
            _in_words(measured.get(reason, {})),
            examples[reason],
        ]
        for (refused, reason), number in sorted(
            numbers.items(), key=lambda item: (not item[0][0], -item[1], item[0][1])
        )
    ]
    return _table(["reason", "files", "how", "measured", "for example"], rows, text_columns=(2, 3, 4))


def _remark_table(remarks: Mapping[tuple[str, str], Figures]) -> str:
    rows = [
        [kind, treatment, sum(map(len, units.values())), _in_words(units)]
        for (kind, treatment), units in sorted(remarks.items())
    ]
    return _table(["found", "done about it", "times", "measured"], rows, text_columns=(1, 3)) if rows else ""


def _in_words(units: Mapping[str, Sequence[float]]) -> str:
    """Write the median and the range of what was measured, by unit.

    >>> _in_words({"mm": [3.0, 5.0]})
    '4 mm (3 to 5)'
    """
    words = []
    for unit, figures in sorted(units.items()):
        low, high = min(figures), max(figures)
        span = f" ({low:.4g} to {high:.4g})" if low < high else ""
        words.append(f"{median(figures):.4g} {unit}".strip() + span)
    return ", ".join(words)


def _patient_table(people: Mapping[str, _Person]) -> str:
    order = sorted(people, key=lambda patient: (SPLITS.index(people[patient].split), patient))
    shown = [(patient, people[patient]) for patient in order[:PATIENTS_SHOWN]]
    rows = [[patient, who.split, ", ".join(who.classes), who.series, who.slices] for patient, who in shown]
    more = f" (the first {PATIENTS_SHOWN:,}; all are in series.parquet)" if len(people) > PATIENTS_SHOWN else ""
    table = _table(["patient", "split", "class", "series", "slices"], rows, text_columns=(1, 2))
    return f"<details><summary>{len(people):,} patients by hashed key{more}</summary>\n{table}\n</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], text_columns: Sequence[int] = ()) -> str:
    lines = [
        _line(head, "th", text_columns=text_columns),
        *(_line(row, "td", text_columns=text_columns) for row in rows),
    ]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _line(values: Sequence[Any], tag: str, kind: str = "", text_columns: Sequence[int] = ()) -> str:
    cells = [
        f"<{tag}{' class=text' if number in text_columns else ''}>"
        f"{f'{value:,}' if isinstance(value, int) else escape(str(value))}</{tag}>"
        for number, value in enumerate(values)
    ]
    return f"<tr{f' class={kind}' if kind else ''}>{''.join(cells)}</tr>"
