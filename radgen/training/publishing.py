"""What a finished training publishes: chosen averages under their names, and the history."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from radgen.imageset.core import write_table
from radgen.provenance import atomic_path
from radgen.training.candidates import Candidates
from radgen.training.loop import History

HISTORY_SCHEMA = pa.schema(
    [
        pa.field("seen_images", pa.int64()),
        pa.field("metric", pa.string()),  # loss_generator | ... | domain_fid | dice | ...
        pa.field("value", pa.float64()),
    ]
)


def publish(
    folder: Path, budget_images: int, candidates: Candidates, chosen: Mapping[str, int], history: History
) -> dict[str, Path]:
    """Write weights and history of a budget beside the state of a training.

    Parameters
    ----------
    folder
        Work folder.
    budget_images
        Names the folder of what is published: a larger budget later goes on from the same state and must not touch it.
    candidates
        The kept averages.
    chosen
        Images seen by name: weights, which is what others use, and such as best and last.
    history
        Losses and scores.

    Returns
    -------
    dict
        Files by name; beside those of `chosen` the history, and the grid, which is not written here.
    """
    published = folder / f"budget-{budget_images:010d}"
    stems = {name: "generator" if name == "weights" else name for name in chosen}
    files = {name: published / f"{stem}.safetensors" for name, stem in stems.items()}
    for name, seen_images in chosen.items():
        with atomic_path(files[name]) as temporary:
            shutil.copyfile(candidates.path(seen_images), temporary)
    files |= {"history": published / "history.parquet", "grid": published / "samples.png"}
    write_table(files["history"], pa.Table.from_pylist(history.rows, schema=HISTORY_SCHEMA))
    return files
