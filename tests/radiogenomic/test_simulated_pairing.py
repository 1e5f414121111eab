"""Real genes with real nodules of other people: whatever the pairing, the coupling test must find nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.errors import InputError
from radgen.radiogenomic.clinical import Clinical, read_clinical
from radgen.radiogenomic.coupling import coupling_test
from radgen.radiogenomic.nodule_features import nodule_features
from radgen.radiogenomic.prepare import Cohort, Prepared, prepare
from radgen.radiogenomic.rna_join import SIMULATED
from radgen.radiogenomic.rna_table import SAW_ALL, RnaTable, read_rna
from radgen.radiogenomic.saliency_scores import binomial_bounds
from radgen.radiogenomic.settings import ClinicalSettings, RnaSettings
from radgen.radiogenomic.survival import cross_validate
from radgen.radiogenomic.threshold_masks import threshold_mask

RNA = "nsclc_radiogenomics_rna/data/df_zscore.csv"
CLINICAL = "nsclc_radiogenomics_rna/data/NSCLCR01Radiogenomic_DATA_LABELS_2018-05-22_1500-shifted.csv"
SETTINGS = RnaSettings(scale="zscore", orientation="genes-in-rows", most_missing=0.2, pairing="simulated")
ROWS_PER_PATIENT, TRAIN_END, TEST_BEGIN = 620, 290_000, 312_000
RIDGE = 300.0
PAIRINGS = 20

pytestmark = pytest.mark.realdata


@dataclass(frozen=True)
class Nodules:
    """Measures of real nodules, whose they are, and the split of each patient."""

    features: NDArray[np.float64]
    patients: NDArray[np.str_]
    splits: dict[str, str]


@pytest.fixture(scope="module")
def table(data_root: Path) -> RnaTable:
    if not (data_root / RNA).is_file():
        pytest.skip(f"no {RNA}")
    return read_rna(data_root / RNA, "zscore", "genes-in-rows")


@pytest.fixture(scope="module")
def nodules(data_root: Path) -> Nodules:
    """One nodule of each pseudo-patient; near rows of the candidate list are one scan."""
    chosen: dict[int, Path] = {}
    for path in sorted((data_root / "lidc_nodule_patches" / "nodule").glob("*.jpg")):
        chosen.setdefault(int(re.findall(r"\d+", path.name)[-1]) // ROWS_PER_PATIENT, path)
    if not chosen:
        pytest.skip("no lidc_nodule_patches")
    images = [np.asarray(Image.open(path).convert("L")) for path in chosen.values()]
    images = [image for image in images if image.shape == (50, 50)]
    masks = np.stack([threshold_mask(image) for image in images])
    hu = -1000 + np.stack(images) / 255 * 1400
    found = nodule_features(hu, masks / 255, np.ones(len(masks)))
    whole = np.isfinite(found).all(axis=1)
    places = np.array(list(chosen))[: len(images)]
    splits = {
        f"p{place}": "train" if place * ROWS_PER_PATIENT < TRAIN_END else "test"
        for place in places
        if not TRAIN_END <= place * ROWS_PER_PATIENT < TEST_BEGIN
    }
    names = np.array([f"p{place}" for place in places])
    keep = whole & np.isin(names, list(splits))
    assert whole.mean() > 0.6  # a third of the candidates touch the chest wall or a vessel that leaves the picture
    return Nodules(found[keep], names[keep], {name: splits[name] for name in names[keep]})


def paired(table: RnaTable, nodules: Nodules, seed: int) -> Prepared:
    cohort = Cohort(nodules.splits, {}, {})
    return prepare(
        table, cohort, RnaSettings(**{**vars(SETTINGS), "pairing_seed": seed}), lambda patient: f"k-{patient}"
    )


def test_the_table_is_taken_as_z_scores_alone(data_root: Path, table: RnaTable) -> None:
    assert table.values.shape == (130, 1000)
    assert np.isnan(table.values).sum() == 4519
    assert table.caption == SAW_ALL
    with pytest.raises(InputError, match="values below 0"):
        read_rna(data_root / RNA, "raw", "genes-in-rows")


def test_missing_values_and_ids_go_through(table: RnaTable, nodules: Nodules) -> None:
    found = paired(table, nodules, 1)
    assert found.expression.caption == f"{SAW_ALL}; {SIMULATED}"
    assert np.isfinite(found.expression.values).all()
    assert len(found.expression.patients) == 130
    counts = found.transform.counts
    assert counts.read == 1000
    assert counts.kept + counts.dropped_missing + counts.dropped_constant == 1000
    assert 0 < counts.dropped_missing < 200
    assert "130 patients with images were given genes at random, 0 genes alone" in found.line
    assert 60 < len(found.training) < 110


def test_coupling_is_not_found_over_random_pairings(table: RnaTable, nodules: Nodules) -> None:
    """Each time genes predict measures anew, by ridge regression on the training patients of that pairing."""
    small = 0
    for seed in range(PAIRINGS):
        found = paired(table, nodules, seed).expression
        people = [name for name in nodules.splits if name in set(found.patients)]
        measures = np.stack([nodules.features[nodules.patients == name].mean(axis=0) for name in people])
        genes = found.of(people).astype(np.float64)
        train = np.array([nodules.splits[name] == "train" for name in people])
        mean, scale = measures[train].mean(axis=0), measures[train].std(axis=0)
        inner = np.linalg.solve(
            genes[train] @ genes[train].T + RIDGE * np.eye(train.sum()), (measures[train] - mean) / scale
        )
        guess = genes[~train] @ genes[train].T @ inner
        owners = np.array(people)[~train]
        test = coupling_test(guess, owners, (measures[~train] - mean) / scale, owners, permutations=999, seed=seed)
        assert test.patients > 15
        small += test.p_value < 0.05
    low, high = binomial_bounds(PAIRINGS, 0.05)
    assert low <= small <= high


@cache
def clinical_of(path: Path) -> Clinical:
    return read_clinical(path, ClinicalSettings())


def test_the_published_clinical_table_is_read(data_root: Path) -> None:
    found = clinical_of(data_root / CLINICAL)
    assert len(found.patients) > 200
    assert 60 <= found.died.sum() <= 63
    assert "Age at Histological Diagnosis" in found.names
    assert "Gender: Male" in found.names
    assert "are not there" not in found.line
    assert np.isnan(found.variables).any()
    assert (found.time_days > 0).all()


def test_clinical_variables_tell_survival_and_shuffled_genes_add_nothing(data_root: Path, table: RnaTable) -> None:
    known = clinical_of(data_root / CLINICAL)
    place = {patient: number for number, patient in enumerate(known.patients)}
    both = [patient for patient in table.patients if patient in place]
    rows = [place[patient] for patient in both]
    assert len(both) > 120
    genes = np.nan_to_num(table.of(both).values)
    first = np.linalg.svd(genes - genes.mean(axis=0), full_matrices=False)[0][:, :10]
    shuffled = np.random.default_rng(0).permutation(first)
    sets = {"clinical": known.variables[rows], "shuffled": np.concatenate([known.variables[rows], shuffled], axis=1)}
    scores = {
        score.name: score
        for score in cross_validate(
            sets,
            known.time_days[rows],
            known.died[rows],
            reference="clinical",
            repeats=2,
            bootstrap_samples=200,
        )
    }
    assert scores["clinical"].concordance > 0.5
    assert scores["shuffled"].gain_low < 0.05
