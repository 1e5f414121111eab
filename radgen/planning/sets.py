"""How many images there are: slices and patches of a study, and what each of its sources makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from radgen.errors import ConfigError
from radgen.imageset.core import read_index
from radgen.radiogenomic.expression import load_expression
from radgen.sources import stored_in
from radgen.study import Study

LEARNT = "learnt"
# Genes of a table of which nobody has said how many count: all of a human transcriptome.
GENES = 20_000


@dataclass(frozen=True)
class Cohort:
    """Slices of a study by what they are for, and nodule patches, cut from series of their own.

    Attributes
    ----------
    slices, train, held_out
        All, those for training, those of validation and test.
    patches, train_patches
        Nodule patches of patients with genes, and those for training.
    profiles
        Those patients.
    """

    slices: int
    train: int
    held_out: int
    patches: int = 0
    train_patches: int = 0
    profiles: int = 0

    @classmethod
    def of(cls, study: Study, slices: int, patches: int | None = None) -> Cohort:
        """Share slices out as patients are, and say how many patches there will be.

        Raises
        ------
        ConfigError
            The study has genes, and nobody knows its patches yet.
        """
        shares = study.config.cohort
        held_out = round(slices * (shares.val + shares.test))
        return cls(slices, training_part(study, slices), held_out, *_nodules(study, patches))


def training_part(study: Study, count: int) -> int:
    """Return how many of some images are for training."""
    shares = study.config.cohort
    return round(count * (1 - shares.val - shares.test - shares.annotator))


def known_slices(study: Study) -> int:
    """Return the slices that a study's cohort has counted, or its phantom will have.

    Raises
    ------
    ConfigError
        Nobody has counted them yet.
    """
    counts = Path(study.path("cohort.counts"))
    if counts.is_file():
        return int(sum(pq.read_table(counts, columns=["slices"]).column("slices").to_pylist()))
    phantom = study.config.phantom or study.config.radiogenomic_phantom
    if phantom is not None:
        return phantom.patients * phantom.slices_per_patient
    msg = f"{counts}: not there yet, so the slices are not known; run `snakemake cohort`, or give --slices"
    raise ConfigError(msg)


def _nodules(study: Study, patches: int | None) -> tuple[int, int, int]:
    """Return patches of patients with genes, those for training, and these patients: as given, cut, or of a phantom."""
    config = study.config
    if not config.has_genes:
        return 0, 0, 0
    # Of pictures nothing tells how many a patient has: one.
    each = config.nodules.slices_per_nodule if config.nodules.source == "segmentations" else 1
    index, codes = Path(study.path("nodules.index")), Path(study.path("rna.codes"))
    if patches is None and index.is_file() and codes.is_file():
        return _cut(index, codes)
    phantom = config.radiogenomic_phantom
    if patches is None and phantom is not None:
        patches = (phantom.patients - phantom.without_rna) * each
    if patches is None:
        msg = f"{index}: not there yet, so nodule patches are not known; run `snakemake nodules rna`, or give --patches"
        raise ConfigError(msg)
    return patches, training_part(study, patches), -(-patches // each)


def _cut(index: Path, codes: Path) -> tuple[int, int, int]:
    known = set(load_expression(codes).patients)
    table = read_index(index)
    owners = zip(table.column("patient").to_pylist(), table.column("split").to_pylist(), strict=True)
    rows = [(patient, split) for patient, split in owners if patient in known]
    return len(rows), sum(split == "train" for _, split in rows), len({patient for patient, _ in rows})


def synthetic_images(study: Study, cohort: Cohort) -> int:
    """Return the images that one class-conditional generator makes."""
    config = study.config
    if config.sample.counts is not None:
        return sum(config.sample.counts.values())
    return round(cohort.train * (1 - config.low.fraction))


def made_by(study: Study, source: str, cohort: Cohort) -> int | None:
    """Return the images that a source makes or brings; None where its folder of images cannot be looked into yet."""
    kind = study.config.sources[source].kind
    if kind == "images":
        return _imported(str(study.config.sources[source].images))
    if kind == "semantic":
        return painted_maps(study, source, cohort) * study.config.semantic_sample.per_map
    if kind == "radiogenomic":
        return cohort.profiles * study.config.radiogenomic_sample.per_patient
    return synthetic_images(study, cohort)


def painted_maps(study: Study, source: str, cohort: Cohort) -> int:
    """Return the maps that a semantic source paints on, at most: those without a label are left out when it runs."""
    config, where = study.config, study.config.semantic_sample.maps
    own = config.sources[source]
    learnt = cohort.train
    if own.train_on == "low" or own.setting.startswith("scarce"):
        learnt = round(learnt * config.low.fraction)
    shares = {LEARNT: learnt / max(cohort.slices, 1), "val": config.cohort.val, "test": config.cohort.test}
    if where in shares:
        return min(config.semantic_sample.most_maps, round(cohort.slices * shares[where]))
    return min(config.semantic_sample.most_maps, _imported(where) or config.semantic_sample.most_maps)


def gene_count(study: Study) -> int:
    """Return the genes that a network reads: of the table, as chosen, of the phantom, or all of a transcriptome."""
    config, codes = study.config, Path(study.path("rna.codes"))
    if codes.is_file():
        return len(load_expression(codes).genes)
    if config.radiogenomic_phantom is not None:
        return config.radiogenomic_phantom.genes
    return config.rna.genes if config.rna.select in {"variance", "class", "cox"} else GENES


def _imported(place: str) -> int | None:
    index = Path(place, "index.parquet")
    return pq.read_metadata(index).num_rows if stored_in(place) is None and index.is_file() else None
