"""Walk an archive and look at every file once: what it is by its content, and its header. No pixels are decoded."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from radgen.cohort import dicom_headers, nifti, pictures
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.nifti import GZIP_MAGIC, NiftiHeader
from radgen.cohort.refusal import Reason, RefusalError
from radgen.errors import InputError

# A file's content is recognised by its size and so much of both its ends.
END_BYTES = 1 << 16
TEXTS = {".txt", ".md", ".rst", ".log", ".html", ".htm", ".pdf", ".docx", ".py", ".sh"}
TABLES = {".csv", ".tsv", ".xlsx", ".json", ".xml", ".yaml", ".yml", ".bval", ".bvec", ".sha256", ".md5"}
SIDE_NAMES = frozenset(
    {"license", "readme", "dicomdir", "thumbs.db", "desktop.ini", "lockfile", "version", "changelog"}
)
FILES_PER_TASK = 64


@dataclass(frozen=True)
class ScannedFile:
    """What one look at a file found.

    Parameters
    ----------
    path
        Relative to the archive, with forward slashes.
    digest
        Of its size and both its ends.
    header
        Header of a readable image; for a picture its (rows, columns).
    refusal
        Why it cannot be used; exactly one of header and refusal is given.
    """

    path: str
    digest: str
    header: DicomHeader | NiftiHeader | tuple[int, int] | None
    refusal: tuple[Reason, str] | None

    @property
    def folder(self) -> PurePosixPath:
        """The folder that holds the file, relative to the archive."""
        return PurePosixPath(self.path).parent


def scan_archive(archive: Path, class_tag: str, workers: int) -> list[ScannedFile]:
    """Look at every file of an archive, in order of their paths.

    Parameters
    ----------
    archive
        A folder; hidden files and folders in it are not looked at.
    class_tag
        DICOM keyword whose value is kept, or empty.
    workers
        Processes that read headers.

    Raises
    ------
    InputError
        The archive is not a folder.
    """
    if not archive.is_dir():
        msg = f"{archive}: no such folder; give the archive's path in the config or as ARCHIVE="
        raise InputError(msg)
    paths = sorted(path.relative_to(archive).as_posix() for path in _walk(archive, set()))
    look = partial(scan_file, archive, class_tag=class_tag)
    if workers == 1 or len(paths) < 4 * FILES_PER_TASK:
        return [look(path) for path in paths]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(look, paths, chunksize=FILES_PER_TASK))


def scan_file(archive: Path, path: str, class_tag: str) -> ScannedFile:
    """Look at one file; whatever is wrong with it becomes its refusal."""
    digest = ""
    try:
        head, tail, digest = _ends(archive / path)
        return ScannedFile(path, digest, _header(archive / path, head, tail, class_tag), None)
    except RefusalError as refusal:
        return ScannedFile(path, digest, None, (refusal.reason, refusal.sentence))
    except OSError as error:
        return ScannedFile(path, digest, None, (Reason.UNREADABLE, f"the file cannot be read ({error.strerror})"))
    except Exception as error:  # noqa: BLE001 - parsers of three libraries raise anything on damaged bytes
        return ScannedFile(path, digest, None, (Reason.TRUNCATED, f"the header is damaged ({type(error).__name__})"))


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    """Yield files below a folder, following links to folders but no circle."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, seen)
        else:
            yield entry


def _ends(path: Path) -> tuple[bytes, bytes, str]:
    """Return first and last bytes of a file, and the digest of both and the size."""
    with path.open("rb") as file:
        head = file.read(END_BYTES)
        size = path.stat().st_size
        file.seek(max(0, size - END_BYTES))
        tail = file.read(END_BYTES)
    state = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
    state.update(head)
    state.update(tail)
    return head, tail, state.hexdigest()


def _header(path: Path, head: bytes, tail: bytes, class_tag: str) -> DicomHeader | NiftiHeader | tuple[int, int]:
    if head[128:132] == b"DICM":
        return dicom_headers.read_header(path, class_tag)
    if _looks_like_nifti(head):
        return nifti.read_header(path)
    if pictures.looks_like_picture(head):
        return pictures.read_size(path, head, tail)
    name = path.name.lower()
    if path.suffix.lower() in TEXTS | TABLES or name.split(".")[0] in SIDE_NAMES:
        raise RefusalError(Reason.SIDE_FILE, "a text or table beside the images")
    if not head:
        raise RefusalError(Reason.TRUNCATED, "the file is empty")
    raise RefusalError(Reason.FOREIGN, "the content is neither DICOM, NIfTI nor a picture")


def _looks_like_nifti(head: bytes) -> bool:
    """Tell from the header's length field and magic, NIfTI-1 or NIfTI-2, gzipped or not."""
    if head.startswith(GZIP_MAGIC):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 540)
        except zlib.error:
            return False
    return head[344:348] in {b"n+1\x00", b"ni1\x00"} or head[4:8] in {b"n+2\x00", b"ni2\x00"}
