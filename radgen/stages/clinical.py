"""Read the clinical table: survival and variables of each patient, under pseudonyms."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import PatientKeySettings
from radgen.provenance import SawPatients, digest_file, what_part, write_manifest
from radgen.radiogenomic.settings import ClinicalSettings
from radgen.settings import as_plain

VERSION = 1


def run(
    *,
    clinical_table: Path,
    key_file: Path | None = None,
    table: Path,
    manifest: Path,
    clinical: ClinicalSettings,
    patient_key: PatientKeySettings,
) -> None:
    """Write patient, time in days, whether they died, and one column for each variable.

    Parameters
    ----------
    clinical_table
        CSV, one patient a line.
    key_file
        The private patient key; public studies name theirs in the config.
    table, manifest
        Outputs.
    clinical, patient_key
        Settings.

    Raises
    ------
    InputError, CohortError
        See `radgen.radiogenomic.clinical.read_clinical`.
    """
    from functools import partial

    from radgen.cohort import keys
    from radgen.imageset.core import write_table
    from radgen.radiogenomic.clinical import read_clinical, to_table

    key = keys.load_key(patient_key.public, key_file)
    found = read_clinical(clinical_table, clinical)
    write_table(table, to_table(found, partial(keys.patient_key, key)))
    settings = {"clinical": as_plain(clinical), "patient_key": {"fingerprint": keys.fingerprint(key)}}
    write_manifest(
        manifest,
        what=what_part(
            stage="clinical", version=VERSION, settings=settings, inputs={"clinical": digest_file(clinical_table)}
        ),
        outputs={"table": table},
        saw_patients=SawPatients(),
        notes={"patients": len(found.patients), "deaths": int(found.died.sum()), "line": found.line},
    )
    print(f"clinical: {found.line}", flush=True)  # noqa: T201 - a stage's progress goes to its log
