"""Join the parts of an image set, and side tables of its shards, into one index."""

from __future__ import annotations

from pathlib import Path

from radgen.errors import InputError
from radgen.provenance import SawPatients, input_digest, saw_patients_of, what_part, write_manifest

VERSION = 1


def run(
    *,
    parts: tuple[Path, ...],
    part_manifests: tuple[Path, ...],
    index: Path,
    manifest: Path,
    side_parts: tuple[Path, ...] = (),
    side: Path | None = None,
) -> None:
    """Write one index over all parts; pixels stay where they are.

    Parameters
    ----------
    parts
        Index parts, each in the index's folder or below it.
    part_manifests
        Manifests of the parts: their patients are united.
    index
        The joined index.
    manifest
        Beside the index.
    side_parts, side
        Tables of one schema, joined in the order given, and where the joined table goes.

    Raises
    ------
    InputError
        A part cannot be read or lies outside the index's folder, or side tables have different columns.
    """
    from radgen.imageset.core import gather_index

    if bool(side_parts) != (side is not None):
        msg = (
            f"--side-parts names {len(side_parts)} tables and --side {'one' if side else 'none'}; give both or neither"
        )
        raise InputError(msg)
    for part in parts:
        if not part.resolve().is_relative_to(index.resolve().parent):
            msg = f"{part}: lies outside {index.parent}, so an index there cannot name its shards; gather it above both"
            raise InputError(msg)
    joined = gather_index(parts, index)
    outputs = {"index": index}
    if side is not None:
        _join_tables(side_parts, side)
        outputs["side"] = side
    inputs = {f"{path.parent.name}/{path.name}": input_digest(path) for path in (*parts, *side_parts)}
    what = what_part(stage="gather", version=VERSION, settings={}, inputs=inputs)
    saw = saw_patients_of(*part_manifests) if part_manifests else SawPatients()
    notes = {"parts": len(parts), "images": joined.num_rows}
    write_manifest(manifest, what=what, outputs=outputs, saw_patients=saw, notes=notes)
    _say(f"gather: {joined.num_rows} images of {len(parts)} parts")


def _join_tables(parts: tuple[Path, ...], target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from radgen.imageset.core import write_table

    tables = []
    for part in parts:
        try:
            tables.append(pq.read_table(part))
        except (OSError, pa.ArrowInvalid) as error:
            msg = f"{part}: not a readable table ({error}); run the stage that writes it"
            raise InputError(msg) from error
        if not tables[-1].schema.equals(tables[0].schema):
            msg = (
                f"{part}: has columns {', '.join(tables[-1].column_names)}, but {parts[0]} has "
                f"{', '.join(tables[0].column_names)}; write both with one version of radgen"
            )
            raise InputError(msg)
    write_table(target, pa.concat_tables(tables))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
