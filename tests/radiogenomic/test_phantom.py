"""The radiogenomic phantom: same seed, same bytes; what is planted in genes is seen in nodules."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.segmentations import read_segmentation
from radgen.cohort.settings import StructureSettings
from radgen.imaging.volume import upright
from radgen.radiogenomic.coupling import coupling_test
from radgen.radiogenomic.nodule_features import FEATURES, nodule_features
from radgen.radiogenomic.phantom.archive import NODULE, RNA_NAME, write_archive
from radgen.radiogenomic.phantom.chest import draw_chest
from radgen.radiogenomic.phantom.genes import pathways_of, patient_id, plant, rna_bytes, rna_patients
from radgen.radiogenomic.phantom.settings import PATHWAYS, RadiogenomicPhantomSettings
from radgen.radiogenomic.rna_table import RnaTable, read_rna
from radgen.radiogenomic.rna_transform import fit
from radgen.radiogenomic.saliency_scores import area_under_roc, binomial_bounds
from radgen.radiogenomic.settings import RnaSettings

SMALL = RadiogenomicPhantomSettings(patients=2, without_rna=0, rna_alone=1, size_px=96, views=96, slices_per_patient=5)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def written(folder: Path, settings: RadiogenomicPhantomSettings) -> Path:
    folder.mkdir()
    write_archive(folder, settings, workers=1, said=lambda _: None)
    return folder


def full_table(folder: Path) -> tuple[RadiogenomicPhantomSettings, RnaTable]:
    settings = RadiogenomicPhantomSettings()
    (folder / RNA_NAME).write_bytes(rna_bytes(settings))
    known = [patient_id(number) for number in range(1, settings.patients + 1)]
    return settings, read_rna(folder / RNA_NAME, "raw", "auto", known)


def test_same_seed_same_bytes_and_another_seed_other_bytes(tmp_path: Path) -> None:
    first, second = (digests(written(tmp_path / name, SMALL)) for name in ("one", "two"))
    assert first == second
    other = RadiogenomicPhantomSettings(**{**vars(SMALL), "seed": 2})
    changed = digests(written(tmp_path / "three", other))
    assert not set(first.values()) & set(changed.values()) - {first["README.txt"]}


def test_the_segmentation_is_the_nodule_that_was_drawn(tmp_path: Path) -> None:
    archive = written(tmp_path / "archive", SMALL)
    for number in (1, 2):
        (study,) = (archive / patient_id(number)).iterdir()
        volume = read_volume(sorted((study / "CT").iterdir()))
        labels = read_segmentation(
            study / "SEG" / "1-1.dcm", volume.array.shape, volume.affine, StructureSettings(names=(NODULE,))
        )
        drawn = draw_chest(SMALL, number)
        np.testing.assert_array_equal(upright(type(volume)(labels, volume.affine)).array == 1, drawn.nodule)
        air = drawn.lungs & ~drawn.nodule
        # Edges blur and bodies harden the beam: the middle of the lung's values is compared, roughly.
        assert np.median(upright(volume).array[air]) == pytest.approx(np.median(drawn.hu[air]), abs=80)


def test_nodules_show_their_pathways() -> None:
    settings = RadiogenomicPhantomSettings(size_px=192, slices_per_patient=3)
    rows, pathways = [], []
    for number in range(1, 31):
        chest = draw_chest(settings, number)
        assert not (chest.nodule & ~chest.lungs).any()
        measured = nodule_features(chest.hu[1:2], chest.nodule[1:2].astype(float), np.array([chest.pixel_mm]))
        rows.append(measured[0])
        pathways.append(pathways_of(settings, number))
    found, truth = np.array(rows), np.array(pathways)

    def correlation(feature: str, pathway: str) -> float:
        pair = found[:, FEATURES.index(feature)], truth[:, PATHWAYS.index(pathway)]
        return float(np.corrcoef(*pair)[0, 1])

    assert correlation("diameter_mm", "size") > 0.9
    assert correlation("mean_hu", "density") > 0.9
    assert correlation("roundness", "spiculation") < -0.6


def test_the_table_is_as_published_and_says_who_has_what(tmp_path: Path) -> None:
    settings, table = full_table(tmp_path)
    assert table.values.shape == (128, 400)
    assert set(table.patients) == {patient_id(number) for number in rna_patients(settings)}
    with_images = {patient_id(number) for number in range(1, settings.patients + 1)}
    assert len(with_images - set(table.patients)) == 4
    assert len(set(table.patients) - with_images) == 4
    missing = np.isnan(table.values)
    assert 0.01 < missing.mean() < 0.03
    assert 0.05 < missing.any(axis=0).mean() < 0.15


def test_planted_genes_follow_their_pathway_and_variance_betrays_none(tmp_path: Path) -> None:
    settings, table = full_table(tmp_path)
    transform = fit(table, RnaSettings(most_missing=0.5))
    inputs, planted = transform.apply(table), plant(settings)
    assert transform.genes == planted.names
    numbers = [int(name.split("-N")[1]) for name in table.patients]
    truth = np.array([pathways_of(settings, number) for number in numbers])
    truth = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    correlation = np.abs(inputs.T @ truth) / len(inputs)
    for pathway in range(len(PATHWAYS)):
        assert (planted.pathway == pathway).sum() == settings.pathway_genes
        assert area_under_roc(correlation[:, pathway], planted.pathway == pathway) > 0.99
    assert 0.35 < area_under_roc(transform.deviation, planted.pathway >= 0) < 0.65


@pytest.mark.slow
def test_a_linear_guess_from_genes_is_coupled_to_new_nodules(tmp_path: Path) -> None:
    """The evaluation finds what is planted, end to end: ridge regression stands in for a generator."""
    settings, table = full_table(tmp_path)
    numbers = [number for number in rna_patients(settings) if number <= settings.patients]
    patients = [patient_id(number) for number in numbers]
    shown = RadiogenomicPhantomSettings(size_px=160, slices_per_patient=3)
    features = []
    for number in numbers:
        chest = draw_chest(shown, number)
        cover = chest.nodule[1:2].astype(float)
        features.append(nodule_features(chest.hu[1:2], cover, np.array([chest.pixel_mm]))[0])
    real, train = np.array(features), 94
    transform = fit(table.of(patients[:train]), RnaSettings(most_missing=0.5))
    genes = transform.apply(table.of(patients)).astype(np.float64)
    known = (real[:train] - real[:train].mean(axis=0)) / real[:train].std(axis=0)

    def guess(learn: NDArray[np.intp], ask: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        inner = np.linalg.solve(genes[learn] @ genes[learn].T + 200 * np.eye(len(learn)), known)
        weights = genes[learn].T @ inner
        return genes[ask] @ weights, weights

    first, new = np.arange(train), np.arange(train, len(patients))
    made, weights = guess(first, new)
    assert coupling_test(made, new, real[new], new).p_value < 0.01
    assert area_under_roc(np.abs(weights).mean(axis=1), plant(settings).pathway >= 0) >= 0.8
    small = 0
    for shuffle in range(20):
        rng = np.random.default_rng(shuffle)
        made, _ = guess(rng.permutation(first), rng.permutation(new))
        small += coupling_test(made, new, real[new], new, permutations=999, seed=shuffle).p_value < 0.05
    low, high = binomial_bounds(20, 0.05)
    assert low <= small <= high
