"""Masks that came back, against the pack that went out: every problem is named before anything is used."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.annotation.agreement import agreement_table
from radgen.annotation.doubts import Doubt, find_doubts
from radgen.annotation.importers import Format, files_of, format_of, formats
from radgen.annotation.merge import Painted, agree_on, paint, undecided_px
from radgen.annotation.pack import GENERATOR_FILE, Pack
from radgen.annotation.returned import Returned, Sizes
from radgen.annotation.schema import Label, label_schema
from radgen.annotation.seconds import read_seconds, seconds_of
from radgen.annotation.waiting import MASKS_FOLDER, annotator_of, mask_files
from radgen.errors import AnnotationError

SHOWN_PROBLEMS = 8  # a longer list is not read


@dataclass
class Gathered:
    """All that came back to a pack's folder: masks that can be read, and what is wrong with the others."""

    painted: list[Painted] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def by_image(self) -> dict[str, list[Painted]]:
        """Masks by image id, sorted by it, those of one image by annotator."""
        found: dict[str, list[Painted]] = {}
        for item in sorted(self.painted, key=lambda item: (item.image_id, item.who)):
            found.setdefault(item.image_id, []).append(item)
        return found

    def add(self, item: Painted) -> None:
        """Take a mask in, unless the same annotator's mask of the same image is there already."""
        for other in self.painted:
            if (other.image_id, other.annotator) == (item.image_id, item.annotator):
                by = f" by {item.annotator}" if item.annotator else ""
                found = f"{item.file}: a second mask for {item.image_id}{by}; keep one of them"
                self.problems.append(f"{found} (the first is in {other.file})")
                return
        self.painted.append(item)


@dataclass(frozen=True, eq=False)
class Collected:
    """One mask for each image, and what is to be known of them.

    Attributes
    ----------
    masks
        Image id to uint8 [H, W] of label ids, sorted by id; images without a mask are left out.
    by_image
        What each of them was made of.
    seconds
        Spent on an image, where known.
    agreement
        Of annotators (columns of AGREEMENT_SCHEMA).
    doubts
        That were accepted.
    """

    masks: dict[str, NDArray[np.uint8]]
    by_image: Mapping[str, Sequence[Painted]]
    seconds: dict[str, float]
    agreement: pa.Table
    doubts: Sequence[Doubt]

    @property
    def overlaps(self) -> dict[str, int]:
        """Image id to pixels on which labels overlapped, of the annotator with most; images without any left out."""
        most = {image_id: max(item.overlap_px for item in painted) for image_id, painted in self.by_image.items()}
        return {image_id: pixels for image_id, pixels in most.items() if pixels}

    @property
    def undecided(self) -> dict[str, int]:
        """Image id to pixels that no label has a majority of; images of one annotator, or without any, left out."""
        counts = {image_id: undecided_px(painted) for image_id, painted in self.by_image.items()}
        return {image_id: pixels for image_id, pixels in counts.items() if pixels}

    @property
    def annotators(self) -> dict[str, str]:
        """Image id to the names of those who painted it."""
        return {image_id: "; ".join(item.who for item in painted) for image_id, painted in self.by_image.items()}


def gather(folder: Path, pack: Pack, overlap: str) -> Gathered:
    """Read all masks of a pack's folder, those of each annotator apart.

    Parameters
    ----------
    folder
        The pack's folder, in which `masks` lies.
    pack
        What went out.
    overlap
        What becomes of overlapping regions (see `radgen.annotation.merge`).

    Raises
    ------
    AnnotationError
        The folder is empty, or belongs to another generator. Faults of single files are listed in the result.
    """
    files = mask_files(folder)
    if not files:
        msg = f"{folder / MASKS_FOLDER}: no masks yet; paint the images of {folder / 'images'} as its README.txt says"
        raise AnnotationError(msg)
    _check_generator(folder, pack)
    sizes = {image_id: pack.image(image_id).shape for image_id in pack.rows}
    known = formats(folder)
    found = Gathered()
    for path in files:
        for returned in _read(path, known, sizes, pack.labels, found.problems):
            try:
                found.add(paint(returned, overlap, annotator_of(path, folder)))
            except AnnotationError as error:
                found.problems.append(str(error))
    return found


def collect(
    folder: Path, pack: Pack, *, overlap: str = "label", consensus: str = "refuse", doubt: str = "refuse"
) -> Collected:
    """Read all masks of a pack's folder, one for each image.

    Parameters
    ----------
    folder, pack, overlap
        As for `gather`.
    consensus
        What becomes of images that several people painted (see `radgen.annotation.merge`).
    doubt
        Whether doubtful masks (see `radgen.annotation.doubts`) are an error: refuse, or note.

    Raises
    ------
    AnnotationError
        The folder is empty, belongs to another generator, or a mask cannot be used. All unusable files are named.
    """
    gathered = gather(folder, pack, overlap)
    refuse(gathered, folder)
    by_image = gathered.by_image
    masks: dict[str, NDArray[np.uint8]] = {}
    for image_id, painted in by_image.items():
        try:
            masks[image_id] = agree_on(painted, consensus)
        except AnnotationError as error:
            gathered.problems.append(str(error))
    refuse(gathered, folder)
    doubts = doubts_of(gathered, pack)
    if doubts and doubt == "refuse":
        listed = _listed([item.sentence for item in doubts])
        msg = (
            f"{folder / MASKS_FOLDER}: doubtful masks: {listed}. `radgen annotate-check {folder}` shows them; if they "
            "are right, set annotation.doubt to note"
        )
        raise AnnotationError(msg)
    seconds = seconds_of(by_image, read_seconds(folder, list(pack.rows)))
    return Collected(masks, by_image, seconds, agreement_table(by_image, pack.labels), doubts)


def doubts_of(gathered: Gathered, pack: Pack) -> list[Doubt]:
    """Return what is doubtful about the masks that could be read."""
    images = {image_id: pack.image(image_id) for image_id in gathered.by_image}
    return find_doubts(gathered.painted, images, pack.labels)


def refuse(gathered: Gathered, folder: Path) -> None:
    """Raise an AnnotationError that names all problems, if there are any."""
    if gathered.problems:
        count = len(gathered.problems)
        of = f"{count} of {count + len(gathered.painted)} masks"
        msg = f"{folder / MASKS_FOLDER}: {of} cannot be used: {_listed(gathered.problems)}"
        raise AnnotationError(msg)


def check_labels(pack: Pack, structures: Sequence[str], colours: Sequence[str] = ()) -> Pack:
    """Return a pack with the study's labels: structures may have been added after those it went out with.

    The pack's own labels keep their ids and colours, so masks painted before stay what they are.

    Raises
    ------
    AnnotationError
        The pack's labels are not the first of the study's structures; with both lists.
    """
    painted = [label.name for label in pack.labels[1:]]
    if painted != list(structures[: len(painted)]):
        msg = (
            f"{pack.folder / 'labels.json'}: names {', '.join(painted)}, but the study's structures are "
            f"{', '.join(structures)}; keep the first ones as they were and add new ones at the end, or run "
            "annotate-pack again"
        )
        raise AnnotationError(msg)
    added = label_schema(structures, colours)[len(pack.labels) :]
    return dataclasses.replace(pack, labels=(*pack.labels, *added))


def _listed(sentences: Sequence[str]) -> str:
    rest = f"; and {len(sentences) - SHOWN_PROBLEMS} more" if len(sentences) > SHOWN_PROBLEMS else ""
    return "; ".join(sentences[:SHOWN_PROBLEMS]) + rest


def _read(
    path: Path, known: Sequence[Format], sizes: Sizes, labels: Sequence[Label], problems: list[str]
) -> Iterator[Returned]:
    """Read a file of masks, or all that an archive holds; what is wrong with one becomes a problem, others go on."""
    try:
        with files_of(path, known) as inside:
            for file in inside:
                try:
                    yield from format_of(file, known).read(file, sizes, labels)
                except AnnotationError as error:
                    problems.append(str(error) if file is path else f"{path.name}: {error}")
    except AnnotationError as error:
        problems.append(str(error))


def _check_generator(folder: Path, pack: Pack) -> None:
    path = folder / MASKS_FOLDER / GENERATOR_FILE
    try:
        painted_for = str(json.loads(path.read_text(encoding="utf-8"))["generator"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = (
            f"{path}: missing or unreadable, so it is not known for which generator these masks were painted "
            f"(this pack's is {pack.generator}); put back the file that came with the pack the masks were painted from"
        )
        raise AnnotationError(msg) from error
    if painted_for != pack.generator:
        msg = (
            f"{path.parent}: these masks were painted for images of generator {painted_for}, but this pack is of "
            f"generator {pack.generator}; move them away and paint this pack, or bring that generator back"
        )
        raise AnnotationError(msg)
