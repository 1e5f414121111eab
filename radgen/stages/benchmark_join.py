"""Join the networks of one benchmark arm that were trained as jobs of their own; the tables are those of one job."""

from __future__ import annotations

from pathlib import Path

from radgen.errors import InputError
from radgen.provenance import input_digest, saw_patients_of, what_part, write_manifest

VERSION = 1


def run(
    *,
    parts: tuple[Path, ...],
    histories: tuple[Path, ...],
    part_manifests: tuple[Path, ...],
    scores: Path,
    history: Path,
    manifest: Path,
) -> None:
    """Lay the tables end to end, in the order of seeds.

    Parameters
    ----------
    parts, histories, part_manifests
        Of each network.
    scores, history, manifest
        Of the arm.

    Raises
    ------
    InputError
        There is no part, or a seed occurs twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from radgen.benchmark.tables import HISTORY_SCHEMA, SCORES_SCHEMA
    from radgen.imageset.core import write_table

    seeds = [pq.read_table(path, columns=["seed"]).column("seed").unique().to_pylist() for path in parts]
    flat = [seed for part in seeds for seed in part]
    if not parts or len(set(flat)) < len(flat):
        msg = f"networks of seeds {flat}: give the tables of each network once"
        raise InputError(msg)
    order = sorted(range(len(parts)), key=lambda place: seeds[place])
    for paths, joined, schema in ((parts, scores, SCORES_SCHEMA), (histories, history, HISTORY_SCHEMA)):
        table = pa.concat_tables([pq.read_table(paths[place]) for place in order])
        write_table(joined, table.cast(schema).combine_chunks())
    what = what_part(
        stage="benchmark_join",
        version=VERSION,
        settings={"seeds": sorted(flat)},
        inputs={f"{path.parent.name}/{path.name}": input_digest(path) for path in (*parts, *histories)},
    )
    outputs = {"scores": scores, "history": history}
    write_manifest(manifest, what=what, outputs=outputs, saw_patients=saw_patients_of(*part_manifests))
    print(f"benchmark-join: {len(parts)} networks", flush=True)  # noqa: T201 - a stage's progress goes to its log
