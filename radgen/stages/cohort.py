"""Decide which series take part, as which class and in which split, and draw the page of counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from radgen.cohort.settings import ClassSettings, CohortSettings, LimitSettings, StructureSettings
from radgen.errors import ConfigError
from radgen.provenance import (
    digest_file,
    input_digest,
    read_manifest,
    saw_patients_of,
    what_part,
    write_manifest,
    write_text,
)
from radgen.settings import as_plain

VERSION = 4
RANKING = "split.csv"


def run(
    *,
    inventory: Path,
    inventory_rejects: Path,
    inventory_manifest: Path,
    files: Path,
    labels_table: Path | None = None,
    split_file: Path | None = None,
    group_table: Path | None = None,
    series: Path,
    rejects: Path,
    counts: Path,
    page: Path,
    shards: tuple[Path, ...],
    manifest: Path,
    cohort: CohortSettings,
    classes: ClassSettings,
    structures: StructureSettings,
    limit: LimitSettings,
) -> None:
    """Assemble the cohort.

    Parameters
    ----------
    inventory, inventory_rejects, inventory_manifest, files
        What the inventory wrote: index, rejects, manifest, and the private table that the user's tables match.
    labels_table
        For classes by table.
    split_file
        A CSV with columns patient (or study, series, file) and split; it is obeyed.
    group_table
        A CSV with columns patient (or study, series, file) and group; patients of a group share a split.
    series, rejects, counts
        The cohort's tables; rejects holds those of the inventory too.
    page
        HTML page of counts.
    shards
        One table per shard, named shard-NNN.parquet: the rows of `series` dealt there by the inventory.
    manifest
        Written last.
    cohort, classes, structures, limit
        Sections of the config.
    """
    from radgen.cohort import tables
    from radgen.cohort.assemble import Sections, assemble
    from radgen.cohort.page import draw_page
    from radgen.cohort.spill import Dealt, Rejects, RowsByName
    from radgen.cohort.splits import write_ranking
    from radgen.cohort.table_rows import StoredRows
    from radgen.imageset.blocks import write_blocks

    sections = Sections(cohort, classes, structures, limit)
    ranking = series.parent / RANKING
    numbers = _shard_numbers(shards, tables.largest(inventory, "shard"))
    candidates = StoredRows(inventory, tables.INVENTORY_SCHEMA)
    found = assemble(
        candidates,
        Rejects(rejects, StoredRows(inventory_rejects, tables.REJECTS_SCHEMA)),
        RowsByName(files, tables.FILES_SCHEMA, "file_id"),
        sections,
        labels_table=labels_table,
        split_file=split_file,
        group_table=group_table,
        ranking=ranking,
    )
    if found.ranks:
        write_ranking(ranking, found.ranks, cohort)
    dealt = Dealt(series)
    write_blocks(series, dealt.passing(tables.in_order(inventory, found.series.blocks())), tables.SERIES_SCHEMA)
    for number, shard in numbers.items():
        write_blocks(shard, dealt.of(number), tables.SERIES_SCHEMA)
    write_blocks(rejects, found.rejects.blocks(tables.REJECTS_SCHEMA), tables.REJECTS_SCHEMA)
    tables.write_rows(counts, found.counts, tables.COUNTS_SCHEMA)
    notes = read_manifest(inventory_manifest)["run"]["notes"] | found.notes
    write_text(page, draw_page(found.series, found.counts, found.rejects, notes))
    inputs = {"inventory": input_digest(inventory), "inventory_rejects": input_digest(inventory_rejects)}
    brought = {"labels_table": labels_table, "split_file": split_file, "group_table": group_table}
    brought |= {"ranking": ranking} if found.ranks else {}
    inputs |= {name: digest_file(path) for name, path in brought.items() if path is not None}
    outputs = {"series": series, "rejects": rejects, "counts": counts, "page": page}
    write_manifest(
        manifest,
        what=what_part(stage="cohort", version=VERSION, settings=as_plain(sections), inputs=inputs, seed=cohort.seed),
        outputs=outputs | {shard.stem: shard for shard in shards},
        saw_patients=saw_patients_of(inventory_manifest),
        notes=notes,
    )
    _say(found.counts)


def _say(counts: list[dict[str, Any]]) -> None:
    for row in counts:
        amounts = f"{row['patients']} patients, {row['series']} series, {row['slices']} slices"
        print(f"cohort: {row['split']} {row['class_name'] or 'by slice'}: {amounts}")  # noqa: T201 - the rule's log


def _shard_numbers(shards: tuple[Path, ...], largest: int) -> dict[int, Path]:
    """Return shard tables by their numbers.

    Raises
    ------
    ConfigError
        A name holds no number, or there are fewer shards than the inventory dealt.
    """
    numbers = {}
    for path in shards:
        found = re.fullmatch(r"shard-(\d+)\.parquet", path.name)
        if found is None:
            msg = f"--shards {path.name}: must be named shard-NNN.parquet"
            raise ConfigError(msg)
        numbers[int(found[1])] = path
    if set(range(largest + 1)) - set(numbers):
        msg = f"--shards: {len(numbers)} tables are given, but the inventory dealt as far as shard {largest}; give all"
        raise ConfigError(msg)
    return numbers
