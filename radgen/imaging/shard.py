"""One shard of slices: series in; image set, rejects and source masks out; one volume in memory per worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from radgen.cohort.candidates import Remark
from radgen.cohort.guarded import Guard, GuardedPool, Lost
from radgen.cohort.readers import read_mask, read_series
from radgen.cohort.refusal import Reason as FileReason
from radgen.cohort.refusal import RefusalError
from radgen.imageset.core import write_table
from radgen.imageset.writers import ShardWriter
from radgen.imaging.outliers import RemovedTissue
from radgen.imaging.qc import QcWriter, qc_row
from radgen.imaging.refusal import REJECTS_SCHEMA, reject_row
from radgen.imaging.slices import Recipe, SeriesFacts, StoredSlices, slice_series
from radgen.imaging.source_masks import SourceMaskWriter
from radgen.imaging.volume import upright

Row = Mapping[str, Any]
Paths = Mapping[str, Path]


@dataclass(frozen=True)
class ShardFiles:
    """Where the side files of a shard go; `source_masks` is None where the study has no structures."""

    folder: Path
    shard: str
    rejects: Path
    qc: Path
    source_masks: Path | None


def write_shard(
    files: ShardFiles,
    series: Sequence[Row],
    paths: Paths,
    recipe: Recipe,
    *,
    workers: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Slice every series of a shard.

    Parameters
    ----------
    files
        Where to write; images, masks and index go to `folder` under the name `shard`.
    series
        Rows of the cohort's series table, any number, also none.
    paths
        File id to path.
    recipe
        Settings.
    workers
        Processes; the bytes do not depend on it.
    say
        Gets a line of progress now and then.

    Returns
    -------
    For the manifest: counts of series, slices and refusals by reason, and the slices that lost unusually much tissue.
    """
    shape = (recipe.slices.channel_count, recipe.slices.size_px, recipe.slices.size_px)
    rejects: list[dict[str, Any]] = []
    slices, lost = 0, RemovedTissue()
    ordered = sorted(series, key=lambda row: str(row["series_key"]))
    every = max(1, len(ordered) // 10)
    with ExitStack() as stack:
        writer = stack.enter_context(
            ShardWriter(files.folder, files.shard, shape, with_masks=bool(recipe.structures.names))
        )
        checks = stack.enter_context(QcWriter(files.qc))
        truth = None if files.source_masks is None else stack.enter_context(SourceMaskWriter(files.source_masks))
        every_stored = zip(ordered, _all_series(ordered, paths, recipe, workers), strict=True)
        for done, (facts, stored) in enumerate(every_stored, start=1):
            checks.append(qc_row(facts, stored))
            for place, row in enumerate(stored.rows):
                image = stored.images[place]
                if len(image) == 1:
                    image = np.broadcast_to(image, (shape[0], *image.shape[1:]))
                writer.append(row, image, stored.masks[place] if stored.masks else None)
            if truth is not None and stored.source_mask is not None:
                truth.append(stored.source_mask)
            rejects.extend(stored.rejects)
            lost.add(stored.rows)
            slices += len(stored.rows)
            if done % every == 0 or done == len(ordered):
                say(f"{files.shard}: {done} of {len(ordered)} series, {slices} slices stored, {len(rejects)} refusals")
    removed = lost.notes()
    if removed["beyond"]:
        say(f"{files.shard}: {removed['beyond']} slices lost over {removed['limit']:.2f} of their tissue to the mask")
    write_table(files.rejects, pa.Table.from_pylist(rejects, schema=REJECTS_SCHEMA))
    return {
        "series": len(ordered),
        "slices": slices,
        "refused": dict(sorted(Counter(row["reason"] for row in rejects).items())),
        "removed_tissue": removed,
    }


def store_series(row: Row, paths: Paths, recipe: Recipe) -> StoredSlices:
    """Read and slice one series; a file that cannot be read becomes a row of rejects.

    Raises
    ------
    InputError
        The mask holds a label that no structure names: a mistake of the configuration, not of one file.
    """
    facts = SeriesFacts.of_row(row)
    ids: dict[Path | None, str] = {path: file_id for file_id, path in paths.items()}
    remarks: list[Remark] = []
    try:
        volume = read_series(row, paths)
        mask = read_mask(row, paths, recipe.structures, volume, remarks) if recipe.structures.names else None
        # The array as it was read is given up here, before anything else is made of it.
        volume, mask = upright(volume), None if mask is None else upright(mask)
    except RefusalError as refusal:
        return _unreadable(facts, refusal, ids.get(refusal.path))
    except OSError as error:
        path = Path(error.filename) if error.filename else None
        unreadable = RefusalError(FileReason.UNREADABLE, f"a file cannot be read ({error.strerror})")
        return _unreadable(facts, unreadable, ids.get(path))
    stored = slice_series(volume, mask, facts, recipe.for_archive(row["archive"] or ""))
    stored.remarks.extend(remarks)
    return stored


def _unreadable(facts: SeriesFacts, refusal: RefusalError, file_id: str | None) -> StoredSlices:
    row = reject_row(facts.series, facts.split, str(refusal.reason), refusal.sentence)
    return StoredSlices(rejects=[row | {"file_id": file_id, "figure": refusal.figure}])


def _all_series(series: Sequence[Row], paths: Paths, recipe: Recipe, workers: int) -> Iterator[StoredSlices]:
    """Yield the slices of each series in order, working ahead by at most one series per worker.

    Files are opened in child processes only: one that breaks its decoder costs its series and not the shard.
    """
    guard = Guard(recipe.slices.series_seconds, int(recipe.slices.memory_gib * 2**30))
    tasks = ((row, _paths_of(row, paths)) for row in series)
    with GuardedPool(partial(_store_task, recipe), min(workers, len(series)), guard) as pool:
        for row, stored in zip(series, pool.map(tasks), strict=True):
            yield _lost(row, stored.sentence) if isinstance(stored, Lost) else stored


def _store_task(recipe: Recipe, task: tuple[Row, Paths]) -> StoredSlices:
    return store_series(*task, recipe)


def _lost(row: Row, sentence: str) -> StoredSlices:
    ids = (*row["file_ids"], *(row["mask_ids"] or ()))
    return _unreadable(
        SeriesFacts.of_row(row), RefusalError(FileReason.UNDECODABLE, sentence), ids[0] if len(ids) == 1 else None
    )


def _paths_of(row: Row, paths: Paths) -> dict[str, Path]:
    return {file_id: paths[file_id] for file_id in (*row["file_ids"], *(row["mask_ids"] or ()))}
