"""From expression to the input of a network: every statistic is fitted on training patients, then only applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save_file

from radgen.errors import CheckpointError, InputError
from radgen.provenance import atomic_path
from radgen.radiogenomic.gene_scores import best, class_scores, cox_scores
from radgen.radiogenomic.rna_table import SAW_ALL, SCALES, RnaTable
from radgen.radiogenomic.settings import RnaSettings

CARD_KEY = "radgen"
KIND = "rna-transform"
LEAST_PATIENTS = 3


@dataclass(frozen=True)
class Guide:
    """What a selection goes by; only what is used need be given.

    Parameters
    ----------
    classes
        For class: one for each training patient.
    times, died
        For cox: time to death or to the end of observation, and which of the two it was; for each training patient.
    listed
        For list: see `read_gene_list`.
    """

    classes: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    died: tuple[bool, ...] = ()
    listed: tuple[str, ...] = ()


UNGUIDED = Guide()


@dataclass(frozen=True)
class Counts:
    """What became of the genes of the table that a transform was fitted on; the parts add up to `read`."""

    read: int
    dropped_missing: int
    dropped_constant: int
    not_selected: int
    kept: int


@dataclass(frozen=True, eq=False)
class RnaTransform:
    """Which genes, and how each is centred and scaled.

    Parameters
    ----------
    genes
        In the order of the network's input.
    mean, deviation
        float64 [genes], of the training patients on the scale that `logged` gives.
    scale
        Of the tables it takes.
    patients
        How many it was fitted on.
    counts
        See `Counts`.
    """

    genes: tuple[str, ...]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    scale: str
    patients: int
    counts: Counts

    @property
    def caption(self) -> str:
        """What must stand under every result; empty where nothing must."""
        return SAW_ALL if self.scale == "zscore" else ""

    def apply(self, table: RnaTable) -> NDArray[np.float32]:
        """Return the input of a network, float32 [patients, genes]: mean 0, deviation 1 over the training patients.

        What the table lacks of a gene becomes 0, the training mean.

        Raises
        ------
        InputError
            The table is of another scale, or lacks genes.
        """
        if table.scale != self.scale:
            msg = (
                f"{table.name}: rna.scale is {table.scale}, but the transform was fitted on {self.scale}; "
                f"state {self.scale}"
            )
            raise InputError(msg)
        places = {gene: place for place, gene in enumerate(table.genes)}
        missing = [gene for gene in self.genes if gene not in places]
        if missing:
            unknown = len(places) - len(self.genes) + len(missing)
            msg = (
                f"{table.name}: {len(missing)} of the {len(self.genes)} genes that the transform was fitted on are not "
                f"among the table's {len(places)} ({_examples(missing)}; {unknown} of the table's are not used); bring "
                "a table with these genes, or fit and train anew on genes that both have"
            )
            raise InputError(msg)
        values = logged(table.values[:, [places[gene] for gene in self.genes]], self.scale)
        scaled = (values - self.mean) / self.deviation
        return np.nan_to_num(scaled, nan=0.0).astype(np.float32)


def logged(values: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Return log2(x + 1) of raw values, and others as they are."""
    return np.log2(values + 1) if scale == "raw" else values


def fit(table: RnaTable, settings: RnaSettings, guide: Guide = UNGUIDED) -> RnaTransform:
    """Fit a transform.

    Parameters
    ----------
    table
        Of the training patients alone (`RnaTable.of`): whoever is in it is seen.
    settings
        Rules; see `RnaSettings`.
    guide
        What class, cox and list go by, in the order of the table's patients.

    Raises
    ------
    InputError
        Too few patients, no gene left, a listed gene that the table lacks, or a guide that does not serve.
    """
    if len(table.patients) < LEAST_PATIENTS:
        msg = f"{table.name}: {len(table.patients)} training patients; statistics need at least {LEAST_PATIENTS}"
        raise InputError(msg)
    values = logged(table.values, table.scale)
    present = np.isnan(values).mean(axis=0) <= settings.most_missing
    mean, deviation = np.zeros(len(table.genes)), np.zeros(len(table.genes))
    mean[present] = np.nanmean(values[:, present], axis=0)
    deviation[present] = np.nanstd(values[:, present], axis=0)
    # A gene of one value has a deviation of rounding errors.
    varies = present & (deviation > 1e-9 * (1 + np.abs(mean)))
    if not varies.any():
        msg = (
            f"{table.name}: none of {len(table.genes)} genes is left ({int((~present).sum())} missing in more than "
            f"{settings.most_missing:g} of the training patients, the others constant); raise rna.most_missing"
        )
        raise InputError(msg)
    usable = np.flatnonzero(varies)
    whole = np.where(np.isnan(values[:, usable]), mean[usable], values[:, usable])
    try:
        kept = usable[_selected(table, whole, usable, settings, guide)]
    except ValueError as error:
        msg = f"{table.name}: rna.select is {settings.select}, but {error}"
        raise InputError(msg) from error
    counts = Counts(
        len(table.genes),
        int((~present).sum()),
        int((present & ~varies).sum()),
        len(usable) - len(kept),
        len(kept),
    )
    genes = tuple(table.genes[place] for place in kept)
    return RnaTransform(genes, mean[kept], deviation[kept], table.scale, len(table.patients), counts)


def _selected(
    table: RnaTable,
    whole: NDArray[np.float64],
    usable: NDArray[np.intp],
    settings: RnaSettings,
    guide: Guide,
) -> NDArray[np.intp]:
    """Return places in `usable`."""
    if settings.select == "all":
        return np.arange(len(usable))
    if settings.select == "list":
        return _listed(table, usable, guide.listed)
    if settings.select == "variance":
        return best(whole.var(axis=0), settings.genes)
    patients = len(table.patients)
    if settings.select == "class":
        _refuse_count("classes", len(guide.classes), patients)
        return best(class_scores(whole, guide.classes), settings.genes)
    _refuse_count("survival times", len(guide.times), patients)
    _refuse_count("survival states", len(guide.died), patients)
    scores = cox_scores(whole, np.array(guide.times, dtype=np.float64), np.array(guide.died, dtype=bool))
    return best(scores, settings.genes)


def _refuse_count(what: str, found: int, patients: int) -> None:
    if found != patients:
        msg = f"there are {found} {what} for {patients} training patients; give one for each"
        raise ValueError(msg)


def _listed(table: RnaTable, usable: NDArray[np.intp], listed: Sequence[str]) -> NDArray[np.intp]:
    missing = [gene for gene in listed if gene not in set(table.genes)]
    if missing or not listed:
        msg = f"{len(missing)} of {len(listed)} listed genes are not in the table ({_examples(missing)}); mend the list"
        raise ValueError(msg)
    places = {table.genes[place]: number for number, place in enumerate(usable)}
    found = np.array([places[gene] for gene in listed if gene in places], dtype=np.intp)
    if not len(found):
        msg = f"all {len(listed)} listed genes are missing or constant in the training patients; list others"
        raise ValueError(msg)
    return np.sort(found)


def read_gene_list(path: Path) -> tuple[str, ...]:
    """Read one gene a line; blank lines and lines that start with # are left out.

    Raises
    ------
    InputError
        The file cannot be read, or names a gene twice.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name}: not a readable gene list ({type(error).__name__}); give a text file, one gene a line"
        raise InputError(msg) from error
    first: dict[str, int] = {}
    for number, gene in enumerate(lines, start=1):
        if gene and not gene.startswith("#") and first.setdefault(gene, number) != number:
            msg = f"{path.name}: lines {first[gene]} and {number} are the same gene ({gene[:40]!r}); keep one"
            raise InputError(msg)
    return tuple(first)


def _examples(names: Sequence[str]) -> str:
    return "such as " + ", ".join(name[:40] for name in names[:3]) if names else "none named"


# ---------------------------------------------------------------- the file


def save(path: Path, transform: RnaTransform) -> None:
    """Write a transform as safetensors: mean and deviation, and a JSON card with all else."""
    card = {
        "kind": KIND,
        "genes": list(transform.genes),
        "scale": transform.scale,
        "patients": transform.patients,
        "counts": asdict(transform.counts),
    }
    arrays = {"mean": transform.mean, "deviation": transform.deviation}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={CARD_KEY: json.dumps(card, sort_keys=True)})


def load(path: Path) -> RnaTransform:
    """Read what `save` wrote.

    Raises
    ------
    CheckpointError
        The file is damaged or holds something else.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            card = json.loads((file.metadata() or {})[CARD_KEY])
            mean, deviation = file.get_tensor("mean"), file.get_tensor("deviation")
        transform = RnaTransform(
            tuple(str(gene) for gene in card["genes"]),
            np.asarray(mean, dtype=np.float64),
            np.asarray(deviation, dtype=np.float64),
            str(card["scale"]),
            int(card["patients"]),
            Counts(**{name: int(value) for name, value in card["counts"].items()}),
        )
    except (OSError, safetensors.SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        msg = f"{path.name}: not an RNA transform ({type(error).__name__}); fit it again"
        raise CheckpointError(msg) from error
    shape = (len(transform.genes),)
    sound = mean.shape == deviation.shape == shape and np.isfinite(transform.mean).all()
    sound = sound and bool((transform.deviation > 0).all()) and len(set(transform.genes)) == len(transform.genes)
    if card.get("kind") != KIND or transform.scale not in SCALES or not sound:
        msg = (
            f"{path.name}: names {len(transform.genes)} genes with {mean.shape} means and {deviation.shape} "
            f"deviations, scale {transform.scale!r}, kind {str(card.get('kind'))!r}; "
            "not a sound RNA transform, fit it again"
        )
        raise CheckpointError(msg)
    return transform
