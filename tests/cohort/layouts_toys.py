"""What the tests of layouts share: take an archive through the inventory and read what it found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings, Roots
from radgen.cohort.assemble import Cohort, Sections, assemble
from radgen.cohort.inventory import Inventory, take_inventory
from radgen.cohort.readers import file_paths, read_mask, read_series
from radgen.cohort.settings import ClassSettings, CohortSettings, InventorySettings, LimitSettings, StructureSettings
from radgen.cohort.spill import Rejects
from radgen.cohort.table_rows import StoredRows
from radgen.cohort.tables import FILES_SCHEMA, INVENTORY_SCHEMA, write_rows
from tests.cohort.toys import KEY


@dataclass(frozen=True)
class Taken:
    """An inventory, and where its files lie."""

    inventory: Inventory
    roots: Roots
    files: Path

    @property
    def series(self) -> dict[str, dict[str, Any]]:
        """Rows of series by the path of their first file, with what the private table says of their class."""
        files = {row["file_id"]: row for row in self.inventory.files}
        pairs = [(files[row["file_ids"][0]], row) for row in self.inventory.index]
        return {file["path"]: row | {"class_value": file["class_value"]} for file, row in pairs}

    @property
    def patients(self) -> dict[str, str | None]:
        """Raw patient of each series."""
        raw = {row["path"]: row.get("patient") for row in self.inventory.files}
        return {path: raw[path] for path in self.series}

    @property
    def rejects(self) -> dict[str, str]:
        """Reasons by path."""
        paths = {row["file_id"]: row["path"] for row in self.inventory.files}
        return {paths[row["file_id"]]: row["reason"] for row in self.inventory.rejects}

    def image(self, path: str) -> NDArray[Any]:
        return read_series(self.series[path], file_paths(self.files, self.roots)).array

    def mask(self, path: str, structures: StructureSettings) -> NDArray[np.uint8] | None:
        mask = read_mask(self.series[path], file_paths(self.files, self.roots), structures)
        return None if mask is None else mask.array


def take(folder: Path, layout: str, *more: ArchiveSettings, first: dict[str, Any] | None = None, **own: Any) -> Taken:
    """Take the inventory of an archive at `folder`; with further archives it is called `main`."""
    options = dict(first or {})
    name = "main" if more else ""
    archives = [ArchiveSettings(name=name, path=str(folder), layout=layout, **options), *more]
    roots = Roots({archive.name: Path(archive.path) for archive in archives})
    settings = InventorySettings(patient_from=own.pop("patient_from", "layout"), **own)
    found = take_inventory(roots, settings, KEY, archives={archive.name: archive for archive in archives})
    files = folder.parent / "files.parquet"
    write_rows(files, found.files, FILES_SCHEMA)
    return Taken(found, roots, files)


def cohort_of(taken: Taken, folder: Path, classes: ClassSettings, structures: StructureSettings, **own: Any) -> Cohort:
    """Make the cohort of what was taken; any number of patients will do."""
    settings = CohortSettings(min_patients=1, min_images=1, max_refused_fraction=0.5, **own)
    sections = Sections(settings, classes, structures, LimitSettings())
    found = taken.inventory
    rest: dict[str, Any] = {"labels_table": None, "split_file": None, "ranking": folder / "split.csv"}
    files = {row["file_id"]: row for row in found.files}
    write_rows(folder / "index.parquet", found.index, INVENTORY_SCHEMA)
    inventory = StoredRows(folder / "index.parquet", INVENTORY_SCHEMA)
    return assemble(inventory, Rejects(folder / "rejects.parquet", found.rejects), files, sections, **rest)
