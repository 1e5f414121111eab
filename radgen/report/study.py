"""A study's results as the report reads them: tables by their name in the path table, with checked columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.paths import TABLE
from radgen.provenance import read_manifest
from radgen.report.settings import ReportSettings, StudyFacts
from radgen.settings import build


class StudyResults:
    """Read-only view of one results folder.

    Parameters
    ----------
    root
        The study's results folder, `results/<study>`.
    report, facts
        What the user chose, and what every caption must state.
    shareable
        Whether what is made of it may leave the house: no pixel, key or name of a patient's image.
    """

    def __init__(self, root: Path, report: ReportSettings, facts: StudyFacts, *, shareable: bool = False) -> None:
        self.root = root
        self.report = report
        self.facts = facts
        self.shareable = shareable
        self._tables: dict[Path, pd.DataFrame] = {}
        self._images: dict[Path, ImageSet] = {}

    def path(self, key: str, **wildcards: str) -> Path:
        """Return where an output lies, by its name in the path table."""
        return self.root / TABLE[key].format(**wildcards)

    def has(self, key: str, **wildcards: str) -> bool:
        """Tell whether an output exists."""
        return self.path(key, **wildcards).exists()

    def table(self, key: str, columns: Sequence[str], **wildcards: str) -> pd.DataFrame:
        """Read a table that must hold some columns.

        Raises
        ------
        InputError
            The table is missing, unreadable, or lacks a column.
        """
        path = self.path(key, **wildcards)
        if path not in self._tables:
            try:
                self._tables[path] = pd.read_parquet(path)
            except (OSError, ValueError) as error:
                msg = f"{path}: not a readable table ({error}); run the stage that writes it"
                raise InputError(msg) from error
        frame = self._tables[path]
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            found = ", ".join(map(str, frame.columns))
            msg = f"{path}: column {missing[0]!r} is missing, columns are {found}; run the stage that writes it again"
            raise InputError(msg)
        return frame

    def images(self, key: str, **wildcards: str) -> ImageSet:
        """Open an image set by the name of its index; opened once."""
        path = self.path(key, **wildcards)
        if path not in self._images:
            self._images[path] = ImageSet(path)
        return self._images[path]

    def pixels_of(self, image_ids: Sequence[str], key: str, **wildcards: str) -> NDArray[np.uint8]:
        """Return the images of some ids, uint8 [n, C, H, W], in their order.

        Raises
        ------
        InputError
            The image set does not hold one of them.
        """
        images = self.images(key, **wildcards)
        place_of = {name: place for place, name in enumerate(images.column("image_id"))}
        missing = [name for name in image_ids if name not in place_of]
        if missing:
            path = self.path(key, **wildcards)
            msg = f"{path}: {len(missing)} images named by another table are not in it; run the later stage again"
            raise InputError(msg)
        return images.images([place_of[name] for name in image_ids])

    def manifest(self, key: str, **wildcards: str) -> dict[str, Any] | None:
        """Read a manifest, or return None where the stage is not in this study."""
        path = self.path(key, **wildcards)
        return read_manifest(path) if path.is_file() else None

    @cached_property
    def manifests(self) -> list[tuple[str, dict[str, Any]]]:
        """Every manifest but the report's own, each with its place, in the order of the walk of the data."""
        patterns = [path for key, path in TABLE.items() if key.endswith("manifest") and "report/" not in path]
        globs = [re.sub(r"\{\w+\}", "*", pattern) for pattern in patterns]
        places = dict.fromkeys(path for pattern in globs for path in sorted(self.root.glob(pattern)))
        return [(path.relative_to(self.root).as_posix(), read_manifest(path)) for path in places]

    def stage_settings(self, stage: str) -> dict[str, Any]:
        """Return the settings that a stage's first manifest records, budget among them; empty where there is none."""
        for _, manifest in self.manifests:
            what = manifest["what"]
            if what.get("stage") == stage:
                return {"budget_images": what.get("budget_images"), **(what.get("settings") or {})}
        return {}

    @property
    def sources(self) -> list[str]:
        """Names of the generators in the order of the configuration."""
        return list(self.facts.sources)

    @property
    def is_annotated(self) -> bool:
        """Whether images of a generator are annotated, or are to be; images painted on maps have masks already."""
        facts = self.facts
        packs = [self.has("annotate.pack", source=one, round=name) for one in self.sources for name in facts.rounds]
        return facts.simulated_annotator or facts.awaiting is not None or any(packs)

    @property
    def class_names(self) -> list[str]:
        """Class names in the order of their ids, from the real image set."""
        index = self.images("slices.index")
        pairs = {
            (int(i), str(n)) for i, n in zip(index.column("class_id"), index.column("class_name"), strict=True) if n
        }
        return [name for _, name in sorted(pairs)]

    def kind_of(self, source: str) -> str:
        """Return the kind of a source: gan where nothing else is said."""
        return self.facts.kinds.get(source, "gan")

    def real_of(self, source: str) -> str:
        """Return the real images that a source learns from and is audited among: their index in the table of paths."""
        return "nodules.index" if self.kind_of(source) == "radiogenomic" else "slices.index"

    def can_make_again(self, source: str) -> bool:
        """Return whether `radgen regenerate` makes a source's images again: imported ones have no generator here."""
        return self.kind_of(source) != "images"

    def setting_of(self, source: str) -> str:
        """Return the ancestry setting of a source."""
        return self.facts.sources.get(source, "unknown")

    def dropped(self, part: str, source: str) -> frozenset[str]:
        """Return the ids of synthetic images that an audit found too close to a patient; none where there was none."""
        if not self.has("audit.images", part=part, source=source):
            return frozenset()
        rows = self.table("audit.images", ("image_id", "kept"), part=part, source=source)
        return frozenset(rows.loc[~rows["kept"].astype(bool), "image_id"].astype(str))

    def annotator_dice(self) -> float | None:
        """Return the mean validation Dice of the simulated annotator over its structures, or None."""
        if not self.facts.simulated_annotator or not self.has("annotator.scores"):
            return None
        return float(self.table("annotator.scores", ("structure", "dice"))["dice"].mean())

    def annotator_words(self) -> list[str]:
        """Return what must be said beside every result that rests on masks of synthetic images."""
        if not self.facts.simulated_annotator:
            return []
        dice = self.annotator_dice()
        told = "not yet measured" if dice is None else f"{dice:.2f}"
        return [f"Masks: simulated annotator, validation Dice {told}"]


def recorded_study(root: Path) -> StudyResults:
    """Open a results folder with the facts that the manifests of its pages record.

    Raises
    ------
    InputError
        None of its pages was written.
    """
    for key in ("report.manifest", "figures.manifest", "qc.manifest"):
        if (root / TABLE[key]).is_file():
            settings = read_manifest(root / TABLE[key])["what"]["settings"]
            facts = build(StudyFacts, settings["facts"], "facts")
            return StudyResults(root, build(ReportSettings, settings["report"], "report"), facts)
    msg = f"{root}: no page of this study was written; run `snakemake report`, or name another results folder"
    raise InputError(msg)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as plain dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def lent_surroundings(study: StudyResults, source: str) -> bool:
    """Return whether images of a semantic source stand in surroundings that other images lent."""
    manifest = study.manifest("sample.part_manifest", source=source)
    return bool(dig(manifest, "what", "settings", "semantic_sample", "surroundings_from") == "images")


def dig(plain: Any, *keys: str) -> Any:  # noqa: ANN401 - any JSON value
    """Follow keys into nested mappings; None where one is missing.

    >>> dig({"a": {"b": 1}}, "a", "b"), dig({"a": 1}, "a", "b")
    (1, None)
    """
    for key in keys:
        if not isinstance(plain, dict) or key not in plain:
            return None
        plain = plain[key]
    return plain


def spread(positions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Choose at most `count` positions evenly spread over the given ones, always the same.

    >>> spread(np.arange(10), 3).tolist()
    [1, 5, 8]
    """
    if len(positions) <= count:
        return positions
    places = ((np.arange(count) + 0.5) * len(positions) / count).astype(np.int64)
    return positions[places]
