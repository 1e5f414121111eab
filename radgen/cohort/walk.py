"""Find the files of an archive without trusting its tree: links, pipes, bad names and locked folders become reasons."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from radgen.cohort.refusal import Reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in the archive.

    Parameters
    ----------
    path
        Relative to the archive, with forward slashes; bytes that are no UTF-8 are written in hexadecimal.
    refusal
        Why it must not be opened; None for a file.
    """

    path: str
    refusal: tuple[Reason, str] | None = None


def walk(archive: Path) -> list[Entry]:
    """List everything below a folder, hidden names left out, in order of paths.

    The tree is walked without recursion, so its depth costs nothing. A link is never followed out of the archive: what
    is linked from outside may belong to somebody else. A link to what the archive holds is set aside, because its
    target is found where it lies; only a link to a hidden file (as DataLad keeps them) is the file's one visible place.
    """
    root = os.path.realpath(archive)
    waiting, found = [root], []
    hidden: set[str] = set()
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                names = sorted(
                    (entry for entry in entries if not entry.name.startswith(".")), key=lambda item: item.name
                )
                for entry in names:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        found.append(Entry(_shown(entry.path, root), _refusal(entry, root, hidden)))
        except OSError as error:
            text = f"the folder cannot be read ({error.strerror}); what it holds is not used"
            found.append(Entry(_shown(folder, root), (Reason.UNREADABLE, text)))
    return sorted(found, key=lambda item: item.path)


def _shown(path: str, root: str) -> str:
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    return os.fsencode(relative).decode("utf-8", "backslashreplace")


def _refusal(entry: os.DirEntry[str], root: str, hidden: set[str]) -> tuple[Reason, str] | None:
    if not _is_utf8(os.path.relpath(entry.path, root)):
        return Reason.UNREADABLE, "the file's path is not UTF-8; rename the file or its folder (convmv does it)"
    if entry.is_symlink():
        return _link_refusal(os.path.realpath(entry.path), root, hidden)
    if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        return Reason.FOREIGN, "a pipe, socket or device, which is not opened"
    return None


def _link_refusal(target: str, root: str, hidden: set[str]) -> tuple[Reason, str] | None:
    inside = os.path.relpath(target, root)
    if inside.startswith(os.pardir):
        text = "a link that leads out of the archive is not followed; put the file itself here, or name its folder"
        return Reason.OUTSIDE_LINK, text
    if not os.path.exists(target):  # noqa: PTH110 - realpath gave a string
        return Reason.UNREADABLE, "a link to a file that is not there"
    is_hidden_file = any(part.startswith(".") for part in Path(inside).parts) and os.path.isfile(target)  # noqa: PTH113
    if not is_hidden_file or target in hidden:
        return Reason.DUPLICATE, "a link to what the archive holds, which is used where it lies"
    hidden.add(target)
    return None


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
