"""A study of one archive in a public layout: inventory, cohort and slices in a temporary folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings
from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    LimitSettings,
    PatientKeySettings,
    StructureSettings,
)
from radgen.cohort.tables import FILES_SCHEMA, INVENTORY_SCHEMA, REJECTS_SCHEMA, SERIES_SCHEMA, read_rows
from radgen.imageset.core import ImageSet
from radgen.imaging.refusal import REJECTS_SCHEMA as SLICE_REJECTS_SCHEMA
from radgen.imaging.settings import QualitySettings, SlicesSettings
from radgen.stages import cohort as cohort_stage
from radgen.stages import inventory as inventory_stage
from radgen.stages import slices as slices_stage

# Pictures as they are, none too alike or too plain.
PLAIN = SlicesSettings(size_px=24, background="none", quality=QualitySettings(min_contrast=0.0))


@dataclass
class LayoutStudy:
    """One archive, the stages run on it, and their tables by the paths of files."""

    root: Path
    layout: str
    classes: tuple[str, ...] = ("all",)
    structures: StructureSettings = field(default_factory=StructureSettings)
    inventory: dict[str, Any] = field(default_factory=lambda: {"patient_from": "layout"})
    cohort: dict[str, Any] = field(default_factory=dict)

    @property
    def archive(self) -> Path:
        """Folder of the miniature."""
        return self.root / "archive"

    @property
    def archives(self) -> dict[str, ArchiveSettings]:
        """What the stages are told of the archive."""
        return {"": ArchiveSettings(layout=self.layout)}

    def take(self) -> None:
        """Run the inventory."""
        inventory_stage.run(
            archive=(str(self.archive),),
            index=self.root / "index.parquet",
            rejects=self.root / "rejects.parquet",
            files=self.root / "private" / "files.parquet",
            manifest=self.root / "manifest.json",
            inventory=InventorySettings(shards=1, **self.inventory),
            patient_key=PatientKeySettings(public="tests"),
            archives=self.archives,
            work=self.root / "work",
        )

    def assemble(self, **classes: Any) -> None:
        """Run the cohort after the inventory."""
        self.take()
        made = self.root / "cohort"
        settings = {"min_patients": 1, "min_images": 1, "val": 0.0, "test": 0.0, "max_refused_fraction": 1.0}
        cohort_stage.run(
            inventory=self.root / "index.parquet",
            inventory_rejects=self.root / "rejects.parquet",
            inventory_manifest=self.root / "manifest.json",
            files=self.root / "private" / "files.parquet",
            series=made / "series.parquet",
            rejects=made / "rejects.parquet",
            counts=made / "counts.parquet",
            page=made / "index.html",
            shards=(made / "shard-000.parquet",),
            manifest=made / "manifest.json",
            cohort=CohortSettings(**(settings | self.cohort)),
            classes=self._classes(**classes),
            structures=self.structures,
            limit=LimitSettings(),
        )

    def slice(self, **classes: Any) -> ImageSet:
        """Run all three stages; return the stored images."""
        self.assemble(**classes)
        out = self.root / "slices"
        masks = bool(self.structures.names)
        slices_stage.run(
            series=self.root / "cohort" / "shard-000.parquet",
            cohort_manifest=self.root / "cohort" / "manifest.json",
            files=self.root / "private" / "files.parquet",
            archive=(str(self.archive),),
            images=out / "shard-000.images.arrow",
            masks=out / "shard-000.masks.arrow" if masks else None,
            index=out / "shard-000.index.parquet",
            rejects=out / "shard-000.rejects.parquet",
            qc=out / "shard-000.qc.parquet",
            volumes=out / "shard-000.volumes.parquet" if masks else None,
            manifest=out / "shard-000.manifest.json",
            slices=PLAIN,
            classes=self._classes(**classes),
            structures=self.structures,
            archives=self.archives,
            work=self.root / "work",
        )
        return ImageSet(out / "shard-000.index.parquet")

    def index(self) -> dict[str, dict[str, Any]]:
        """Rows of the inventory, by the path of the first file."""
        return self._by_path(read_rows(self.root / "index.parquet", INVENTORY_SCHEMA))

    def series(self) -> dict[str, dict[str, Any]]:
        """Rows of the cohort, by the path of the first file."""
        return self._by_path(read_rows(self.root / "cohort" / "series.parquet", SERIES_SCHEMA))

    def rejects(self) -> dict[str, tuple[str, str]]:
        """Reason and sentence of each file that is not used, by path: the cohort's if it has been assembled."""
        made = self.root / "cohort" / "rejects.parquet"
        rows = read_rows(made if made.is_file() else self.root / "rejects.parquet", REJECTS_SCHEMA)
        paths = self.paths()
        return {paths[row["file_id"]]: (row["reason"], row["sentence"]) for row in rows}

    def slice_rejects(self) -> dict[str, tuple[str, str]]:
        """The same of the series that cannot be sliced."""
        rows = read_rows(self.root / "slices" / "shard-000.rejects.parquet", SLICE_REJECTS_SCHEMA)
        path_of = {row["series_key"]: path for path, row in self.series().items()}
        return {path_of[row["series_key"]]: (row["reason"], row["sentence"]) for row in rows}

    def paths(self) -> dict[str, str]:
        """File id to path."""
        rows = read_rows(self.root / "private" / "files.parquet", FILES_SCHEMA)
        return {row["file_id"]: row["path"] for row in rows}

    def mask_of(self, path: str) -> list[str]:
        """Paths of the masks of the series at a path."""
        paths = self.paths()
        return [paths[mask] for mask in self.index()[path]["mask_ids"]]

    def patients(self) -> dict[str, set[str]]:
        """Patient's pseudonym to the names of files' folders and stems."""
        found: dict[str, set[str]] = {}
        for path, row in self.index().items():
            found.setdefault(row["patient_key"], set()).add(PurePosixPath(path).stem)
        return found

    def _by_path(self, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        paths = self.paths()
        return {paths[row["file_ids"][0]]: row for row in rows}

    def _classes(self, **changes: Any) -> ClassSettings:
        return ClassSettings(**({"by": "layout", "names": self.classes} | changes))


def texture(seed: int, shape: tuple[int, ...] = (24, 24)) -> NDArray[np.uint8]:
    """Noise that no other seed resembles, uint8."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
