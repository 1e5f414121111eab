"""Walk an archive and look at every file once: what it is by its content, and its header. No pixels are decoded."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from radgen.cohort import dicom_headers, nifti, npy, nrrd, pictures
from radgen.cohort.dicom_headers import DicomHeader
from radgen.cohort.guarded import Guard, GuardedPool, Lost
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.inflate import inflated_head
from radgen.cohort.refusal import Reason, RefusalError, distrusting, time_limit
from radgen.cohort.walk import Entry, walk
from radgen.errors import InputError

# A file's content is recognised by its size and so much of both its ends.
END_BYTES = 1 << 16
TEXTS = {".txt", ".md", ".rst", ".log", ".html", ".htm", ".pdf", ".docx", ".py", ".sh"}
TABLES = {".csv", ".tsv", ".xlsx", ".json", ".xml", ".yaml", ".yml", ".bval", ".bvec", ".sha256", ".md5"}
SIDE_NAMES = frozenset(
    {"license", "readme", "dicomdir", "thumbs.db", "desktop.ini", "lockfile", "version", "changelog"}
)
PACKED_MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ\x00", b"BZh")
# The most voxels, of all frames or time points together, that a header may promise; what promises more is not opened
# further. 4 x 10^9 is 8 GB of 16-bit values: a whole body CT has 0.5 x 10^9, an hour of functional MR 1.5 x 10^9.
MAX_VOXELS = 4_000_000_000
HEADER_SECONDS = 120.0  # of processor time; a header takes milliseconds, one of 10,000 frames a few seconds
FILES_PER_TASK = 64
# Of one task; the limit of single files stands above.
GUARD = Guard(seconds=2 * HEADER_SECONDS, memory_bytes=16 << 30)


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """What one look at a file found.

    Parameters
    ----------
    path
        Relative to the archive, with forward slashes.
    digest
        Of its size and both its ends.
    header
        Header of a readable image.
    refusal
        Why it cannot be used; exactly one of header and refusal is given.
    figure, unit
        What the refusal measured.
    """

    path: str
    digest: str
    header: DicomHeader | VolumeHeader | None
    refusal: tuple[Reason, str] | None
    figure: float | None = None
    unit: str = ""

    @property
    def folder(self) -> PurePosixPath:
        """The folder that holds the file, relative to the archive."""
        return PurePosixPath(self.path).parent


def scan_archive(archive: Path, class_tag: str, workers: int, max_voxels: int = MAX_VOXELS) -> list[ScannedFile]:
    """Look at every file of an archive, in order of their paths.

    Parameters
    ----------
    archive
        A folder; hidden files and folders in it are not looked at, links are not followed out of it (see `walk`).
    class_tag
        DICOM keyword whose value is kept, or empty.
    workers
        Processes that read headers.
    max_voxels
        The most that one file may promise.

    Raises
    ------
    InputError
        The archive is not a folder.
    """
    if not archive.is_dir():
        msg = f"{archive}: no such folder; give the archive's path in the config or as ARCHIVE="
        raise InputError(msg)
    look = partial(_scan_entry, archive, class_tag=class_tag, max_voxels=max_voxels)
    entries = walk(archive)
    if workers == 1 or len(entries) < 4 * FILES_PER_TASK:
        return [look(entry) for entry in entries]
    return _scan_guarded(look, entries, workers)


def _scan_guarded(look: Callable[[Entry], ScannedFile], entries: Sequence[Entry], workers: int) -> list[ScannedFile]:
    """Look at many files in child processes; those of a task whose process ended once more, one by one."""
    tasks = [entries[start : start + FILES_PER_TASK] for start in range(0, len(entries), FILES_PER_TASK)]
    found: list[ScannedFile] = []
    with GuardedPool(partial(_look_at_all, look), workers, GUARD) as pool:
        done = list(zip(tasks, pool.map(tasks), strict=True))
        for task, result in done:
            if not isinstance(result, Lost):
                found += result
                continue
            for entry, single in zip(task, pool.map([[entry] for entry in task]), strict=True):
                found.append(_lost(entry, single.sentence) if isinstance(single, Lost) else single[0])
    return found


def _look_at_all(look: Callable[[Entry], ScannedFile], entries: Sequence[Entry]) -> list[ScannedFile]:
    return [look(entry) for entry in entries]


def _lost(entry: Entry, sentence: str) -> ScannedFile:
    return ScannedFile(entry.path, "", None, (Reason.UNDECODABLE, sentence))


def _scan_entry(archive: Path, entry: Entry, class_tag: str, max_voxels: int) -> ScannedFile:
    if entry.refusal is not None:
        return ScannedFile(entry.path, "", None, entry.refusal)
    return scan_file(archive, entry.path, class_tag, max_voxels)


def scan_file(archive: Path, path: str, class_tag: str, max_voxels: int = MAX_VOXELS) -> ScannedFile:
    """Look at one file; whatever is wrong with it becomes its refusal."""
    digest = ""
    try:
        head, tail, digest = _ends(archive / path)
        with distrusting(Reason.TRUNCATED, "the header"), time_limit(HEADER_SECONDS):
            header = _header(archive / path, head, tail, class_tag)
        _check_size(header, max_voxels)
        return ScannedFile(path, digest, header, None)
    except RefusalError as refusal:
        measured = (refusal.figure, refusal.unit)
        return ScannedFile(path, digest, None, (refusal.reason, refusal.sentence), *measured)
    except OSError as error:
        return ScannedFile(path, digest, None, (Reason.UNREADABLE, f"the file cannot be read ({error.strerror})"))
    except MemoryError:
        return ScannedFile(path, digest, None, (Reason.TOO_LARGE, "the header asks for more memory than there is"))


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


def _header(path: Path, head: bytes, tail: bytes, class_tag: str) -> DicomHeader | VolumeHeader:
    if head[128:132] == b"DICM":
        return dicom_headers.read_header(path, class_tag)
    if nifti.looks_like_nifti(head):
        return nifti.read_header(path)
    if head.startswith(nrrd.MAGIC):
        return nrrd.read_header(path)
    if head.startswith(npy.MAGIC):
        return npy.read_header(path)
    if pictures.looks_like_picture(head):
        return pictures.read_header(path, head, tail)
    name = path.name.lower()
    if path.suffix.lower() in TEXTS | TABLES or name.split(".")[0] in SIDE_NAMES:
        raise RefusalError(Reason.SIDE_FILE, "a text or table beside the images")
    if not head:
        raise RefusalError(Reason.TRUNCATED, "the file is empty")
    if _looks_packed(head):
        raise RefusalError(Reason.PACKED, "a packed archive (zip, tar, 7z, rar) is not unpacked; unpack its images")
    raise RefusalError(Reason.FOREIGN, "the content is neither DICOM, NIfTI, NRRD, NumPy nor a picture")


def _check_size(header: DicomHeader | VolumeHeader, max_voxels: int) -> None:
    promised = math.prod((*header.shape, getattr(header, "frames", 1), getattr(header, "volumes", 1)))
    if promised > max_voxels:
        text = f"the header promises {promised} voxels where {max_voxels} are the most; raise inventory.max_gigavoxels"
        raise RefusalError(Reason.TOO_LARGE, text, float(promised), "voxels")


def _looks_packed(head: bytes) -> bool:
    """Tell by magic: zip, 7z, rar, xz, bzip2, or a tar, gzipped or not."""
    return head.startswith(PACKED_MAGICS) or inflated_head(head)[257:262] == b"ustar"
