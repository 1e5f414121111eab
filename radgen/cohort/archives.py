"""The archives of one study: what each of them is, and where it lies."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from radgen.cohort.layouts import LAYOUTS
from radgen.cohort.settings import PATIENT_SOURCES
from radgen.errors import ConfigError
from radgen.imaging.settings import WindowSettings
from radgen.settings import section, setting

CHANNELS = ("", "grey", "rgb", "windows")


@section
class LabelSourceSettings:
    """Label maps of an archive's images that lie in another archive."""

    archive: str = setting("", "Name of the archive that holds the label maps; its images are of no use.")
    merge: str | None = setting(
        None,
        "CSV of columns source,structure[,name]: which source labels (numbers or names; name is what a number is "
        "called in DICOM SEG and in one file per structure) make up which structure. It fills structures.names and "
        "structures.map where those are empty.",
    )
    automatic: bool = setting(False, "Whether a program made them; captions of figures then say so.")


@section
class ArchiveSettings:
    """One archive of a study that reads several."""

    name: str = setting("", "Its name in tables: lower-case letters, digits, hyphens; may be empty for a single one.")
    path: str = setting("", "Folder of the images, read only.")
    layout: str = setting("auto", f"How its folders and tables are arranged: {' | '.join(LAYOUTS)}.")
    modality: str = setting(
        "",
        "Modality of all its series; left empty, what the file, the layout or inventory says. With a layout that holds "
        "several, the only modality that is used.",
    )
    anatomy: str = setting("", "Anatomy of all its series; left empty, the same.")
    patient_from: str = setting("", "Who is one patient in it; left empty, as inventory says, whose options it shares.")
    channels: str = setting("", "How its images become channels: grey | rgb | windows; left empty, as slices says.")
    window: WindowSettings | None = setting(None, "Its display window; null takes the study's.")
    labels: LabelSourceSettings | None = setting(None, "Where its label maps are, if not beside its images.")

    def __post_init__(self) -> None:
        """Refuse an unknown layout, odd names and channels."""
        if self.layout not in LAYOUTS:
            msg = f"layout: {self.layout!r} is not one of {', '.join(LAYOUTS)}"
            raise ValueError(msg)
        if self.patient_from not in {"", *PATIENT_SOURCES}:
            msg = f"patient_from: {self.patient_from!r} is not one of {', '.join(PATIENT_SOURCES)}"
            raise ValueError(msg)
        if self.channels not in CHANNELS:
            msg = f"channels: {self.channels!r} is not one of {', '.join(CHANNELS[1:])}"
            raise ValueError(msg)
        if not all(letter.isascii() and (letter.isalnum() or letter == "-") for letter in self.name.lower()):
            msg = f"name: {self.name!r} may hold letters, digits and hyphens"
            raise ValueError(msg)


def archive_table(archives: Iterable[ArchiveSettings]) -> dict[str, ArchiveSettings]:
    """Return archives by name, each once.

    Raises
    ------
    ValueError
        Two have one name, one of several has none, or labels are looked for in an archive that is not there.
    """
    several = tuple(archives)
    table = {archive.name: archive for archive in several}
    if len(table) < len(several) or (len(several) > 1 and "" in table):
        msg = f"archives: {len(several)} archives need as many names, got {', '.join(table) or 'none'}"
        raise ValueError(msg)
    for archive in several:
        if archive.labels is not None and archive.labels.archive not in table:
            known = ", ".join(table) or "none"
            msg = f"archives: labels of {archive.name!r} are looked for in {archive.labels.archive!r}; known: {known}"
            raise ValueError(msg)
    return table


@dataclass(frozen=True)
class Roots:
    """Where archives lie.

    A path in the private table is relative to its archive; with several archives the archive's name goes before it.

    Parameters
    ----------
    folders
        Archive name to folder; a single archive may have the empty name.

    Examples
    --------
    >>> Roots({"": Path("/data")}).locate("a/b.dcm").as_posix()
    '/data/a/b.dcm'
    >>> Roots({"ct": Path("/one"), "mr": Path("/two")}).locate("mr/b.dcm").as_posix()
    '/two/b.dcm'
    """

    folders: Mapping[str, Path]

    @classmethod
    def parse(cls, words: Iterable[str], names: Iterable[str] = ("",)) -> Roots:
        """Read what a command line says: one folder for an archive without a name, else `name=folder` for each.

        Raises
        ------
        ConfigError
            An archive has no folder, or a folder no archive.
        """
        given, wanted = list(words), set(names)
        if wanted == {""} and len(given) == 1:
            return cls({"": Path(given[0])})
        pairs = [word.partition("=") for word in given]
        folders = {name: Path(folder) for name, _, folder in pairs}
        if set(folders) != wanted or len(folders) != len(given):
            msg = (
                f"--archive: folders for {', '.join(sorted(folders)) or 'none'}, but the archives are "
                f"{', '.join(sorted(wanted))}; give name=folder once for each"
            )
            raise ConfigError(msg)
        return cls(folders)

    def words(self) -> list[str]:
        """Return what `parse` reads."""
        return [f"{name}={folder}" if name else str(folder) for name, folder in sorted(self.folders.items())]

    def locate(self, path: str) -> Path:
        """Return where a path of the private table is."""
        if "" in self.folders:
            return self.folders[""] / path
        name, _, rest = path.partition("/")
        return self.folders[name] / rest

    @staticmethod
    def prefix(name: str) -> str:
        """Return what goes before the paths of an archive."""
        return f"{name}/" if name else ""


def newest_folder_ns(archive: Path) -> int:
    """Return the newest modification time, in ns, of a folder and the folders in it, hidden ones left out.

    It changes when a file appears or vanishes in one of them. Not deeper: an archive may hold 100,000 patients.
    """
    with os.scandir(archive) as entries:
        folders = (entry for entry in entries if not entry.name.startswith(".") and entry.is_dir())
        return max([archive.stat().st_mtime_ns, *(entry.stat().st_mtime_ns for entry in folders)])
