"""Who has genes and who has pictures: the join of an expression table with an image cohort, by id or simulated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from radgen.errors import CohortError
from radgen.radiogenomic.rna_table import RnaTable
from radgen.seeds import random_generator

SIMULATED = "simulated pairing: genes and images are of different people"
"""What every caption of results that rest on a simulated pairing says."""

SCHEMA = pa.schema(
    [("patient", pa.string()), ("split", pa.string()), ("has_rna", pa.bool_()), ("has_images", pa.bool_())]
)


@dataclass(frozen=True, eq=False)
class Join:
    """Patients of both sides.

    Parameters
    ----------
    table
        A row for each patient of either side, sorted by id: patient, split (empty without images), has_rna, has_images.
    both
        Ids of those who have genes and pictures, sorted.
    line
        The counts, in one sentence without ids.
    """

    table: pa.Table
    both: tuple[str, ...]
    line: str

    def of_split(self, split: str) -> tuple[str, ...]:
        """Return the ids of a split who have both, sorted."""
        return tuple(
            row["patient"]
            for row in self.table.to_pylist()
            if row["split"] == split and row["has_rna"] and row["has_images"]
        )


def join(rna: RnaTable, splits: Mapping[str, str]) -> Join:
    """Join an expression table with an image cohort.

    Parameters
    ----------
    rna
        See `read_rna`.
    splits
        Patient id of each patient with images, and its split.

    Raises
    ------
    CohortError
        No patient is on both sides; the forms of the ids are named, not the ids.
    """
    genes, pictures = set(rna.patients), set(splits)
    both = tuple(sorted(genes & pictures))
    if not both:
        msg = (
            f"{rna.name}: none of its {len(genes)} patients is among the image cohort's {len(pictures)}; ids of the "
            f"table look like {_form(genes)}, those of the cohort like {_form(pictures)}: bring them to one form"
        )
        raise CohortError(msg)
    everyone = sorted(genes | pictures)
    columns = [
        everyone,
        [splits.get(patient, "") for patient in everyone],
        [patient in genes for patient in everyone],
        [patient in pictures for patient in everyone],
    ]
    line = (
        f"{len(both)} patients have genes and images, {len(genes - pictures)} genes alone, "
        f"{len(pictures - genes)} images alone"
    )
    return Join(pa.table(columns, schema=SCHEMA), both, line)


def _form(ids: Iterable[str]) -> str:
    """Describe how ids are written, letters as A and digits as 9: the form most of them share."""
    forms = [re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "A", name)) for name in sorted(ids)]
    return repr(max(sorted(set(forms)), key=forms.count)[:40]) if forms else "nothing"


def simulate_pairing(genes: Collection[str], pictures: Collection[str], seed: int) -> dict[str, str]:
    """Draw a donor of genes for patients with pictures, each donor once.

    Parameters
    ----------
    genes, pictures
        Unique ids; of the larger side some stay alone.
    seed
        Of the draw.

    Returns
    -------
    Patient with pictures to patient with genes, sorted.
    """
    shown, donors = sorted(pictures), sorted(genes)
    rng = random_generator("simulated pairing", seed)
    pairs = zip(rng.permutation(len(shown)), rng.permutation(len(donors)), strict=False)
    return {shown[one]: donors[two] for one, two in sorted(pairs)}
