"""List every series of an archive with hashed ids, and every file that is refused, without decoding pixels."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.archives import ArchiveSettings
from radgen.cohort.settings import InventorySettings, PatientKeySettings
from radgen.provenance import SawPatients, digest_file, what_part, write_manifest
from radgen.settings import as_plain

VERSION = 4


def run(
    *,
    archive: tuple[str, ...],
    patient_table: Path | None = None,
    key_file: Path | None = None,
    index: Path,
    rejects: Path,
    files: Path,
    manifest: Path,
    inventory: InventorySettings,
    archives: dict[str, ArchiveSettings],
    patient_key: PatientKeySettings,
    work: Path,
    workers: int = 1,
) -> None:
    """Take the inventory.

    Parameters
    ----------
    archive
        Folder of the study's archive; of several, `name=folder` for each.
    patient_table
        CSV with columns file,patient, for `patient_from: table`.
    key_file
        The private patient key; public studies name theirs in the config.
    index, rejects
        One row per candidate series, one per refused file; hashed ids only.
    files
        The private table of paths and raw identifiers; its folder is made accessible to its owner alone, and the key's
        fingerprint is remembered there.
    manifest
        Written last.
    inventory, archives, patient_key
        Sections of the config; a study with one nameless archive may leave out `archives`.
    work
        The study's work folder; the key's fingerprint is remembered there too.
    workers
        Processes that read headers.
    """
    from radgen.cohort import keys
    from radgen.cohort.archives import Roots
    from radgen.cohort.inventory import take_inventory
    from radgen.cohort.tables import FILES_SCHEMA, INVENTORY_SCHEMA, REJECTS_SCHEMA, write_rows

    key = keys.load_key(patient_key.public, key_file)
    files.parent.mkdir(parents=True, exist_ok=True)
    files.parent.chmod(0o700)
    # The work folder may be deleted at any time, and the private one goes with the results: neither alone is enough.
    keys.remember_fingerprint((files.parent, work), keys.fingerprint(key), patient_key.fingerprint)
    archives = archives or {"": ArchiveSettings()}
    roots = Roots.parse(archive, archives)
    found = take_inventory(roots, inventory, key, archives=archives, patient_table=patient_table, workers=workers)
    write_rows(files, found.files, FILES_SCHEMA)
    files.chmod(0o600)
    write_rows(index, found.index, INVENTORY_SCHEMA)
    write_rows(rejects, found.rejects, REJECTS_SCHEMA)
    settings = {
        "inventory": as_plain(inventory),
        "archives": as_plain(archives),
        "patient_key": {"fingerprint": keys.fingerprint(key)},
    }
    tables = {} if patient_table is None else {"patient_table": digest_file(patient_table)}
    write_manifest(
        manifest,
        what=what_part(stage="inventory", version=VERSION, settings=settings, inputs=tables),
        outputs={"index": index, "rejects": rejects},
        saw_patients=SawPatients(),
        notes=found.notes,
    )
    counts = found.notes
    print(  # noqa: T201 - the rule's log
        f"inventory: {counts['series']} series of {counts['patients']} patients from {counts['files']} files; "
        f"refused or set aside: {counts['refused'] or 'none'}"
    )
