"""Which label maps and which images a source may learn from, and on which validation maps it is scored.

Masks are what people drew, so `scarce-labels` shows those of the low patients alone. In the unpaired mode a patient is
on one side only: who has both a map and an image is dealt to one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import CohortError
from radgen.features.rows import patients_of, source_rows
from radgen.imageset.core import ImageSet
from radgen.provenance import SawPatients, by_split
from radgen.seeds import stable_unit
from radgen.semantic.maps.counts import LabelCounts, check_labels, count_labels, shows_structure, with_structures
from radgen.semantic.maps.schema import MapSchema
from radgen.semantic.maps.sides import ANYBODY, check_others, rows_of
from radgen.semantic.settings import SemanticSettings, maps_modality
from radgen.sources import SourceSettings

Rows = NDArray[np.int64]
SIDE_A, SIDE_B = "side A (maps)", "side B (images)"


@dataclass(frozen=True, eq=False)
class Sides:
    """Maps and images, each a set and positions int64 in its index; in the paired mode both are the same.

    Attributes
    ----------
    maps, map_rows
        Label maps.
    images, image_rows
        Images.
    paired
        Whether image i is that of map i.
    looked_at
        Whether the maps' own images are looked at too, to tell their background apart.
    """

    maps: ImageSet
    map_rows: Rows
    images: ImageSet
    image_rows: Rows
    paired: bool = False
    looked_at: bool = False

    def saw(self) -> SawPatients:
        """Return whose masks and whose pixels were seen; classes of maps come from who labelled them."""
        places = self.map_rows
        pairs = zip(self.maps.column("split")[places], self.maps.column("patient")[places], strict=True)
        masks = by_split((str(split), patient) for split, patient in pairs if patient is not None)
        saw = SawPatients(pixels=patients_of(self.images, self.image_rows), masks=masks)
        return saw | SawPatients(pixels=masks) if self.looked_at else saw


@dataclass(frozen=True)
class Rules:
    """What decides the rows: the source, the low fraction, the classes, and the training's own settings."""

    source: SourceSettings
    low: LowSettings
    classes: ClassSettings
    settings: SemanticSettings

    @property
    def few_masks(self) -> bool:
        """Whether only masks of low patients may be seen."""
        return self.source.setting == "scarce-labels"


def learning_sides(images: ImageSet, folder: ImageSet | None, rules: Rules) -> Sides:
    """Return the sides of training; maps of background alone are not yet left out.

    Parameters
    ----------
    images
        The study's real image set with masks.
    folder
        Label maps given in a folder of their own, or None.
    rules
        Settings.

    Raises
    ------
    CohortError
        A side is empty.
    """
    allowed = source_rows(images, rules.source, rules.low, rules.classes).pixels
    few = _low(images, images.rows_where(split="train"), rules.low)
    return _sides(images, folder, allowed, rules, few if rules.few_masks else None)


def validation_sides(images: ImageSet, rules: Rules) -> Sides:
    """Return validation maps and images, of patients that the source's setting allows: they choose weights.

    Maps and images of a patient may meet here, as nothing learns from them. A source with rows of its own is scored on
    these.

    Raises
    ------
    CohortError
        A side is empty.
    """
    if rules.source.train_on == "generator":
        rows = images.rows_where(split="generator")
    else:
        rows = images.rows_where(split="val")
    maps = rows
    if rules.few_masks or rules.source.train_on == "low":
        maps = _of(images, rows, _low(images, rows, rules.low).__contains__)
    shown = maps if rules.source.train_on == "low" else rows
    return _held_out(images, maps, shown, rules.settings)


def scored_sides(images: ImageSet, settings: SemanticSettings) -> Sides:
    """Return maps and images of test patients, on whom final scores are taken.

    Raises
    ------
    CohortError
        A side is empty.
    """
    rows = rows_of(images, ("test",), "the test patients' side")
    return _held_out(images, rows, rows, settings)


def of_image_modality(images: ImageSet, rows: Rows, settings: SemanticSettings) -> Rows:
    """Keep the rows whose modality is that of the images a source makes."""
    return _modality(images, rows, settings.image_modality, SIDE_B)


def of_map_modality(images: ImageSet, rows: Rows, modality: str | None) -> Rows:
    """Keep the rows whose modality is that of a source's maps.

    Raises
    ------
    CohortError
        None is.
    """
    return _modality(images, rows, modality, SIDE_A)


def _held_out(images: ImageSet, maps: Rows, shown: Rows, settings: SemanticSettings) -> Sides:
    modality = maps_modality(settings.mode, settings.map_modality, settings.image_modality)
    map_rows = of_map_modality(images, maps, modality)
    if settings.mode == "paired":
        return Sides(images, map_rows, images, map_rows, paired=True)
    return Sides(images, map_rows, images, _modality(images, shown, settings.image_modality, SIDE_B))


def checked(sides: Sides, schema: MapSchema) -> tuple[Sides, LabelCounts]:
    """Refuse maps that do not fit the schema, leave out those of background alone, and count the labels of the rest.

    Raises
    ------
    InputError
        Maps hold an id that the schema does not know, none holds a label of it, or all are background alone.
    """
    counts = count_labels(sides.maps, sides.map_rows)
    kept = with_structures(counts, schema, sides.maps, empty="drop")
    check_labels(counts, schema, sides.maps)
    keep = np.isin(counts.rows, kept)
    return _only(sides, kept), LabelCounts(kept, counts.shows[keep], counts.pixels)


def showing(sides: Sides, schema: MapSchema) -> tuple[Sides, int]:
    """Leave out maps of background alone, which no image could fail to follow; return how many those are, too.

    Raises
    ------
    InputError
        All are.
    """
    kept = with_structures(count_labels(sides.maps, sides.map_rows), schema, sides.maps, empty="drop")
    return _only(sides, kept), len(sides.map_rows) - len(kept)


def like_maps(images: ImageSet, rows: Rows, schema: MapSchema) -> Rows:
    """Keep the images whose own masks show a structure, as the maps that are scored do, so that like meets like.

    Where no mask of these images shows one they have none, as on a side B that nobody drew on: all stay.
    """
    kept = rows[shows_structure(count_labels(images, rows), schema)]
    return kept if len(kept) else rows


def _only(sides: Sides, map_rows: Rows) -> Sides:
    return replace(sides, map_rows=map_rows, image_rows=map_rows if sides.paired else sides.image_rows)


def _sides(images: ImageSet, folder: ImageSet | None, allowed: Rows, rules: Rules, few: frozenset[str] | None) -> Sides:
    settings = rules.settings
    if settings.mode == "paired":
        masked = allowed if few is None else _of(images, allowed, few.__contains__)
        rows = _modality(images, masked, settings.map_modality or settings.image_modality, SIDE_A)
        return Sides(images, rows, images, rows, paired=True)
    there = allowed if settings.image_split is None else rows_of(images, (settings.image_split,), SIDE_B)
    image_rows = _modality(images, there, settings.image_modality, SIDE_B)
    if folder is not None:
        return Sides(folder, rows_of(folder, ANYBODY, SIDE_A), images, image_rows)
    map_rows = _modality(images, allowed, settings.map_modality, SIDE_A)
    patients = images.column("patient")
    both = set(patients[map_rows]) & set(patients[image_rows])
    if few is None:
        draws = sorted(both, key=lambda name: (stable_unit("semantic sides", settings.seed, name), name))
        for_maps = frozenset(draws[: (len(draws) + 1) // 2])
    else:
        map_rows, for_maps = _of(images, map_rows, few.__contains__), few
    map_rows = _of(images, map_rows, lambda name: name not in both or name in for_maps)
    image_rows = _of(images, image_rows, lambda name: name not in both or name not in for_maps)
    _refuse_empty(images, map_rows, allowed, f"{SIDE_A}, after patients with both were dealt,")
    _refuse_empty(images, image_rows, allowed, f"{SIDE_B}, after patients with both were dealt,")
    check_others(images, map_rows, images, image_rows)
    return Sides(images, map_rows, images, image_rows)


def _modality(images: ImageSet, rows: Rows, modality: str | None, side: str) -> Rows:
    found = rows if modality is None else rows[images.column("modality")[rows] == modality]
    _refuse_empty(images, found, rows, f"{side} of modality {modality}" if modality else side)
    return found


def _refuse_empty(images: ImageSet, found: Rows, among: Rows, side: str) -> None:
    if len(found) == 0:
        held = Counter(str(name) for name in images.column("modality")[among])
        told = ", ".join(f"{count} of {name}" for name, count in sorted(held.items())) or "none"
        patients = len(set(images.column("patient")[among]))
        msg = (
            f"{side} is empty: {images.folder} has {len(among)} images of {patients} patients that this source may see "
            f"(by modality: {told}); correct semantic.map_modality and image_modality, or add patients"
        )
        raise CohortError(msg)


def _low(images: ImageSet, rows: Rows, low: LowSettings) -> frozenset[str]:
    return frozenset(low_patients(images.column("patient")[rows].tolist(), low.fraction, low.seed))


def _of(images: ImageSet, rows: Rows, keep: Callable[[str], bool]) -> Rows:
    kept: Rows = rows[np.array([keep(name) for name in images.column("patient")[rows]], dtype=bool)]
    return kept
