"""Turn one shard's series into an image set: oriented, windowed, background removed, sliced, resized, filtered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from radgen.cohort.archives import ArchiveSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import ConfigError
from radgen.imaging.settings import SlicesSettings
from radgen.keyed import run_keyed
from radgen.provenance import SawPatients, by_split, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from radgen.imaging.shard import ShardFiles
    from radgen.keyed import KeyedJob

VERSION = 6
IMAGES_SUFFIX = ".images.arrow"


def run(
    *,
    series: Path,
    cohort_manifest: Path,
    files: Path,
    archive: tuple[str, ...],
    images: Path,
    masks: Path | None,
    index: Path,
    rejects: Path,
    qc: Path,
    volumes: Path | None,
    manifest: Path,
    slices: SlicesSettings,
    classes: ClassSettings,
    structures: StructureSettings,
    archives: dict[str, ArchiveSettings],
    work: Path,
    workers: int = 1,
) -> None:
    """Write one shard of the real image set; a shard whose series and settings are unchanged is only published again.

    Parameters
    ----------
    series
        cohort/shard-NNN.parquet; it may hold no series.
    cohort_manifest
        Of the cohort: what it does not know about its patients is passed on.
    files
        private/files.parquet: where each file id lies.
    archive
        Folder of the study's archive; of several, `name=folder` for each.
    images, masks, index
        The shard's three files, beside each other: <stem>.images.arrow, <stem>.masks.arrow, <stem>.index.parquet.
    rejects
        Refused series and slices.
    qc
        What a person needs to check each series: figures, histograms, thumbnails.
    volumes
        Masks of val and test series on the source grid. `masks` and `volumes` are given where the study has structures.
    manifest
        Beside the images.
    slices, classes, structures, archives
        Settings; a study with one nameless archive may leave out `archives`.
    work
        Work folder of the study.
    workers
        Processes.

    Raises
    ------
    ConfigError
        `masks` and `volumes` do not go with the structures, or the files are not named as a shard.
    InputError
        A mask holds a label that no structure names.
    """
    from radgen.cohort.archives import Roots
    from radgen.cohort.readers import file_paths
    from radgen.imaging.shard import write_shard
    from radgen.imaging.slices import Recipe

    side = {"masks": masks, "volumes": volumes}
    _check_side_files(side, structures)
    outputs = {"images": images, "index": index, "rejects": rejects, "qc": qc} | {
        k: v for k, v in side.items() if v is not None
    }
    shard = images.name.removesuffix(IMAGES_SUFFIX)
    _check_names(shard, outputs)
    # The shard's name too: two shards without a patient have equal tables, and would share a work folder.
    archives = archives or {"": ArchiveSettings()}
    sections = {"slices": slices, "classes": classes, "structures": structures, "archives": archives}
    settings = as_plain({"shard": shard} | sections)
    what = what_part(stage="slices", version=VERSION, settings=settings, inputs={"series": input_digest(series)})
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            rows = pq.read_table(series).to_pylist()
            recipe = Recipe(slices, classes, structures, archives)
            paths = file_paths(files, Roots.parse(archive, archives), _wanted(rows))
            notes = write_shard(_targets(job, shard, structures), rows, paths, recipe, workers=workers, say=_say)
            finished = job.finish({name: job.path(path.name) for name, path in outputs.items()}, notes)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"{shard}: unchanged, {finished.notes['slices']} slices published again")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=_saw(index, volumes, classes) | SawPatients(unknown=saw_patients_of(cohort_manifest).unknown),
            notes=finished.notes,
            reused=done is not None,
        )


def _check_side_files(side: dict[str, Path | None], structures: StructureSettings) -> None:
    for name, path in side.items():
        if (path is not None) != bool(structures.names):
            asked = "is given" if path is not None else "is not given"
            msg = (
                f"--{name} {asked}, but the study has {len(structures.names)} structures; "
                "give it exactly where structures are named"
            )
            raise ConfigError(msg)


def _check_names(shard: str, outputs: dict[str, Path]) -> None:
    wanted = {"images": f"{shard}{IMAGES_SUFFIX}", "masks": f"{shard}.masks.arrow", "index": f"{shard}.index.parquet"}
    for name, file_name in wanted.items():
        if name in outputs and outputs[name] != outputs["images"].parent / file_name:
            msg = f"--{name} {outputs[name]}: must be {file_name} beside the other files of its shard"
            raise ConfigError(msg)


def _wanted(rows: Sequence[dict[str, Any]]) -> set[str]:
    return {file_id for row in rows for file_id in (*row["file_ids"], *(row["mask_ids"] or ()))}


def _targets(job: KeyedJob, shard: str, structures: StructureSettings) -> ShardFiles:
    from radgen.imaging.shard import ShardFiles

    return ShardFiles(
        folder=job.folder,
        shard=shard,
        rejects=job.path(f"{shard}.rejects.parquet"),
        qc=job.path(f"{shard}.qc.parquet"),
        source_masks=job.path(f"{shard}.volumes.parquet") if structures.names else None,
    )


def _saw(index: Path, volumes: Path | None, classes: ClassSettings) -> SawPatients:
    """The patients whose slices are stored here; the shard's own rows alone, so that other shards do not change it."""
    pairs = _pairs(index) + (_pairs(volumes) if volumes is not None else [])
    everyone = by_split(pairs)
    return SawPatients(
        pixels=everyone,
        labels={} if classes.by == "position" else everyone,
        masks={} if volumes is None else everyone,
    )


def _pairs(table: Path) -> list[tuple[str, str]]:
    columns = pq.read_table(table, columns=["split", "patient"])
    return list(zip(columns.column("split").to_pylist(), columns.column("patient").to_pylist(), strict=True))


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
