"""The album: every figure drawn is saved as PDF, PNG and CSV, and listed with its caption in `figures.json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from radgen.errors import InputError
from radgen.provenance import atomic_path, write_json
from radgen.report.film import write_gif
from radgen.report.gallery import Pixels, Sheet
from radgen.report.settings import StudyFacts
from radgen.report.style import DPI, add_marks, new_figure, save_figure

BANNER_IN = 0.26
KINDS = ("pdf", "png", "csv", "gif")  # a GIF only where a figure has a film
FRAMES_PER_SECOND = 6


@dataclass(frozen=True)
class Picture:
    """One figure of the report: its files lie beside `figures.json`."""

    name: str
    title: str
    caption: str
    section: str
    source: str
    real_pixels: bool
    width_px: int
    height_px: int
    film: bool = False
    stands_in: bool = False
    shows: str = ""


class Album:
    """Where figures go.

    Parameters
    ----------
    folder
        Folder of the figures.
    facts
        What every figure must state.
    """

    def __init__(self, folder: Path, facts: StudyFacts) -> None:
        self.folder = folder
        self.facts = facts
        self.pictures: list[Picture] = []
        self.absent: dict[str, str] = {}

    def new(self, height_in: float) -> Figure:
        """Return an empty figure, with room at its top for the banner of a trial."""
        return new_figure(height_in, margin_top_in=self.banner_in)

    def sheet(self, height_px: int) -> Sheet:
        """Return an empty figure laid out in pixels; its top is `sheet_top`."""
        figure = new_figure((height_px + self.sheet_top) / DPI)
        figure.set_layout_engine("none")
        return Sheet(figure)

    @property
    def banner_in(self) -> float:
        """Height that the banner of a trial takes at the top of a figure."""
        return BANNER_IN if self.trial_words else 0.0

    @property
    def sheet_top(self) -> int:
        """First free pixel row of a sheet: below the banner of a trial."""
        return round(BANNER_IN * DPI) if self.trial_words else 8

    @property
    def trial_words(self) -> str:
        """The banner of a trial, or nothing."""
        patients = self.facts.trial
        return "" if patients is None else f"TRIAL: limited to {patients} patients; its numbers prove nothing"

    def add(
        self,
        figure: Figure,
        name: str,
        *,
        section: str,
        title: str,
        caption: str,
        data: pd.DataFrame,
        simulated: Iterable[str] = (),
        source: str = "",
        real_pixels: bool = False,
        stands_in: bool = False,
        shows: str = "",
        film: Sequence[Pixels] = (),
    ) -> None:
        """Save a figure and remember its caption.

        Parameters
        ----------
        figure
            Drawn on `new`.
        name
            Stem of the files.
        section
            Section of the page it belongs to.
        title, caption
            Title and caption on the page; the caption is completed with what is simulated.
        data
            The numbers that are drawn, or the images that are shown; no patient, series or file may be named in it
            unless pixels of the archive can be seen.
        simulated
            More sentences on what is simulated here, beyond the archive.
        source
            The generator it is about, if one; the caption then states its setting.
        real_pixels
            Whether pixels of the archive can be seen.
        stands_in
            Whether it is for the shareable edition alone, in place of a figure that shows pixels of the archive.
        shows
            Name in the path table of the synthetic image set that can be seen, which its audit may hold back.
        film
            Frames [H, W, 3] of a film to lie beside it as GIF, if it has one.
        """
        facts = [*self._facts(source), *simulated]
        add_marks(figure, self._foot(facts), self.trial_words)
        width, height = save_figure(figure, self.folder / name)
        with atomic_path(self.folder / f"{name}.csv") as path:
            data.to_csv(path, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8")
        if film:
            write_gif(self.folder / f"{name}.gif", film, FRAMES_PER_SECOND)
        trial = [f"{self.trial_words}."] if self.trial_words else []
        full = " ".join([caption, *(f"{fact}." for fact in facts), *trial])
        self.pictures.append(
            Picture(name, title, full, section, source, real_pixels, width, height, bool(film), stands_in, shows)
        )

    def _facts(self, source: str) -> list[str]:
        facts = ["PHANTOM archive: simulated patients"] if self.facts.is_phantom else []
        if self.facts.automatic_labels:
            facts.append("Label maps of the archive are AUTOMATIC: made by a program, drawn by nobody")
        if source:
            facts.append(f"Generator {source}: {self.facts.sources.get(source, 'unknown')} setting")
        return facts

    def _foot(self, facts: list[str]) -> str:
        return "  ·  ".join([f"radgen study {self.facts.study}", *facts])

    def finish(self) -> None:
        """Write `figures.json` (pictures as drawn, absent ones with the reason) and remove pictures of former runs."""
        pictures = [dataclasses.asdict(picture) for picture in self.pictures]
        write_json(self.folder / "figures.json", {"figures": pictures, "absent": self.absent})
        ours = set(self.files())
        for path in (path for kind in KINDS for path in self.folder.glob(f"*.{kind}")):
            if path not in ours and not path.name.startswith("."):
                path.unlink()

    def files(self) -> list[Path]:
        """Return every file of the album, `figures.json` first."""
        files = [path for picture in self.pictures for path in files_of(picture, self.folder)]
        return [self.folder / "figures.json", *files]


def files_of(picture: Picture, folder: Path) -> list[Path]:
    """Return the files of one figure in its folder."""
    return [folder / f"{picture.name}.{kind}" for kind in KINDS if kind != "gif" or picture.film]


def in_edition(pictures: Sequence[Picture], *, shareable: bool) -> list[Picture]:
    """Return the pictures of one edition: the shareable one shows no pixel of the archive."""
    return [one for one in pictures if not (one.real_pixels if shareable else one.stands_in)]


def read_list(path: Path) -> tuple[list[Picture], dict[str, str]]:
    """Read what `Album.write_list` wrote.

    Raises
    ------
    InputError
        The file is missing or of another version.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return [Picture(**one) for one in plain["figures"]], dict(plain["absent"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: not a list of figures ({error}); run `radgen figures` again"
        raise InputError(msg) from error
