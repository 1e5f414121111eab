"""The invented study of the report's tests: its names, its patients, and how its tables are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from radgen.benchmark.settings import ArmSettings
from radgen.imageset.core import write_table
from radgen.paths import StudyPaths
from radgen.provenance import SawPatients, digest_json, what_part, write_json
from radgen.report.settings import ReportSettings, StudyFacts

CLASSES = ("normal", "liver_lesion")
STRUCTURES = ("liver", "spleen", "lesion")
SPLITS = {"train": 14, "val": 3, "test": 6, "annotator": 3}
SLICES_PER_PATIENT = 4
SOURCE = "main"
SETTING = "scarce-labels"
DROPPED = "main_liver_lesion_000003"  # by the audit of the samples
ARMS = {
    "real_100": ArmSettings(real_fraction=1.0),
    "real_low": ArmSettings(),
    "low_synthetic": ArmSettings(synthetic=SOURCE, setting=SETTING),
    "synthetic_only": ArmSettings(real_fraction=0.0, synthetic=SOURCE, setting=SETTING),
}
ARM_SKILL = {"real_100": 0.9, "real_low": 0.72, "low_synthetic": 0.83, "synthetic_only": 0.75}
FACTS = StudyFacts(
    study="tiny",
    title="A tiny study",
    is_phantom=True,
    patients_from="tag",
    simulated_annotator=True,
    sources={SOURCE: SETTING},
    arms={
        "real_100": "real 100 %",
        "real_low": "real low",
        "low_synthetic": "real low + synthetic",
        "synthetic_only": "synthetic only",
    },
    low_arm="real_low",
    structures=STRUCTURES,
)
REPORT = ReportSettings()


def patient_key(number: int) -> str:
    """Return an invented keyed hash."""
    return digest_json(["patient", number])[:16]


PATIENTS = [
    (patient_key(number), split)
    for number, split in enumerate(split for split, count in SPLITS.items() for _ in range(count))
]


def _filled(schema: pa.Schema | None) -> dict[str, Any]:
    """Return an empty value for each column that must have one and that the report does not read."""
    required = [field for field in schema or () if not field.nullable]
    return {field.name: [] if pa.types.is_list(field.type) else _zero(field.type) for field in required}


def _zero(kind: pa.DataType) -> Any:
    return "" if pa.types.is_string(kind) else False if pa.types.is_boolean(kind) else 0


class Tree:
    """Writes tables of a study below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._path = StudyPaths(str(root))

    def path(self, key: str, **wildcards: str) -> Path:
        return Path(self._path(key, **wildcards))

    def table(
        self, key: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None, **wildcards: str
    ) -> None:
        plain = [_filled(schema) | dict(row) for row in rows]
        write_table(self.path(key, **wildcards), pa.Table.from_pylist(plain, schema=schema))

    def manifest(
        self,
        key: str,
        stage: str,
        settings: Mapping[str, Any] | None = None,
        notes: Mapping[str, Any] | None = None,
        **wildcards: str,
    ) -> None:
        train, val = (frozenset(key for key, own in PATIENTS if own == split) for split in ("train", "val"))
        saw = SawPatients(pixels={"train": train, "val": val}, labels={"train": frozenset(sorted(train)[:2])})
        what = what_part(stage=stage, version=1, settings=settings or {}, inputs={"series": digest_json(stage)}, seed=1)
        what |= {"code": digest_json([stage, "code"]), "outputs": {}, "saw_patients": saw.to_json()}
        run = {"device": "cpu", "seconds": 12.5, "peak_memory_mib": 512, "date": "2024-02-03T04:05:06+00:00"}
        run |= {"packages": {"numpy": "2.4.0"}, "reused": False, "notes": dict(notes or {})}
        write_json(self.path(key, **wildcards), {"what": what, "run": run})
