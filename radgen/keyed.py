"""The long-job contract: resumable state under a key, one live writer, finished results republished in seconds.

Snakemake deletes a failed job's declared outputs, so state that must survive lives in `work/<stage>/<key>/`. The key
is the digest of what decides the bytes. A job whose key is finished copies its outputs again and is done.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from radgen.code import code_digest
from radgen.errors import LeaseError, StorageError
from radgen.processes import lives, start_of
from radgen.provenance import atomic_path, digest_file, digest_json, write_json

HEARTBEAT_SECONDS = 10.0
# A writer whose process cannot be looked up, as on another host, is believed dead after this silence.
STALE_SECONDS = 120.0


@dataclass(frozen=True)
class Finished:
    """What a finished job left: its files' paths in the work folder, its notes, and the digest of the code that ran."""

    files: Mapping[str, str]
    notes: Mapping[str, Any]
    code: str = ""


class KeyedJob:
    """The work folder of one long job, held by one live process.

    Use as a context manager: entering takes the lease, leaving gives it back.

    Raises
    ------
    LeaseError
        Another live process holds the folder; the message names host and process.
    """

    def __init__(self, work: Path, stage: str, what: Mapping[str, Any]) -> None:
        self.key = digest_json(dict(what))[:16]
        self.folder = work / stage / self.key
        self.code = code_digest(f"radgen.stages.{stage}")
        self._what = dict(what)
        self._stop = threading.Event()
        self._beat: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lease()
        write_json(self.folder / "what.json", self._what)
        self._beat = threading.Thread(target=self._keep_alive, daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._beat is not None:
            self._beat.join()
        self._lease_path.unlink(missing_ok=True)

    # ------------------------------------------------------------ results

    def path(self, name: str) -> Path:
        """Return where a file of this job lives inside the work folder."""
        return self.folder / name

    def finish(
        self, files: Mapping[str, Path], notes: Mapping[str, Any] | None = None, *, tag: str = "final"
    ) -> Finished:
        """Record files of the work folder as the finished result named `tag`.

        `tag` tells budgets apart, as in "images-00045000": the budget is not in the key.
        """
        relative = {name: str(path.relative_to(self.folder)) for name, path in files.items()}
        record = {
            "files": {name: {"path": relative[name], "digest": digest_file(path)} for name, path in files.items()},
            "notes": dict(notes or {}),
            "code": self.code,
        }
        write_json(self.path(f"{tag}.finished.json"), record)
        found = self.finished(tag)
        if found is None:
            msg = f"{self.folder.name}: the result was damaged while it was written; check the disk and run again"
            raise LeaseError(msg)
        return found

    def finished(self, tag: str = "final") -> Finished | None:
        """Return the finished result of this key if it is there and every digest holds, else None."""
        try:
            record = json.loads(self.path(f"{tag}.finished.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        for entry in record["files"].values():
            path = self.folder / entry["path"]
            if not path.is_file() or digest_file(path) != entry["digest"]:
                return None
        return Finished(
            {name: entry["path"] for name, entry in record["files"].items()}, record["notes"], record["code"]
        )

    def publish(self, result: Finished, outputs: Mapping[str, Path]) -> None:
        """Copy the finished files to the declared outputs, each atomically."""
        for name, target in outputs.items():
            with atomic_path(target) as temporary:
                shutil.copyfile(self.folder / result.files[name], temporary)

    # ------------------------------------------------------------ lease

    @staticmethod
    def is_held(folder: Path) -> bool:
        """Tell whether a live process holds a work folder."""
        holder = _read_holder(folder / "lease.json")
        return holder is not None and _alive(holder)

    @property
    def _lease_path(self) -> Path:
        return self.folder / "lease.json"

    def _take_lease(self) -> None:
        mine = _myself()
        for _ in range(2):
            try:
                _create_whole(self._lease_path, mine)
            except FileExistsError:
                holder = _read_holder(self._lease_path)
                if holder is not None and _alive(holder):
                    msg = (
                        f"{self.folder.parent.name}/{self.folder.name}: process {holder['pid']} on {holder['host']} is "
                        f"already writing here (this is process {mine['pid']} on {mine['host']}); "
                        "wait for it or end it, then run again"
                    )
                    raise LeaseError(msg) from None
                self._lease_path.unlink(missing_ok=True)
            else:
                return
        msg = f"{self.folder.name}: the lease changes hands while it is being taken; run again"
        raise LeaseError(msg)

    def _keep_alive(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            # A full disk is told by whoever writes results; once there is space again the lease must be kept still.
            with contextlib.suppress(OSError, StorageError):
                write_json(self._lease_path, _myself())


def _myself() -> dict[str, Any]:
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "started": start_of(pid), "heartbeat": time.time()}


def _create_whole(path: Path, value: Mapping[str, Any]) -> None:
    """Create a JSON file with all its text at once: an empty lease would be nobody's, and taken from its writer.

    Raises
    ------
    FileExistsError
        It is there already.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(value, file)
        temporary.chmod(0o644)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:  # the file system has no hard links: as exclusive, but empty for a moment
            with path.open("x") as file:
                json.dump(value, file)
    finally:
        temporary.unlink()


def _read_holder(lease: Path) -> dict[str, Any] | None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        holder = json.loads(lease.read_text())
        if isinstance(holder, dict) and {"host", "pid", "heartbeat"} <= holder.keys():
            return holder
    return None


def _alive(holder: Mapping[str, Any]) -> bool:
    if holder["host"] == socket.gethostname():
        known = lives(int(holder["pid"]), str(holder.get("started") or ""))
        if known is not None:
            return known
    return bool(time.time() - float(holder["heartbeat"]) < STALE_SECONDS)


@contextlib.contextmanager
def run_keyed(
    work: Path, what: Mapping[str, Any], outputs: Mapping[str, Path]
) -> Iterator[tuple[KeyedJob, Finished | None]]:
    """Open a keyed job; when its key is finished by the same code, its outputs are already republished on entry.

    For jobs of minutes: after a real edit of their code they are computed again. A job of days uses `KeyedJob` itself
    and decides by its stage's version.

    Yields
    ------
    job, finished
        `finished` is not None when nothing is left to do.
    """
    with KeyedJob(work, str(what["stage"]), what) as job:
        done = job.finished()
        if done is not None and done.code == job.code and set(outputs) <= set(done.files):
            job.publish(done, outputs)
        else:
            done = None
        yield job, done
