"""The folder of an export: written aside, then put in place whole, and replaced only when nothing else lies in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from radgen.errors import InputError, StorageError
from radgen.provenance import write_text

CHECKSUMS = "SHA256SUMS"
MARK = "export.json"
BLOCK_BYTES = 1 << 22


@contextlib.contextmanager
def new_folder(out: Path, *, replace: bool) -> Iterator[Path]:
    """Give an empty folder beside `out` that becomes it when the block ends well, and vanishes when it does not.

    Raises
    ------
    InputError
        `out` is not empty, and not to be replaced, or holds what no export wrote.
    StorageError
        The disk is full, read-only or out of quota.
    """
    _check_place(out, replace=replace)
    with swapped_folder(out) as draft:
        yield draft


@contextlib.contextmanager
def swapped_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of `out`, whatever lies there, when the block ends well.

    Raises
    ------
    StorageError
        The disk is full, read-only or out of quota.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise StorageError(_storage(out, error)) from error
    try:
        yield draft
        draft.chmod(0o755)
        _put(draft, out)
    except OSError as error:
        raise StorageError(_storage(out, error)) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _storage(out: Path, error: OSError) -> str:
    return f"{out}: cannot be written ({error.strerror}); mend space or rights in {out.parent}, then run again"


def _check_place(out: Path, *, replace: bool) -> None:
    if out.is_symlink():
        msg = f"{out}: is a link; name the folder itself"
        raise InputError(msg)
    if not out.exists():
        return
    if not out.is_dir():
        msg = f"{out}: is a file, but an export is a folder; name another place"
        raise InputError(msg)
    found = sorted(_files(out))
    if not found and not any(out.iterdir()):
        return
    if not replace:
        msg = f"{out}: the folder is not empty; name a new one, or give --replace if it holds an earlier export"
        raise InputError(msg)
    strange = [name for name in found if name not in _listed(out)]
    if strange or MARK not in found:
        name = strange[0] if strange else MARK
        what = "was not written by an export" if strange else "is missing, so no export wrote the folder"
        msg = f"{out}: {name!r} {what}; --replace removes exports only, move it away or name another folder"
        raise InputError(msg)


def _listed(out: Path) -> set[str]:
    try:
        lines = (out / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {CHECKSUMS} | {line[66:] for line in lines}


def _files(folder: Path) -> Iterator[str]:
    """Yield everything in a folder that is no folder, relative to it; links are not followed."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in [*files, *links]:
            yield Path(place, name).relative_to(folder).as_posix()


def _put(draft: Path, out: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.old."))
    out.rename(aside / out.name)
    try:
        draft.rename(out)
    except OSError:
        (aside / out.name).rename(out)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS over all files of a folder, as `sha256sum --check` reads it."""
    lines = [f"{sha256_file(folder / name)}  {name}" for name in sorted(_files(folder))]
    write_text(folder / CHECKSUMS, "".join(f"{line}\n" for line in lines))


def sha256_file(path: Path) -> str:
    """Return a file's whole SHA-256 in hexadecimal."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of a draft folder, whose folder is made if needed; the whole draft is what is atomic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
