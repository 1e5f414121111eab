"""Zip archives of masks, unpacked into a folder of their own only after everything they say has been checked.

A zip comes from outside, so nothing in it is believed: names must be plain relative paths, members plain files, sizes
within limits before the first byte is written, and what comes out is counted while it is written.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from radgen.errors import AnnotationError

MOST_MEMBERS = 20_000
MOST_BYTES = 1 << 31  # of all members together, unpacked
MOST_RATIO = 200  # unpacked to packed; masks of few labels reach 100 as raw NIfTI, pictures about 1
FREE_BYTES = 16 << 20  # below so many bytes no ratio is dangerous
NESTED = (".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst")


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack a zip archive into a temporary folder, which is gone when the block ends.

    Raises
    ------
    AnnotationError
        The archive is damaged or half-written, encrypted, too large, or names places and things outside itself.
    """
    with tempfile.TemporaryDirectory(prefix="radgen-masks-") as folder:
        _unpack(path, Path(folder))
        yield Path(folder)


def _unpack(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(path, members)
            for member in members:
                if not member.is_dir():
                    _write(path, archive, member, folder / member.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        msg = f"{path.name}: not a whole zip archive ({error}); if it is still being copied, wait, else save it again"
        raise AnnotationError(msg) from error


def _check(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse what an archive says of itself, before anything is written."""
    if len(members) > MOST_MEMBERS:
        _refuse(path, f"holds {len(members)} files, more than the {MOST_MEMBERS} that are read; split it")
    total, packed = sum(member.file_size for member in members), sum(member.compress_size for member in members)
    if total > MOST_BYTES:
        _refuse(path, f"unpacks to {total} bytes, more than the {MOST_BYTES} that are read; split it")
    if total > FREE_BYTES and total > MOST_RATIO * max(packed, 1):
        _refuse(path, f"unpacks to {total} bytes from {packed}, more than {MOST_RATIO} times; no masks are packed so")
    seen: set[str] = set()
    for member in members:
        name = member.filename
        _check_name(path, name)
        if name.casefold() in seen:
            _refuse(path, f"holds {name!r} twice; which one is meant is unknown")
        seen.add(name.casefold())
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            _refuse(path, f"{name!r} is a link or a device, not a file; pack plain files")
        if member.flag_bits & 1:
            _refuse(path, f"{name!r} is encrypted; pack it without a password")
        if name.lower().endswith(NESTED):
            _refuse(path, f"{name!r} is an archive in an archive; unpack it first")


def _check_name(path: Path, name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name or not name.isprintable():
        _refuse(path, f"{name!r} leads out of the archive or is no plain name; pack the folder of masks alone")


def _write(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, place.open("xb") as target:
            shutil.copyfileobj(source, target)
    except (OSError, RuntimeError) as error:
        _refuse(path, f"{member.filename!r} cannot be unpacked ({type(error).__name__}); pack the masks again")
    with place.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            _refuse(path, f"{member.filename!r} is an archive in an archive; unpack it first")


def _refuse(path: Path, text: str) -> None:
    msg = f"{path.name}: {text}"
    raise AnnotationError(msg)
