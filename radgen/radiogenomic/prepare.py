"""From an expression table and a cohort with patches to the genes of each patient, everything fitted on training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from radgen.errors import CohortError
from radgen.radiogenomic.clinical import Clinical
from radgen.radiogenomic.expression import Expression
from radgen.radiogenomic.rna_join import SIMULATED, join, simulate_pairing
from radgen.radiogenomic.rna_table import RnaTable
from radgen.radiogenomic.rna_transform import Guide, RnaTransform, fit
from radgen.radiogenomic.settings import RnaSettings

JOIN_SCHEMA = pa.schema(
    [
        pa.field("patient", pa.string(), nullable=False),  # key of the images, or of the genes where there are none
        pa.field("rna_patient", pa.string()),  # key of whose genes they are; null without genes
        pa.field("split", pa.string(), nullable=False),  # empty without images
        pa.field("has_rna", pa.bool_(), nullable=False),
        pa.field("has_images", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Cohort:
    """Patients with nodule patches.

    Parameters
    ----------
    splits
        Key to split.
    classes
        Key to class, where the cohort has classes.
    ids
        Key to the id that the archive gives them.
    """

    splits: Mapping[str, str]
    classes: Mapping[str, str]
    ids: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What networks and statistics get.

    Parameters
    ----------
    expression
        Of every patient with RNA: under the key of their images where they have some.
    transform
        Fitted on training patients.
    joined
        Who has what: JOIN_SCHEMA, a row for each patient of either side.
    training
        Keys of the patients it was fitted on.
    line
        Counts in words.
    """

    expression: Expression
    transform: RnaTransform
    joined: pa.Table
    training: tuple[str, ...]
    line: str


def prepare(
    table: RnaTable,
    cohort: Cohort,
    settings: RnaSettings,
    key_of: Callable[[str], str],
    *,
    clinical: Clinical | None = None,
    listed: tuple[str, ...] = (),
) -> Prepared:
    """Join, fit and apply.

    Parameters
    ----------
    table
        Under the ids of its file.
    cohort
        See `Cohort`.
    settings
        Rules.
    key_of
        Id to pseudonym.
    clinical
        Under pseudonyms; needed to select genes by survival.
    listed
        Genes of a list; needed to select by it.

    Raises
    ------
    CohortError, InputError
        Nobody has both, no training patient among them; see also `fit`.
    """
    donors, line = _donors(table, cohort, settings, key_of)
    table = dataclasses.replace(table, patients=tuple(key_of(patient) for patient in table.patients))
    training = tuple(patient for patient in donors if cohort.splits[patient] == "train")
    if not training:
        msg = f"{table.name}: {line}, but no training patient has both; bring more patients or another split"
        raise CohortError(msg)
    own = [donors[patient] for patient in training]
    guide = Guide(
        classes=tuple(cohort.classes[patient] for patient in training if patient in cohort.classes),
        listed=listed,
        **({} if clinical is None else _survival(own, clinical)),
    )
    transform = fit(table.of(own), settings, guide)
    # In a simulated pairing the key of genes alone may be that of somebody else's images.
    alone = "genes-" if settings.pairing == "simulated" else ""
    owner = {donor: f"{alone}{donor}" for donor in table.patients}
    owner |= {donor: patient for patient, donor in donors.items()}
    captions = [transform.caption, SIMULATED if settings.pairing == "simulated" else ""]
    expression = Expression(
        tuple(owner[donor] for donor in table.patients),
        transform.genes,
        transform.apply(table),
        "; ".join(caption for caption in captions if caption),
    )
    return Prepared(_sorted(expression), transform, _joined(owner, cohort, donors), training, line)


def _donors(
    table: RnaTable, cohort: Cohort, settings: RnaSettings, key_of: Callable[[str], str]
) -> tuple[dict[str, str], str]:
    """Return whose genes go with each patient's images, under pseudonyms, and the counts in words."""
    if settings.pairing == "simulated":
        donors = simulate_pairing([key_of(patient) for patient in table.patients], cohort.splits, settings.pairing_seed)
        line = (
            f"{len(donors)} patients with images were given genes at random, {len(table.patients) - len(donors)} genes "
            f"alone, {len(cohort.splits) - len(donors)} images alone"
        )
        return donors, line
    known = {cohort.ids[key]: split for key, split in cohort.splits.items()}
    found = join(table, known)
    keys = {cohort.ids[key]: key for key in cohort.splits}
    return {keys[patient]: key_of(patient) for patient in found.both}, found.line


def _survival(donors: Sequence[str], clinical: Clinical) -> dict[str, tuple[Any, ...]]:
    """Return times and deaths of those whose survival is known; where some lack it, `fit` says so."""
    places = {patient: place for place, patient in enumerate(clinical.patients)}
    rows = [places[donor] for donor in donors if donor in places]
    return {"times": tuple(clinical.time_days[rows].tolist()), "died": tuple(clinical.died[rows].tolist())}


def _sorted(expression: Expression) -> Expression:
    order = np.argsort(np.array(expression.patients))
    patients = tuple(expression.patients[place] for place in order)
    return dataclasses.replace(expression, patients=patients, values=expression.values[order])


def _joined(owner: Mapping[str, str], cohort: Cohort, donors: Mapping[str, str]) -> pa.Table:
    rows = [
        {"patient": key, "rna_patient": donors.get(key), "split": split, "has_rna": key in donors, "has_images": True}
        for key, split in cohort.splits.items()
    ]
    alone = sorted(set(owner) - set(donors.values()))
    rows += [
        {"patient": owner[key], "rna_patient": key, "split": "", "has_rna": True, "has_images": False} for key in alone
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["patient"])), schema=JOIN_SCHEMA)
