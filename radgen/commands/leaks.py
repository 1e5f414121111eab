"""Find files of one person in any archive, by shared value grids, equal pictures and rows; write who is whom."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import InventorySettings
from radgen.errors import InputError

if TYPE_CHECKING:
    from radgen.cohort.candidates import Candidate
    from radgen.cohort.leaks import Leaks


def main(words: list[str]) -> int:
    """Look at every series once; print what was found, without names, and write the groups where the user says."""
    parser = argparse.ArgumentParser("radgen leaks", description=__doc__)
    parser.add_argument("archive", type=Path, help="folder of the images")
    parser.add_argument("--out", type=Path, help="CSV of file, patient, group; private, as it holds paths")
    parser.add_argument("--links", type=Path, help="CSV of the evidence, link by link; private too")
    parser.add_argument("--correlation", type=float, help="least correlation of two pictures that are the same (0.9)")
    parser.add_argument("--workers", type=int, default=1, help="processes that read")
    options = parser.parse_args(words)
    if options.correlation is not None and not 0 < options.correlation <= 1:
        parser.error(f"--correlation {options.correlation:g}: give a number above 0 and up to 1")
    from radgen.cohort.leaks import CORRELATION, find_leaks

    candidates = series_of(options.archive, options.workers)
    leaks = find_leaks(candidates, options.archive, options.correlation or CORRELATION, options.workers)
    if options.out is not None:
        _write(options.out, ("file", "patient", "group"), _group_lines(candidates, leaks))
    if options.links is not None:
        _write(options.links, ("file", "other", "evidence", "figure"), _link_lines(candidates, leaks))
    sys.stdout.write("".join(f"{line}\n" for line in summary(leaks, options.out)))
    return 0


def series_of(archive: Path, workers: int = 1) -> list[Candidate]:
    """List the image series of an archive, masks left out, as the inventory would.

    Raises
    ------
    InputError
        There is no readable one.
    """
    from radgen.cohort.grouping import find_candidates
    from radgen.cohort.scan import scan_archive

    settings = InventorySettings()
    files = scan_archive(archive, settings.class_tag, workers, int(settings.max_gigavoxels * 1e9))
    candidates, _, _ = find_candidates(files, settings)
    if not candidates:
        msg = f"{archive}: no readable series among {len(files)} files; check the archive's path and format"
        raise InputError(msg)
    return sorted(candidates, key=lambda item: (item.paths, item.repeat))


def summary(leaks: Leaks, out: Path | None) -> Iterator[str]:
    """Yield what was found in lines that hold no name and no path but that of the table, and what to do about it."""
    sizes = Counter(leaks.groups)
    links = Counter(link.kind for link in leaks.evidence)
    yield f"leaks: {len(leaks.groups)} series, {leaks.unread} of them unreadable; {len(sizes)} groups, " + (
        f"the largest of {max(sizes.values())} series, {sum(size > 1 for size in sizes.values())} of more than one"
    )
    yield (
        f"value grids: {links['grid']} links by values that are multiples of one step "
        f"({leaks.by_chance:.2g} expected by chance)"
    )
    yield f"pictures: {links['picture']} links by nearly the same picture{_range(leaks, 'picture')}"
    share, judged = leaks.neighbours
    yield (
        f"neighbours: {links['neighbour']} links by successive file numbers; of {judged} such pairs that a value grid "
        f"judges, {share:.0%} are of one scan"
    )
    for structure in leaks.rows:
        yield (
            f"rows: files near in number are alike ({structure.likeness_near:.2f}, far ones "
            f"{structure.likeness_far:.2f}): about {structure.rows_per_scan} rows a scan, "
            f"{int(structure.blocks[-1]) + 1} blocks found; likeness across their boundaries "
            f"{structure.likeness_across:.2f}"
        )
    yield from _advice(leaks, out, some=len(sizes) < len(leaks.groups))


def _advice(leaks: Leaks, out: Path | None, *, some: bool) -> Iterator[str]:
    if not some:
        yield "advice: no two series are of one person as far as pixels tell; tags and tables may know more"
        return
    for structure in leaks.rows:
        yield (
            f"advice: patient_from: rows, rows_per_patient: {structure.rows_per_scan}, and splits by cohort.ranges "
            f"with at least {structure.guard_rows} rows between them"
        )
    table = f"the table {out.name}" if out is not None else "the table that --out writes"
    yield f"advice: patient_from: table with patient_table: {table}; or the same file as group_table beside other ids"


def _range(leaks: Leaks, kind: str) -> str:
    figures = [link.figure for link in leaks.evidence if link.kind == kind]
    return f" (correlation {min(figures):.2f} to {max(figures):.2f})" if figures else ""


def _group_lines(candidates: Sequence[Candidate], leaks: Leaks) -> Iterator[tuple[str, ...]]:
    seen = set()
    for candidate, group in zip(candidates, leaks.groups, strict=True):
        for path in candidate.paths:
            if path not in seen:
                yield path, group, group
            seen.add(path)


def _link_lines(candidates: Sequence[Candidate], leaks: Leaks) -> Iterator[tuple[str, ...]]:
    for link in leaks.evidence:
        yield candidates[link.one].paths[0], candidates[link.two].paths[0], link.kind, f"{link.figure:.9g}"


def _write(path: Path, header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Write a table that only its owner may read; the mode holds before the first byte is written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text.getvalue())
    part.replace(path)
