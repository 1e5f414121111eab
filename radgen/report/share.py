"""What the shareable edition leaves out: figures with pixels of the archive, and places on this machine."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from radgen.provenance import write_json
from radgen.report.album import files_of, in_edition, read_list
from radgen.report.settings import StudyFacts


def without_places(facts: StudyFacts) -> StudyFacts:
    """Return the facts without the folder in which masks are awaited: its path may name a person."""
    return dataclasses.replace(facts, awaiting=facts.awaiting and "a folder of this study")


def copy_shareable(listing: Path, folder: Path) -> Path:
    """Copy the figures that may be seen into a folder that holds nothing else, and return the path of their list."""
    pictures, absent = read_list(listing)
    kept = in_edition(pictures, shareable=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in (path for picture in kept for path in files_of(picture, listing.parent)):
        shutil.copyfile(path, folder / path.name)
    plain = [dataclasses.asdict(picture) for picture in kept]
    write_json(folder / listing.name, {"figures": plain, "absent": absent})
    return folder / listing.name
