"""An image set opened for export: its images one by one, and all that is known of each."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.schema import Label, label_schema
from radgen.errors import InputError
from radgen.export.notice import Origin
from radgen.export.splits import assign_splits
from radgen.imageset.core import ROWS_PER_BATCH, ImageSet
from radgen.provenance import SawPatients, read_manifest

IMPORT_STAGES = frozenset({"import_images", "source_images"})  # what another tool made, and a study takes as a source
DRAWING_STAGE = "radiogenomic_sample"  # around a nodule from genes lies a patient's healthy patch, pixel by pixel
UNKNOWN_SPACING_MM = 1.0


@dataclass(frozen=True, eq=False)
class Example:
    """One image on its way out.

    Attributes
    ----------
    row
        Its row of the index (columns of INDEX_SCHEMA).
    origin
        Where its pixels come from.
    split, group
        train, val or test; images of one group (a patient, or a synthetic image alone) share their split.
    truncation
        With which it was drawn, where its manifest says so.
    image, mask
        uint8 [C, H, W]; uint8 [H, W] of label ids, or None.
    """

    row: Mapping[str, Any]
    origin: Origin
    split: str
    group: str
    truncation: float | None
    image: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None

    @property
    def image_id(self) -> str:
        """Name of the image in its set."""
        return str(self.row["image_id"])

    @property
    def stem(self) -> str:
        """Name of its files."""
        return file_stem(self.image_id)

    @property
    def spacing_known(self) -> bool:
        """Whether millimetres are known."""
        return self.row["spacing_row_mm"] is not None and self.row["spacing_col_mm"] is not None

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Distance of rows and of columns; 1 mm where nothing is known."""
        if not self.spacing_known:
            return UNKNOWN_SPACING_MM, UNKNOWN_SPACING_MM
        return float(self.row["spacing_row_mm"]), float(self.row["spacing_col_mm"])

    def facts(self) -> dict[str, str]:
        """Return what every file should say of its image, as text."""
        known: dict[str, object] = {
            "image_id": self.image_id,
            "origin": self.origin.value,
            "class": self.row["class_name"],
            "source": self.row["source"],
            "generator": self.row["checkpoint"],
            "seed": self.row["seed"],
            "truncation": self.truncation,
            "patient": self.row["patient"],
            "split": self.split,
        }
        return {name: str(value) for name, value in known.items() if value is not None}


class ExportSet:
    """The images of a set in order of their ids; memory holds one batch of pixels, however many there are.

    Parameters
    ----------
    index
        `index.parquet` of the set.
    labels
        Names of the label ids; None takes them from the manifests, else label_1, label_2, ...
    shares
        Of train, val and test, for images without a split of their own.
    kept
        Ids of the images that go out; None for all.

    Raises
    ------
    InputError
        The set is empty, two ids would name one file, or a mask holds a label without a name.
    """

    def __init__(
        self,
        index: Path,
        labels: Sequence[Label] | None = None,
        shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
        kept: Collection[str] | None = None,
    ) -> None:
        self.index = index
        self.images = ImageSet(index)
        if kept is not None:
            chosen = [place for place, name in enumerate(self.images.column("image_id")) if name in kept]
            self.images = self.images.take(np.array(chosen, dtype=np.int64))
        if len(self.images) == 0:
            msg = f"{index}: the image set is empty, so there is nothing to export; see the rejects table of its stage"
            raise InputError(msg)
        self.order = _order(self.images, index)
        self._manifests = {shard: _manifest_of(index, shard) for shard in set(self.images.column("shard").tolist())}
        rows = self.images.table.select(["image_id", "source", "split", "patient"]).to_pylist()
        self.splits, self.groups = assign_splits(rows, shares)
        self.labels = tuple(labels) if labels is not None else self._own_labels()
        self._check_labels()

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Example]:
        for start in range(0, len(self), ROWS_PER_BATCH):
            places = self.order[start : start + ROWS_PER_BATCH]
            rows = self.images.table.take(places).to_pylist()
            images = self.images.images(places)
            masks = self.images.masks(places) if self.images.has_masks else [None] * len(places)
            for place, row, image, mask in zip(places.tolist(), rows, images, masks, strict=True):
                yield Example(
                    row=row,
                    origin=self._origin(row),
                    split=self.splits[place],
                    group=self.groups[place],
                    truncation=self._truncation(row["shard"]),
                    image=image,
                    mask=mask,
                )

    def table(self) -> Iterator[dict[str, Any]]:
        """Yield what is known of each image, without its pixels: its row, and origin, splits, generator, truncation."""
        for start in range(0, len(self), ROWS_PER_BATCH):
            places = self.order[start : start + ROWS_PER_BATCH]
            for place, row in zip(places.tolist(), self.images.table.take(places).to_pylist(), strict=True):
                yield row | {
                    "origin": self._origin(row).value,
                    "own_split": row["split"],
                    "split": self.splits[place],
                    "generator": row["checkpoint"],
                    "truncation": self._truncation(row["shard"]),
                    "window_low": _numbers(row["window_low"]),
                    "window_high": _numbers(row["window_high"]),
                }

    @property
    def has_masks(self) -> bool:
        """Whether every image has a mask."""
        return self.images.has_masks

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return self.images.image_shape[0]

    @functools.cached_property
    def origins(self) -> dict[Origin, int]:
        """Count images by origin."""
        rows = self.images.table.select(["source", "shard"]).to_pylist()
        found = [self._origin(row) for row in rows]
        return {origin: found.count(origin) for origin in Origin if origin in found}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in order of their ids, then those without an id."""
        pairs = set(zip(self.images.column("class_id").tolist(), self.images.column("class_name"), strict=True))
        named = [(number, name) for number, name in pairs if name is not None]
        known = sorted((number, name) for number, name in named if number is not None and number == number)  # noqa: PLR0124
        return tuple(dict.fromkeys([name for _, name in known] + sorted(name for _, name in named)))

    @property
    def patients(self) -> int:
        """Count the patients whose images are in the set."""
        return len({patient for patient in self.images.column("patient") if patient is not None})

    @property
    def ancestry(self) -> SawPatients:
        """Return the patients behind the set, as its manifests know them."""
        total = SawPatients()
        for manifest in self._manifests.values():
            total |= SawPatients.from_json(manifest["what"]["saw_patients"]) if manifest else _unknown(self.index)
        return total

    def _origin(self, row: Mapping[str, Any]) -> Origin:
        if row["source"] == "real":
            return Origin.REAL
        manifest = self._manifests[row["shard"]]
        stage = manifest["what"].get("stage") if manifest else None
        if stage in IMPORT_STAGES:
            return Origin.IMPORTED
        return Origin.DRAWN_INTO_REAL if stage == DRAWING_STAGE else Origin.SYNTHETIC

    def _truncation(self, shard: str) -> float | None:
        settings = (self._manifests[shard] or {"what": {}})["what"].get("settings", {})
        found = settings.get("sample", {}).get("truncation")
        return None if found is None else float(found)

    def _own_labels(self) -> tuple[Label, ...]:
        if not self.has_masks:
            return ()
        for manifest in self._manifests.values():
            settings = (manifest or {"what": {}})["what"].get("settings", {})
            if painted := settings.get("labels", {}).get("labels"):  # what semantic synthesis painted on
                return tuple(Label(row["id"], row["name"], _colour(row["colour"])) for row in painted)
            found = settings.get("structures")
            names = found.get("names") if isinstance(found, dict) else found
            if names:
                return label_schema(names)
        return label_schema([f"label_{number}" for number in range(1, self._largest_label + 1)])

    @functools.cached_property
    def _largest_label(self) -> int:
        starts = range(0, len(self), ROWS_PER_BATCH)
        return max(int(self.images.masks(self.order[start : start + ROWS_PER_BATCH]).max()) for start in starts)

    def _check_labels(self) -> None:
        ids = [label.id for label in self.labels]
        if ids != list(range(len(ids))):
            msg = f"labels: ids are {ids}, but they must run from 0 (background) without a gap; renumber labels.json"
            raise InputError(msg)
        if self.has_masks and self._largest_label >= len(ids):
            msg = (
                f"{self.index.parent}: masks hold label {self._largest_label}, but names go to {len(ids) - 1} only; "
                "give --labels a labels.json that names all of them"
            )
            raise InputError(msg)


def file_stem(image_id: str) -> str:
    """Return an image's id as the name of files on any disk; ids hold names of classes, which may hold anything.

    >>> file_stem("main_liver_000001"), file_stem("main_say 'a'_000001"), file_stem("../-x")
    ('main_liver_000001', 'main_say--a-_000001', 'x')
    """
    return re.sub(r"[^\w.-]", "-", image_id).lstrip(".-")


def _order(images: ImageSet, index: Path) -> NDArray[np.int64]:
    ids = images.column("image_id").tolist()
    stems = [file_stem(name) for name in ids]
    lowered = Counter(stem.lower() for stem in stems)
    double = next((name for name, stem in zip(ids, stems, strict=True) if lowered[stem.lower()] > 1), None)
    if double is not None:
        msg = (
            f"{index}: image id {double!r} names the same file as another, {file_stem(double).lower()!r}; "
            "ids must differ in letters and digits, capitals apart"
        )
        raise InputError(msg)
    if "" in stems:
        msg = f"{index}: image id {ids[stems.index('')]!r} holds nothing to name a file by; give it letters or digits"
        raise InputError(msg)
    return np.array(sorted(range(len(ids)), key=lambda place: ids[place]), dtype=np.int64)


def _manifest_of(index: Path, shard: str) -> dict[str, Any] | None:
    """Return the manifest nearest to a shard: its own, that of its folder, or that of the index."""
    base = index.parent / shard
    for path in (base.with_name(f"{base.name}.manifest.json"), base.parent / "manifest.json"):
        if path.is_file():
            return read_manifest(path)
    beside = index.parent / "manifest.json"
    return read_manifest(beside) if beside.is_file() else None


def _colour(text: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _numbers(values: list[float] | None) -> str:
    return " ".join(f"{value:g}" for value in values or ())


def _unknown(index: Path) -> SawPatients:
    return SawPatients(unknown=frozenset({f"{index.parent.name}: no manifest beside the image set"}))
