"""Write the demo's archive: computed abdominal CT as DICOM series with masks, marked PHANTOM."""

from __future__ import annotations

import shutil
from pathlib import Path

from radgen.cohort.phantom.settings import PhantomSettings
from radgen.errors import ConfigError, StorageError
from radgen.provenance import SawPatients, code_digest, digest_json, what_part, write_manifest, write_text
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
    from radgen.cohort.phantom.archive import INDEX, index_text, is_complete, write_archive

    what = what_part(stage="phantom", version=VERSION, settings=as_plain(phantom), inputs={}, seed=phantom.seed)
    key = digest_json(what | {"code": code_digest("radgen.stages.phantom")})
    reused = is_complete(archive, key)
    if reused:
        _say(f"phantom: {archive} is complete, nothing to do")
    else:
        _make_way(archive, INDEX)
        fresh = archive.with_name(f".{archive.name}.{key[:12]}")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
            write_archive(fresh, phantom, workers, _say)
            write_text(fresh / INDEX, index_text(fresh, key))
            shutil.rmtree(archive, ignore_errors=True)
            fresh.rename(archive)
        except OSError as error:
            msg = f"{archive}: cannot be written ({error.strerror}); free space or rights there, then run again"
            raise StorageError(msg) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    notes = {"patients": phantom.patients, "real_patients": "none: every image is computed"}
    write_manifest(
        manifest,
        what=what,
        outputs={"index": archive / INDEX},
        saw_patients=SawPatients(),
        notes=notes,
        reused=reused,
    )


def _make_way(archive: Path, index: str) -> None:
    """Refuse a folder that somebody else filled."""
    if archive.exists() and not archive.is_dir():
        msg = f"{archive}: a file lies where the phantom archive shall go; move it away or name another folder"
        raise ConfigError(msg)
    held = [path.name for path in archive.iterdir()] if archive.is_dir() else []
    if held and index not in held and "phantom.manifest.json" not in held:
        msg = (
            f"{archive}: holds {len(held)} entries but no phantom archive, and would be replaced; "
            "name an empty or another folder"
        )
        raise ConfigError(msg)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
