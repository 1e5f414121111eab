"""A small archive of NIfTI series for tests of the stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.cohort.tables import FILES_SCHEMA, SERIES_SCHEMA, write_rows
from radgen.imaging.settings import SlicesSettings
from radgen.provenance import SawPatients, what_part, write_manifest
from radgen.stages import slices
from tests.imaging.toys import SLICES, scene

CLASSES = ClassSettings(by="mask", names=("normal", "ill"), structure="lung", min_area_mm2=100.0)
STRUCTURES = StructureSettings(names=("trunk", "lung"))
AFFINE = np.diag([3.0, 3.0, 5.0, 1.0])


class Archive:
    """A small archive of NIfTI series, the tables that name it, and a stage run on one of its shards."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        (root / "archive").mkdir()
        write_manifest(
            root / "manifest.json",
            what=what_part(stage="cohort", version=1, settings={}, inputs={}),
            outputs={},
            saw_patients=SawPatients(unknown=frozenset({"a guess"})),
        )

    def add(self, name: str, split: str, image: bytes | None = None, mask_value: int = 2) -> None:
        """Add one series of the toy scene, or a file of the given bytes."""
        drawn = scene()
        flipped = (slice(None, None, -1), slice(None, None, -1))
        labels = (drawn.trunk + drawn.lung * (mask_value - 1)).astype(np.uint8)
        for kind, array in (("image", drawn.hu + np.int16(len(self.rows))), ("mask", labels)):
            path = self.root / "archive" / f"{name}-{kind}.nii"
            nib.save(nib.Nifti1Image(np.asarray(array).transpose(2, 1, 0)[flipped], AFFINE), path)
            self.files.append({"file_id": f"{name}-{kind}", "path": path.name})
        if image is not None:
            (self.root / "archive" / f"{name}-image.nii").write_bytes(image)
        self.rows.append(
            {
                "series_key": name,
                "study_key": name,
                "patient_key": f"patient-{name}",
                "shard": 0,
                "format": "nifti",
                "modality": "CT",
                "anatomy": "abdomen",
                "n_slices": SLICES,
                "rows": 160,
                "cols": 160,
                "archive": "",
                "given_split": "",
                "mask_labels": [""],
                "remarks": [],
                "repeat": 0,
                "file_ids": [f"{name}-image"],
                "mask_ids": [f"{name}-mask"],
                "mask_kind": "nifti",
                "digest": name,
                "split": split,
            }
        )

    def run(self, shard: str = "shard-000", workers: int = 1, **changed: Any) -> Path:
        """Run the stage on all rows; return the folder of its outputs."""
        out = self.root / "slices"
        series = self.root / f"{shard}.parquet"
        write_rows(series, self.rows, SERIES_SCHEMA)
        write_rows(self.root / "files.parquet", self.files, FILES_SCHEMA)
        given: dict[str, Any] = {
            "masks": out / f"{shard}.masks.arrow",
            "volumes": out / f"{shard}.volumes.parquet",
            "slices": SlicesSettings(size_px=40),
            "classes": CLASSES,
            "structures": STRUCTURES,
            "archives": {},
        } | changed
        slices.run(
            series=series,
            cohort_manifest=self.root / "manifest.json",
            files=self.root / "files.parquet",
            archive=(str(self.root / "archive"),),
            images=out / f"{shard}.images.arrow",
            index=out / f"{shard}.index.parquet",
            rejects=out / f"{shard}.rejects.parquet",
            qc=out / f"{shard}.qc.parquet",
            manifest=out / f"{shard}.manifest.json",
            work=self.root / "work",
            workers=workers,
            **given,
        )
        return out
