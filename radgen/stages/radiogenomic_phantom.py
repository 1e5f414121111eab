"""Write the radiogenomic phantom: computed chest CT, DICOM SEG, RNA and clinical tables, and the planted truth."""

from __future__ import annotations

from pathlib import Path

from radgen.code import code_digest
from radgen.provenance import SawPatients, digest_json, what_part, write_manifest
from radgen.radiogenomic.phantom.settings import RadiogenomicPhantomSettings
from radgen.settings import as_plain

VERSION = 1


def run(*, archive: Path, manifest: Path, radiogenomic_phantom: RadiogenomicPhantomSettings, workers: int = 1) -> None:
    """Write the archive folder and its manifest; a complete archive of the same settings and code is left alone.

    Parameters
    ----------
    archive
        The folder to write; it appears whole or not at all.
    manifest
        Where the manifest goes, usually inside the archive.
    radiogenomic_phantom
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
    from radgen.cohort.phantom.archive import INDEX, put_archive
    from radgen.radiogenomic.phantom.archive import write_archive

    settings = radiogenomic_phantom
    what = what_part(
        stage="radiogenomic_phantom", version=VERSION, settings=as_plain(settings), inputs={}, seed=settings.seed
    )
    key = digest_json(what | {"code": code_digest("radgen.stages.radiogenomic_phantom")})
    reused = put_archive(archive, key, lambda folder: write_archive(folder, settings, workers, _say), _say)
    write_manifest(
        manifest,
        what=what,
        outputs={"index": archive / INDEX},
        saw_patients=SawPatients(),
        notes={"patients": settings.patients, "real_patients": "none: every image and every gene is computed"},
        reused=reused,
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
