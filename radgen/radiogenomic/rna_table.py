"""Expression tables: which axis holds genes, who is a patient, and what the numbers are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.errors import CohortError, InputError
from radgen.radiogenomic.rna_bytes import Grid, read_grid

SCALES = ("raw", "log", "zscore")
ORIENTATIONS = ("auto", "genes-in-rows", "patients-in-rows")
SAW_ALL = "statistics saw all patients"
"""The caption of whatever rests on z-scores that were made over a whole cohort, held-out patients among them."""
# Gene means and deviations of a table that nobody standardised do not all come this near to 0 and 1.
STANDARD_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class RnaTable:
    """Gene expression of some patients.

    Parameters
    ----------
    name
        Of the file, for messages.
    patients, genes
        Unique names.
    values
        float64 [patients, genes]; NaN where nothing was measured.
    scale
        raw (FPKM, TPM, counts: not below 0) | log | zscore.
    """

    name: str
    patients: tuple[str, ...]
    genes: tuple[str, ...]
    values: NDArray[np.float64]
    scale: str

    @property
    def caption(self) -> str:
        """What must stand under every result of this table; empty where nothing must."""
        return SAW_ALL if self.scale == "zscore" else ""

    def of(self, patients: Sequence[str]) -> RnaTable:
        """Return the table of some patients, in their order.

        Raises
        ------
        CohortError
            A patient has no expression in this table; how many is said, not who.
        """
        places = {patient: place for place, patient in enumerate(self.patients)}
        missing = sum(patient not in places for patient in patients)
        if missing:
            msg = (
                f"{self.name}: {missing} of {len(patients)} patients asked for have no RNA in this table of "
                f"{len(self.patients)}; leave them out (the table of the join says who has what) or add them"
            )
            raise CohortError(msg)
        rows = [places[patient] for patient in patients]
        return RnaTable(self.name, tuple(patients), self.genes, self.values[rows], self.scale)


def read_rna(
    path: Path, scale: str, orientation: str = "auto", known_patients: Collection[str] = frozenset()
) -> RnaTable:
    """Read an expression table.

    Parameters
    ----------
    path
        GSE103584_R01_NSCLC_RNAseq.txt(.gz) as published, or any csv, tsv or Parquet table with named rows and columns.
    scale
        What the numbers are; see `RnaTable`.
    orientation
        genes-in-rows, as published | patients-in-rows | auto: the axis that holds patients of the image cohort.
    known_patients
        Ids of the image cohort; they decide `auto` and refute a wrong orientation.

    Raises
    ------
    InputError
        The table cannot be read, lies the other way round, names something twice, or its numbers are not of the scale.
    """
    for what, value, allowed in (("scale", scale, SCALES), ("orientation", orientation, ORIENTATIONS)):
        if value not in allowed:
            msg = f"rna.{what}: {value!r} is not one of {', '.join(allowed)}"
            raise InputError(msg)
    grid = read_grid(path)
    turned = _patients_in_rows(grid, orientation, known_patients)
    patients, genes = (grid.rows, grid.columns) if turned else (grid.columns, grid.rows)
    patient_axis, gene_axis = ("row", "column") if turned else ("column", "row")
    # Genes may be named in messages; patients are named by where they stand.
    _refuse_names(grid.name, genes, "gene", gene_axis, quoted=True)
    _refuse_names(grid.name, patients, "patient", patient_axis, quoted=False)
    values = np.ascontiguousarray(grid.values if turned else grid.values.T)
    table = RnaTable(grid.name, patients, genes, values, scale)
    _refuse_other_scale(table)
    return table


def _patients_in_rows(grid: Grid, orientation: str, known: Collection[str]) -> bool:
    """Tell which axis holds the patients; refuse what speaks against the orientation that was given."""
    in_rows, in_columns = (len(set(known) & set(names)) for names in (grid.rows, grid.columns))
    seen = (
        f"{in_rows} of its {len(grid.rows)} rows and {in_columns} of its {len(grid.columns)} columns are patients of "
        "the cohort"
    )
    if orientation == "auto":
        if not known or bool(in_rows) == bool(in_columns):
            msg = f"{grid.name}: which way round the table lies cannot be told ({seen}); state rna.orientation"
            raise InputError(msg)
        return in_rows > 0
    turned = orientation == "patients-in-rows"
    right, wrong = (in_rows, in_columns) if turned else (in_columns, in_rows)
    other = "genes-in-rows" if turned else "patients-in-rows"
    if wrong and not right:
        msg = f"{grid.name}: rna.orientation is {orientation}, but {seen}; state {other}"
        raise InputError(msg)
    patients, genes = (grid.rows, grid.columns) if turned else (grid.columns, grid.rows)
    if not known and len(patients) > len(genes):
        msg = (
            f"{grid.name}: as {orientation} the table has {len(patients)} patients and {len(genes)} genes, which looks "
            f"like the wrong way round; state {other}, or give the ids of the image cohort if it is right"
        )
        raise InputError(msg)
    return turned


def _refuse_names(name: str, names: Sequence[str], what: str, axis: str, *, quoted: bool) -> None:
    first: dict[str, int] = {}
    # The first cell of an axis is the corner, so names stand from the second on.
    for place, word in enumerate(names, start=2):
        if not word:
            msg = f"{name}: {axis} {place} names no {what}; name it or leave it out"
            raise InputError(msg)
        if first.setdefault(word, place) != place:
            told = f" ({word[:40]!r})" if quoted else ""
            msg = f"{name}: {axis}s {first[word]} and {place} are the same {what}{told}; keep one"
            raise InputError(msg)


def _refuse_other_scale(table: RnaTable) -> None:
    """Refuse negative values on the raw scale, and cohort-wide z-scores that are called anything else."""
    values = table.values
    if table.scale == "raw" and (values < 0).any():
        low = np.argwhere(values < 0)
        patient, gene = low[0]
        msg = (
            f"{table.name}: {len(low)} values below 0, the first {values[patient, gene]:g} (gene "
            f"{table.genes[gene][:40]!r}), but rna.scale is raw, whose least value is 0; state log or zscore"
        )
        raise InputError(msg)
    if table.scale != "zscore" and _is_standardised(values):
        msg = (
            f"{table.name}: every gene has mean 0 and deviation 1 over all {len(values)} patients, but rna.scale is "
            f"{table.scale}; state zscore, and results will say: {SAW_ALL}"
        )
        raise InputError(msg)


def _is_standardised(values: NDArray[np.float64]) -> bool:
    seen = values[:, (~np.isnan(values)).sum(axis=0) > 1]
    if not seen.size or len(values) < 3:
        return False
    with np.errstate(over="ignore"):  # a damaged file may hold 1e300
        means, deviations = np.nanmean(seen, axis=0), np.nanstd(seen, axis=0, ddof=1)
    near = (np.abs(means) < STANDARD_TOLERANCE) & (np.abs(deviations - 1) < STANDARD_TOLERANCE)
    return bool(near.all())
