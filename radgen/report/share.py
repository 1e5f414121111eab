"""What the shareable edition leaves out: pixels of the archive, synthetic images that may not leave, and places."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from radgen.errors import ReleaseError
from radgen.provenance import write_json
from radgen.report.album import Picture, files_of, in_edition, read_list
from radgen.report.settings import StudyFacts
from radgen.report.study import StudyResults
from radgen.safety.gate import release_of

HELD_BACK = "the release gate does not let these images leave"


def without_places(facts: StudyFacts) -> StudyFacts:
    """Return the facts without the folder in which masks are awaited: its path may name a person."""
    return dataclasses.replace(facts, awaiting=facts.awaiting and "a folder of this study")


def may_leave(study: StudyResults, key: str, source: str) -> frozenset[str]:
    """Return the ids of a source's images that its audit lets leave; none where it was not audited or failed."""
    try:
        return release_of(study.path(key, source=source)).kept
    except ReleaseError:
        return frozenset()


def copy_shareable(study: StudyResults, listing: Path, folder: Path) -> Path:
    """Copy the figures that may be seen into a folder that holds nothing else, and return the path of their list."""
    pictures, absent = read_list(listing)
    seen = in_edition(pictures, shareable=True)
    kept = [one for one in seen if not _held_back(study, one)]
    absent |= {one.name: HELD_BACK for one in seen if one not in kept}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (path for picture in kept for path in files_of(picture, listing.parent)):
        shutil.copyfile(path, folder / path.name)
    plain = [dataclasses.asdict(picture) for picture in kept]
    write_json(folder / listing.name, {"figures": plain, "absent": absent})
    return folder / listing.name


def _held_back(study: StudyResults, picture: Picture) -> bool:
    return bool(picture.shows) and not may_leave(study, picture.shows, picture.source)
