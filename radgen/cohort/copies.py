"""Exact copies: the same bytes under several names in one archive, also in folders of different classes.

The inventory finds them, because it knows all files; the cohort settles them, because it knows classes and masks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from radgen.cohort.archives import Roots
from radgen.cohort.candidates import Candidate
from radgen.cohort.refusal import Reason


def find_copies(candidates: Sequence[Candidate], digests: Mapping[str, str], roots: Roots) -> list[str | None]:
    """Find series whose files are equal byte for byte.

    Parameters
    ----------
    candidates
        Of all archives; only those of one archive are compared.
    digests
        Path to the digest of a file's size and ends: files with different ones are not opened.
    roots
        Where files lie.

    Returns
    -------
    list
        For each candidate the digest of all its bytes if there are copies of it, else None.
    """
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, candidate in enumerate(candidates):
        ends = tuple(digests[path] for path in candidate.paths)
        alike.setdefault((candidate.archive, candidate.repeat, ends), []).append(place)
    found: list[str | None] = [None] * len(candidates)
    for places in alike.values():
        if len(places) == 1:
            continue
        whole: dict[str, list[int]] = {}
        for place in places:
            whole.setdefault(_digest(candidates[place], roots), []).append(place)
        for digest, equal in whole.items():
            for place in equal if digest and len(equal) > 1 else ():
                found[place] = digest
    return found


def _digest(candidate: Candidate, roots: Roots) -> str:
    """Return the digest of all bytes of a series' files; empty if one cannot be read, which its reader will tell."""
    state = hashlib.blake2b(f"{candidate.archive} {candidate.repeat}".encode(), digest_size=16)
    try:
        for path in candidate.paths:
            with roots.locate(path).open("rb") as file:
                state.update(hashlib.file_digest(file, "blake2b").digest())
    except OSError:
        return ""
    return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Copy:
    """One of several series of equal bytes."""

    group: str  # the same for all of them
    place: int  # its row in the inventory
    path: str  # of its first file
    label: str  # what it is filed as, also outside the study's classes; empty where nothing is said
    usable: bool  # whether it would otherwise be used


def settle_copies(copies: Iterable[Copy]) -> dict[int, tuple[Reason, str]]:
    """Decide which copy is used: the first by path, or none where they are filed as different classes.

    Returns
    -------
    dict
        Place of each usable row that is set aside to the reason.
    """
    groups: dict[str, list[Copy]] = {}
    for item in copies:
        groups.setdefault(item.group, []).append(item)
    aside: dict[int, tuple[Reason, str]] = {}
    for items in groups.values():
        filed = {item.label for item in items} - {""}
        kept = [item.place for item in sorted(items, key=lambda item: item.path) if item.usable]
        if len(filed) > 1:
            text = f"the archive holds this image {len(items)} times, filed as {len(filed)} classes; which is right?"
            aside |= dict.fromkeys(kept, (Reason.CONFLICT, text))
        else:
            text = f"the archive holds this image {len(items)} times; the first by path is used"
            aside |= dict.fromkeys(kept[1:], (Reason.DUPLICATE, text))
    return aside
