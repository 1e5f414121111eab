"""Label maps without images, from a folder of files, as an image set of masks alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.cohort.csv_tables import read_csv, read_pairs
from radgen.cohort.guarded import GuardedPool
from radgen.cohort.settings import CohortSettings
from radgen.cohort.splits import coin_split
from radgen.errors import InputError
from radgen.imageset.core import gather_index, masks_path, write_table
from radgen.imageset.writers import MaskShardWriter
from radgen.imaging.reassemble import SourceGrid, write_grids
from radgen.imports.map_reading import GUARD, MapTask, ReadMaps, read_maps
from radgen.imports.reading import Refused
from radgen.semantic.maps.counts import unknown_id
from radgen.semantic.maps.schema import STORED_IDS, MapSchema

# File names can be people's names, so the table is kept as a study keeps its own: in a folder for the owner alone.
FILES_SCHEMA = pa.schema(
    [pa.field("series", pa.string(), nullable=False), pa.field("file", pa.string(), nullable=False)]
)


@dataclass(frozen=True)
class MapRecipe:
    """How files become maps: name of the source, schema, grid (as in `MapTask`), shares of the splits."""

    name: str
    schema: MapSchema
    size_px: int | None
    field_of_view_mm: float | None
    splits: CohortSettings
    modality: str = ""


@dataclass(frozen=True)
class Person:
    """Who a file shows: a pseudonym, None where nobody says it, and the split."""

    patient: str | None
    split: str


@dataclass
class Written:
    """What came of it: files of the set, maps, slices of background alone that were left out, size (H, W)."""

    files: list[Path] = field(default_factory=list)
    maps: int = 0
    empty: int = 0
    shape: tuple[int, int] | None = None


def people(files: Mapping[str, Path], table: Path | None, recipe: MapRecipe) -> dict[str, Person]:
    """Say who each file shows, and deal groups of people to splits.

    Parameters
    ----------
    files
        By their paths without ending.
    table
        A CSV of file (name or path in the folder), patient and, if people belong together, group. None: nobody is
        known, and everything trains.
    recipe
        For name and shares.

    Raises
    ------
    InputError
        The table lacks a column, or a file of the folder.
    CohortError
        It gives a file two patients, or a patient two groups.
    """
    if table is None:
        return {stem: Person(None, "train") for stem in files}
    patient_of = read_pairs(table, "file", "patient")
    has_groups = "group" in read_csv(table).columns
    group_of = read_pairs(table, "patient", "group") if has_groups else {}
    named: dict[str, str] = {}
    for stem, path in files.items():
        key = next((key for key in (path.name, stem, stem.rpartition("/")[2]) if patient_of.get(key)), None)
        if key is None:
            shown = path.name.encode("unicode_escape").decode()
            msg = f"{table.name}: no patient for {shown}; give every file of the folder a line with file and patient"
            raise InputError(msg)
        named[stem] = patient_of[key]
    pseudonyms = {patient: f"{recipe.name}-p{place:04d}" for place, patient in enumerate(sorted(set(named.values())))}
    return {
        stem: Person(pseudonyms[patient], coin_split(group_of.get(patient) or patient, recipe.splits))
        for stem, patient in named.items()
    }


def write_maps(
    folder: Path, files: Mapping[str, Path], persons: Mapping[str, Person], recipe: MapRecipe, workers: int
) -> Written:
    """Write one shard per file, the index, the grids of the volumes and the private table of files.

    Slices of background alone are left out and counted.

    Raises
    ------
    InputError
        A file cannot be read or holds an id that is not the schema's, sizes differ, or no slice shows anything.
    """
    written = Written()
    grids, parts = [], []
    for number, (stem, read) in enumerate(_read(files, recipe, workers)):
        series = f"{recipe.name}-s{number:04d}"
        _check_shape(files[stem], read, written)
        _check_ids(files[stem], read, recipe.schema)
        if read.grid is not None:
            (first, second, third), affine = read.grid[0][:3], read.grid[1]
            grids.append(SourceGrid(series, (first, second, third), affine))
        full = [place for place, one in enumerate(read.maps) if not _is_empty(one, recipe.schema)]
        written.empty += len(read.maps) - len(full)
        written.maps += len(full)
        base = folder / f"shard-{number:04d}"
        with MaskShardWriter(folder, base.name, read.maps.shape[1:]) as writer:
            for place in full:
                writer.append(_row(series, place, persons[stem], read, recipe), read.maps[place])
        parts.append(folder / f"{base.name}.index.parquet")
        written.files += [parts[-1], masks_path(base)]
    if written.maps == 0:
        msg = (
            f"{len(files)} files hold {written.empty} slices of background alone (id {recipe.schema.background}), and "
            f"no other; are these maps of {recipe.schema.where}?"
        )
        raise InputError(msg)
    gather_index(parts, folder / "index.parquet")
    write_grids(folder / "grids.parquet", grids)
    written.files += [folder / "index.parquet", folder / "grids.parquet"]
    _write_names(folder / "private", files, recipe)
    return written


def _read(files: Mapping[str, Path], recipe: MapRecipe, workers: int) -> Iterator[tuple[str, ReadMaps]]:
    tasks = [
        MapTask(path, recipe.size_px, recipe.field_of_view_mm, recipe.schema.background) for path in files.values()
    ]
    with GuardedPool(read_maps, workers, GUARD) as pool:
        for stem, read in zip(files, pool.map(tasks), strict=True):
            if not isinstance(read, ReadMaps):
                path = read.path if isinstance(read, Refused) else files[stem]
                msg = f"{str(path).encode('unicode_escape').decode()}: {read.sentence}"
                raise InputError(msg)
            yield stem, read


def _check_shape(path: Path, read: ReadMaps, written: Written) -> None:
    height, width = read.maps.shape[1:]
    written.shape = written.shape or (height, width)
    if (height, width) != written.shape:
        msg = (
            f"{str(path).encode('unicode_escape').decode()}: slices of {height} x {width}, but those before it have "
            f"{written.shape[0]} x {written.shape[1]}; all maps of a set have one size, give --size-px"
        )
        raise InputError(msg)


def _check_ids(path: Path, read: ReadMaps, schema: MapSchema) -> None:
    pixels = np.bincount(read.maps.ravel(), minlength=STORED_IDS)
    pixels[[label.id for label in schema.labels]] = 0
    if schema.unlabelled is not None:
        pixels[schema.unlabelled] = 0
    unknown = np.flatnonzero(pixels)
    if len(unknown):
        told = unknown_id(int(unknown[-1]), int(pixels[unknown[-1]]), schema)
        msg = f"{str(path).encode('unicode_escape').decode()}: holds {told}"
        raise InputError(msg)


def _is_empty(one: NDArray[np.uint8], schema: MapSchema) -> bool:
    empty = one == schema.background
    return bool((empty if schema.unlabelled is None else empty | (one == schema.unlabelled)).all())


def _row(series: str, place: int, person: Person, read: ReadMaps, recipe: MapRecipe) -> dict[str, Any]:
    row_mm, col_mm = read.spacing_mm or (None, None)
    return {
        "image_id": f"{series}-{place:04d}",
        "source": recipe.name,
        "split": person.split,
        "patient": person.patient,
        "series": series,
        "slice_index": place,
        "offset_slice": 0.0,
        "step_slice": 1.0,
        "modality": recipe.modality,
        "spacing_row_mm": row_mm,
        "spacing_col_mm": col_mm,
    } | read.geometry.columns()


def _write_names(folder: Path, files: Mapping[str, Path], recipe: MapRecipe) -> None:
    folder.mkdir(mode=0o700)
    rows = [
        {"series": f"{recipe.name}-s{number:04d}", "file": f"{stem}{path.name[len(stem.rpartition('/')[2]) :]}"}
        for number, (stem, path) in enumerate(files.items())
    ]
    write_table(folder / "files.parquet", pa.Table.from_pylist(rows, schema=FILES_SCHEMA))
