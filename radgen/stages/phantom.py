"""Write the demo's archive: computed abdominal CT as DICOM series with masks, marked PHANTOM."""

from __future__ import annotations

from pathlib import Path

from radgen.code import code_digest
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.provenance import SawPatients, digest_json, what_part, write_manifest
from radgen.settings import as_plain

VERSION = 1


def run(*, archive: Path, manifest: Path, phantom: PhantomSettings, workers: int = 1) -> None:
    """Write the archive folder and its manifest; a complete archive of the same settings and code is left alone.

    Parameters
    ----------
    archive
        The folder to write; it appears whole or not at all.
    manifest
        Where the manifest goes, usually inside the archive.
    phantom
        What the archive holds.
    workers
        Processes; the bytes do not depend on it.

    Raises
    ------
    ConfigError
        The folder holds something that is not a phantom archive.
    StorageError
        The disk refused a write.
    """
    from radgen.cohort.phantom.archive import INDEX, put_archive, write_archive

    what = what_part(stage="phantom", version=VERSION, settings=as_plain(phantom), inputs={}, seed=phantom.seed)
    key = digest_json(what | {"code": code_digest("radgen.stages.phantom")})
    reused = put_archive(archive, key, lambda folder: write_archive(folder, phantom, workers, _say), _say)
    notes = {"patients": phantom.patients, "real_patients": "none: every image is computed"}
    write_manifest(
        manifest,
        what=what,
        outputs={"index": archive / INDEX},
        saw_patients=SawPatients(),
        notes=notes,
        reused=reused,
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
