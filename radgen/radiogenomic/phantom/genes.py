"""The planted truth: three latent pathways of a patient, the genes they move, and the nodule they shape."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.phantom.dicom_writer import MARK
from radgen.radiogenomic.phantom.settings import PATHWAYS, RadiogenomicPhantomSettings
from radgen.seeds import random_generator


@dataclass(frozen=True)
class Traits:
    """The nodule of one patient.

    Parameters
    ----------
    diameter_mm
        Of its body, without spicules.
    hu
        Of its tissue: part-solid to solid.
    spiculation
        How far spicules reach beyond the body, as a share of its radius.
    """

    diameter_mm: float
    hu: float
    spiculation: float


@dataclass(frozen=True, eq=False)
class Planted:
    """How genes follow pathways.

    Parameters
    ----------
    names
        [genes].
    pathway
        int64 [genes]: place in PATHWAYS, or -1 for a gene of noise.
    loading
        float64 [genes]: log2 units per unit of the pathway; 0 for a gene of noise.
    level
        float64 [genes]: mean of log2(FPKM + 1).
    """

    names: tuple[str, ...]
    pathway: NDArray[np.int64]
    loading: NDArray[np.float64]
    level: NDArray[np.float64]


def patient_id(number: int) -> str:
    """Return the id of patient `number`, counted from 1; whoever is in the RNA table alone is counted on."""
    return f"{MARK}-N{number:04d}"


def pathways_of(settings: RadiogenomicPhantomSettings, number: int) -> NDArray[np.float64]:
    """Return the three pathways of a patient: independent, mean 0, deviation 1."""
    return random_generator("radiogenomic", settings.seed, number, "pathways").normal(size=len(PATHWAYS))


def traits_of(pathways: NDArray[np.float64]) -> Traits:
    """Return the nodule that pathways shape: monotonic in each, within what a chest can hold."""
    size, density, spiculation = (float(value) for value in pathways)
    return Traits(
        diameter_mm=float(np.clip(24.0 * np.exp(0.28 * size), 13.0, 44.0)),
        hu=float(np.clip(-160.0 + 130.0 * density, -520.0, 90.0)),
        spiculation=float(np.clip(0.3 + 0.22 * spiculation, 0.0, 0.8)),
    )


def plant(settings: RadiogenomicPhantomSettings) -> Planted:
    """Choose which genes follow which pathway: their places are shuffled, a third of them move down."""
    rng = random_generator("radiogenomic", settings.seed, "genes")
    driven = np.repeat(np.arange(len(PATHWAYS)), settings.pathway_genes)
    pathway = rng.permutation(np.concatenate([driven, np.full(settings.genes - len(driven), -1)]))
    signs = np.where(rng.random(settings.genes) < 1 / 3, -1.0, 1.0)
    loading = np.where(pathway >= 0, signs * rng.uniform(0.7, 1.3, settings.genes), 0.0)
    level = rng.uniform(2.5, 9.0, settings.genes)
    return Planted(tuple(f"PG{n:04d}" for n in range(1, settings.genes + 1)), pathway, loading, level)


def expression(settings: RadiogenomicPhantomSettings, planted: Planted, number: int) -> NDArray[np.float64]:
    """Return the FPKM of a patient, float64 [genes]; NaN where nothing was called."""
    rng = random_generator("radiogenomic", settings.seed, number, "expression")
    pathways = pathways_of(settings, number)
    # A gene of noise varies as much as one that follows a pathway: variance must not tell them apart.
    own = np.where(planted.pathway >= 0, settings.gene_noise, np.hypot(settings.gene_noise, 1.0))
    log2 = planted.level + planted.loading * pathways[planted.pathway] + own * rng.normal(size=settings.genes)
    fpkm = np.maximum(2.0**log2 - 1, 0.0)
    seldom = random_generator("radiogenomic", settings.seed, "missing").random(settings.genes) < 0.1
    return np.where(seldom & (rng.random(settings.genes) < 10 * settings.missing_share), np.nan, fpkm)


def rna_patients(settings: RadiogenomicPhantomSettings) -> list[int]:
    """Return the numbers of the patients of the RNA table, in the order of its columns, which is none."""
    rng = random_generator("radiogenomic", settings.seed, "columns")
    without = set(rng.permutation(np.arange(1, settings.patients + 1))[: settings.without_rna].tolist())
    numbers = [n for n in range(1, settings.patients + settings.rna_alone + 1) if n not in without]
    return [int(n) for n in rng.permutation(numbers)]


def rna_text(settings: RadiogenomicPhantomSettings) -> str:
    """Return the RNA table as GSE103584 publishes its own: genes in rows, tabs, NA."""
    planted, numbers = plant(settings), rna_patients(settings)
    columns = np.stack([expression(settings, planted, number) for number in numbers], axis=1)
    lines = ["\t".join(["", *(patient_id(number) for number in numbers)])]
    lines += [
        "\t".join([name, *("NA" if np.isnan(value) else f"{value:.6g}" for value in row)])
        for name, row in zip(planted.names, columns, strict=True)
    ]
    return "\n".join(lines) + "\n"


def rna_bytes(settings: RadiogenomicPhantomSettings) -> bytes:
    """Return the table gzipped, the time of writing set to zero."""
    return gzip.compress(rna_text(settings).encode(), mtime=0)


def planted_text(settings: RadiogenomicPhantomSettings) -> str:
    """Return which genes were planted, as CSV: gene, pathway, loading; genes of noise are not in it."""
    planted = plant(settings)
    lines = [
        f"{name},{PATHWAYS[pathway]},{loading:.4f}"
        for name, pathway, loading in zip(planted.names, planted.pathway, planted.loading, strict=True)
        if pathway >= 0
    ]
    return "\n".join(["gene,pathway,loading", *lines]) + "\n"


def truth_text(settings: RadiogenomicPhantomSettings) -> str:
    """Return the pathways and the nodule of every patient with images, as CSV."""
    lines = ["patient,pathway_size,pathway_density,pathway_spiculation,diameter_mm,hu,spiculation"]
    for number in range(1, settings.patients + 1):
        pathways = pathways_of(settings, number)
        traits = traits_of(pathways)
        latent = ",".join(f"{value:.6f}" for value in pathways)
        shape = f"{traits.diameter_mm:.3f},{traits.hu:.3f},{traits.spiculation:.4f}"
        lines.append(f"{patient_id(number)},{latent},{shape}")
    return "\n".join(lines) + "\n"
