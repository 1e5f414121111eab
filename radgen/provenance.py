"""Digests, atomic writes and manifests: what made a result, and which patients it ever saw.

Light on purpose (standard library only): it is imported while the DAG is parsed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radgen import stale
from radgen.errors import InputError, StorageError

PACKAGE_ROOT = Path(__file__).resolve().parent
ASPECTS = ("pixels", "labels", "masks")


# ---------------------------------------------------------------- digests


def digest_bytes(data: bytes) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def digest_json(value: object) -> str:
    """Return the digest of a JSON value, independent of key order."""
    return digest_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def digest_file(path: Path) -> str:
    """Return the digest of a whole file, read in blocks of 4 MiB."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            state.update(block)
    return state.hexdigest()[:32]


def input_digest(path: Path) -> str:
    """Return a file's digest from the manifest beside it or the file itself; of a manifest, that of its `what`."""
    if path.name.endswith("manifest.json"):
        return digest_json(read_manifest(path)["what"])
    for manifest in sorted(path.parent.glob("*manifest.json")):
        found = _manifest_outputs(manifest, manifest.stat().st_mtime_ns).get(path.name)
        if found is not None:
            return found
    return digest_file(path)


@functools.lru_cache(maxsize=4096)
def _manifest_outputs(manifest: Path, _mtime_ns: int) -> dict[str, str]:
    try:
        outputs = json.loads(manifest.read_text())["what"]["outputs"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {str(name): str(value) for name, value in outputs.items()}


# ---------------------------------------------------------------- atomic writes


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that replaces it when the block ends well, and vanishes when it does not.

    One that was left because its writer was killed vanishes when its output is next written.

    Raises
    ------
    StorageError
        The disk is full, read-only or out of quota.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stale.drop(path)
    handle, temporary = stale.held_temporary(path)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        msg = (
            f"{path.name}: cannot be written ({error.strerror}); mend space or rights in {path.parent}, then run again"
        )
        raise StorageError(msg) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write sorted, indented JSON atomically."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1) + "\n")


# ---------------------------------------------------------------- ancestry


@dataclass(frozen=True)
class SawPatients:
    """The patients that reached an output, apart for pixels, class labels and masks.

    Each aspect maps a split name to the patient keys of that split. `unknown` holds a sentence for each ancestor
    whose patients cannot be known, for instance a published checkpoint.
    """

    pixels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    masks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    def __or__(self, other: SawPatients) -> SawPatients:
        """Unite two ancestries."""
        return SawPatients(
            **{aspect: _union(getattr(self, aspect), getattr(other, aspect)) for aspect in ASPECTS},
            unknown=self.unknown | other.unknown,
        )

    def patients(self, aspect: str) -> frozenset[str]:
        """Return all patient keys of one aspect: pixels, labels or masks."""
        return frozenset().union(*getattr(self, aspect).values())

    def everyone(self) -> frozenset[str]:
        """Return the patient keys of all aspects."""
        return frozenset().union(*(self.patients(aspect) for aspect in ASPECTS))

    def to_json(self) -> dict[str, Any]:
        """Return plain data with sorted lists and a digest for each aspect."""
        plain: dict[str, Any] = {"unknown": sorted(self.unknown)}
        for aspect in ASPECTS:
            lists = {split: sorted(keys) for split, keys in sorted(getattr(self, aspect).items()) if keys}
            plain[aspect] = {"digest": digest_json(lists), "by_split": lists}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> SawPatients:
        """Read what `to_json` wrote."""
        return cls(
            **{aspect: {k: frozenset(v) for k, v in plain[aspect]["by_split"].items()} for aspect in ASPECTS},
            unknown=frozenset(plain.get("unknown", ())),
        )


def _union(one: Mapping[str, frozenset[str]], two: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {split: one.get(split, frozenset()) | two.get(split, frozenset()) for split in {*one, *two}}


def by_split(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Group (split, patient key) pairs into the form that `SawPatients` holds."""
    groups: dict[str, set[str]] = {}
    for split, patient in pairs:
        groups.setdefault(split, set()).add(patient)
    return {split: frozenset(keys) for split, keys in groups.items()}


def saw_patients_of(*manifests: Path) -> SawPatients:
    """Unite the ancestries of several manifests."""
    total = SawPatients()
    for path in manifests:
        total |= SawPatients.from_json(read_manifest(path)["what"]["saw_patients"])
    return total


# ---------------------------------------------------------------- manifests

_PROCESS_START = time.monotonic()


def what_part(
    *,
    stage: str,
    version: int,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int | None = None,
) -> dict[str, Any]:
    """Return the part of a manifest that decides the bytes: also what a long job's key is made of."""
    return {"stage": stage, "version": version, "settings": dict(settings), "inputs": dict(inputs), "seed": seed}


def write_manifest(
    path: Path,
    *,
    what: Mapping[str, Any],
    outputs: Mapping[str, Path],
    saw_patients: SawPatients,
    device: str = "cpu",
    notes: Mapping[str, Any] | None = None,
    reused: bool = False,
    code: str | None = None,
) -> None:
    """Write a manifest: `what` decides the bytes and is compared in tests, `run` tells how it went and is not.

    Parameters
    ----------
    path
        Where the manifest goes; outputs must lie in the same folder or below, and are named relative to it.
    what
        From `what_part`; code digest, output digests and ancestry are added here.
    outputs
        Name to path of each declared output.
    saw_patients
        The patients behind these outputs, through every ancestor.
    device
        Where it was computed: the device that was chosen, not the word that asked for it.
    notes
        Facts worth keeping that do not decide bytes: rates, choices and their reasons.
    reused
        The outputs were republished from a finished long job.
    code
        Digest of the code that made the outputs, where it is not the code that runs now.
    """
    from radgen.code import code_digest  # which writes by this module

    outputs_by_name = {os.path.relpath(p, path.parent): digest_file(p) for p in outputs.values() if p.is_file()}
    full = dict(what) | {
        "code": code or code_digest(f"radgen.stages.{what['stage']}"),
        "outputs": outputs_by_name,
        "saw_patients": saw_patients.to_json(),
    }
    write_json(path, {"what": full, "run": _run_part(device, reused) | {"notes": dict(notes or {})}})


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises
    ------
    InputError
        The file is missing or not a manifest.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        value["what"]["saw_patients"]
    except FileNotFoundError as error:
        msg = f"{path}: no such manifest; run the stage that writes it first"
        raise InputError(msg) from error
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: not a radgen manifest ({error}); delete it and run its stage again"
        raise InputError(msg) from error
    return value  # type: ignore[no-any-return]


def _run_part(device: str, reused: bool) -> dict[str, Any]:
    return {
        "device": device,
        "seconds": round(time.monotonic() - _PROCESS_START, 2),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": _package_versions(),
        "reused": reused,
    }


def _package_versions() -> dict[str, str]:
    names = (
        "radgen",
        "numpy",
        "pyarrow",
        "pandas",
        "torch",
        "monai",
        "pydicom",
        "nibabel",
        "SimpleITK",
        "highdicom",
        "scipy",
    )
    versions = {}
    for name in names:
        if name.lower() in {module.split(".")[0].lower() for module in sys.modules}:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
    return versions
