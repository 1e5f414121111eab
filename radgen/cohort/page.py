"""The cohort as one page: counts by class, split and patient, what was refused and what is unusual.

No scripts, no other files.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

from radgen.cohort.assemble import by_reason
from radgen.cohort.refusal import Reason
from radgen.cohort.settings import SPLITS

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


def draw_page(series: Sequence[Row], counts: Sequence[Row], rejects: Sequence[Row], notes: Mapping[str, Any]) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    series, counts, rejects
        Rows of the cohort's tables.
    notes
        Of inventory and cohort: `claim`, `limit` and unmatched counts of tables are shown.
    """
    patients = len({row["patient_key"] for row in series})
    slices = sum(row["n_slices"] for row in series)
    lead = f"{patients:,} patients, {len(series):,} series, {slices:,} slices; {_formats(series)}."
    parts = [
        "<h1>Cohort</h1>",
        f'<p class="lead">{lead}</p>',
        *(f'<p class="notice">{escape(text)}</p>' for text in (*_notices(notes), *_burned_in(series))),
        "<h2>Patients, series and slices by class and split</h2>",
        _count_table(series, counts),
        "<h2>Tables brought along</h2>" if _unmatched(notes) else "",
        _unmatched(notes),
        "<h2>Refused and set aside</h2>",
        _reject_table(rejects),
        "<h2>Used with a remark</h2>" if any(row["remarks"] for row in series) else "",
        _remark_table(series),
        "<h2>Patients</h2>",
        _patient_table(series),
    ]
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Cohort</title>\n<style>{STYLE}</style>'
    return "\n".join([head, "<body>", *(part for part in parts if part), "</body>", "</html>", ""])


def _formats(series: Sequence[Row]) -> str:
    kinds = sorted({" ".join(part for part in (row["modality"], row["format"]) if part) for row in series})
    return escape(", ".join(kinds))


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


def _burned_in(series: Sequence[Row]) -> list[str]:
    marked = sum(any(remark["kind"] == Reason.BURNED_IN for remark in row["remarks"] or ()) for row in series)
    text = "may show text burned into their pixels, a name perhaps: look at them, and mask the text or leave them out."
    return [f"{marked:,} of {len(series):,} series {text}"] if marked else []


def _count_table(series: Sequence[Row], counts: Sequence[Row]) -> str:
    """One table with a block of rows for patients, series and slices, so that the columns of splits line up."""
    splits = [split for split in SPLITS if any(row["split"] == split for row in counts)]
    names = sorted({row["class_name"] or "" for row in counts})
    patients: dict[str, set[str]] = {split: set() for split in splits}
    for row in series:
        patients.setdefault(row["split"], set()).add(row["patient_key"])
    people = {split: len(keys) for split, keys in patients.items()}
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


def _reject_table(rejects: Sequence[Row]) -> str:
    if not rejects:
        return "<p>Every file of the archive is in use.</p>"
    example = {row["reason"]: row["sentence"] for row in reversed(rejects)}
    rows = [
        [
            reason,
            number,
            "refused" if refused else "set aside",
            _measured([row for row in rejects if row["reason"] == reason]),
            example[reason],
        ]
        for refused in (True, False)
        for reason, number in by_reason([dict(row) for row in rejects], refused=refused).items()
    ]
    return _table(["reason", "files", "how", "measured", "for example"], rows, text_columns=(2, 3, 4))


def _remark_table(series: Sequence[Row]) -> str:
    groups: dict[tuple[str, str], dict[str, array[float]]] = {}
    for row in series:
        for remark in row["remarks"]:
            units = groups.setdefault((remark["kind"], remark["treatment"]), {})
            units.setdefault(remark["unit"], array("d")).append(remark["figure"])
    rows = [
        [kind, treatment, sum(map(len, units.values())), _in_words(units)]
        for (kind, treatment), units in sorted(groups.items())
    ]
    return _table(["found", "done about it", "times", "measured"], rows, text_columns=(1, 3)) if rows else ""


def _measured(rows: Sequence[Row]) -> str:
    """Write the median and the range of what was measured, by unit.

    >>> _measured([{"figure": 3.0, "unit": "mm"}, {"figure": 5.0, "unit": "mm"}, {"figure": None, "unit": ""}])
    '4 mm (3 to 5)'
    """
    units: dict[str, list[float]] = {}
    for row in rows:
        if row["figure"] is not None:
            units.setdefault(row["unit"], []).append(row["figure"])
    return _in_words(units)


def _in_words(units: Mapping[str, Sequence[float]]) -> str:
    words = []
    for unit, figures in sorted(units.items()):
        low, high = min(figures), max(figures)
        span = f" ({low:.4g} to {high:.4g})" if low < high else ""
        words.append(f"{median(figures):.4g} {unit}".strip() + span)
    return ", ".join(words)


def _patient_table(series: Sequence[Row]) -> str:
    found: dict[str, tuple[str, tuple[str, ...], int, int]] = {}  # split, classes, series, slices
    for row in series:
        split, names, number, slices = found.get(row["patient_key"], (row["split"], (), 0, 0))
        name = row["class_name"] or "by slice"
        names = names if name in names else tuple(sorted({*names, name}))
        found[row["patient_key"]] = (split, names, number + 1, slices + row["n_slices"])
    order = sorted(found.items(), key=lambda item: (SPLITS.index(item[1][0]), item[0]))
    rows = [[patient, split, ", ".join(names), *amounts] for patient, (split, names, *amounts) in order]
    more = f" (the first {PATIENTS_SHOWN:,}; all are in series.parquet)" if len(rows) > PATIENTS_SHOWN else ""
    table = _table(["patient", "split", "class", "series", "slices"], rows[:PATIENTS_SHOWN], text_columns=(1, 2))
    return f"<details><summary>{len(rows):,} patients by hashed key{more}</summary>\n{table}\n</details>"


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
