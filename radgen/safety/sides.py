"""Suspects and control: which real images a synthetic set may have copied, and which it cannot have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet, read_index
from radgen.provenance import SawPatients

IMPORTED = frozenset({"import_images", "source_images"})
HELD_OUT = ("val", "test")
# Validation patients choose among weights, annotators' patients teach who paints: neither's pixels teach a generator.
# What another tool saw them for is unknown, so of an import they are suspects.
CHOOSE_ONLY = ("val", "annotator")


@dataclass(frozen=True)
class Sides:
    """Real images as a synthetic set meets them.

    Attributes
    ----------
    training
        Rows int64 of patients whose pixels taught it: what it may be a copy of.
    control
        Rows int64 of held-out patients, none of them among the suspects. Patients of one group share their split, so
        the control is apart by group too.
    unknown
        Sentences about ancestors whose patients nobody knows.
    """

    training: NDArray[np.int64]
    control: NDArray[np.int64]
    unknown: tuple[str, ...]


def sides_of(real: ImageSet, manifests: Iterable[Mapping[str, Any]]) -> Sides:
    """Find suspects and control of a synthetic set by its ancestry.

    Where the ancestry knows nobody of this study, every training patient is a suspect.

    Parameters
    ----------
    real
        The study's real image set.
    manifests
        Those of the synthetic set.

    Raises
    ------
    CohortError
        No suspect or no held-out patient has an image.
    """
    saw, seen = SawPatients(), set()
    for manifest in manifests:
        own = SawPatients.from_json(manifest["what"]["saw_patients"])
        passed_over = () if manifest["what"]["stage"] in IMPORTED else CHOOSE_ONLY
        seen |= {patient for split, keys in own.pixels.items() if split not in passed_over for patient in keys}
        saw |= own
    patients, splits = real.column("patient"), real.column("split").astype(str)
    suspect = np.isin(patients.astype(str), sorted(seen))
    if not suspect.any() or saw.unknown:
        suspect |= np.isin(splits, ("train", "generator"))
    training, control = np.flatnonzero(suspect), np.flatnonzero(np.isin(splits, HELD_OUT) & ~suspect)
    if len(training) == 0 or len(control) == 0:
        msg = (
            f"{len(training)} training and {len(control)} held-out images, but an audit needs both; raise the shares "
            "of validation and test, or add patients"
        )
        raise CohortError(msg)
    return Sides(training, control, tuple(sorted(saw.unknown)))


def manifests_of(index: Path) -> list[Path]:
    """Return the manifests of an image set: for each shard the nearest of its own, its folder's and the index's.

    Raises
    ------
    InputError
        A shard has none: nobody knows what it rests on.
    """
    found = set()
    for shard in sorted(set(read_index(index).column("shard").to_pylist())):
        base = index.parent / shard
        places = (
            base.with_name(f"{base.name}.manifest.json"),
            base.parent / "manifest.json",
            index.parent / "manifest.json",
        )
        beside = next((path for path in places if path.is_file()), None)
        if beside is None:
            msg = (
                f"{base.parent}: no manifest beside shard {base.name}, so nobody knows what it rests on; import it anew"
            )
            raise InputError(msg)
        found.add(beside)
    return sorted(found)
