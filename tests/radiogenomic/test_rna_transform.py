"""The transform: fitted on training patients alone, stored, and applied to whatever comes later."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from radgen.errors import CheckpointError, InputError
from radgen.radiogenomic.gene_scores import class_scores, cox_scores
from radgen.radiogenomic.rna_table import RnaTable
from radgen.radiogenomic.rna_transform import Guide, fit, load, read_gene_list, save
from radgen.radiogenomic.settings import RnaSettings


def toy(patients: int = 20, genes: int = 8) -> RnaTable:
    values = np.random.default_rng(3).gamma(2.0, 5.0, (patients, genes))
    names = tuple(f"P{n}" for n in range(patients)), tuple(f"G{n}" for n in range(genes))
    return RnaTable("rna.txt", *names, values, "raw")


def test_training_patients_come_out_standardised() -> None:
    table = toy()
    transform = fit(table, RnaSettings())
    inputs = transform.apply(table)
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(inputs.std(axis=0), 1, atol=1e-6)
    logs = np.log2(table.values + 1)
    np.testing.assert_allclose(transform.mean, logs.mean(axis=0))


@pytest.mark.parametrize("select", ["all", "variance", "class", "cox"])
def test_held_out_patients_change_no_byte_of_the_transform(tmp_path: Path, select: str) -> None:
    table = toy()
    train = table.patients[:12]
    wild = replace(table, values=np.concatenate([table.values[:12], table.values[12:] * 1000]))
    guide = Guide(tuple("ab" * 6), tuple(range(1, 13)), (True,) * 12)
    for name, one in (("one", table), ("two", wild)):
        save(tmp_path / name, fit(one.of(train), RnaSettings(select=select, genes=3), guide))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    save(tmp_path / "all", fit(wild, RnaSettings(select="variance", genes=3)))
    assert (tmp_path / "all").read_bytes() != (tmp_path / "one").read_bytes()


def test_missing_and_constant_genes_leave_by_the_stated_rule() -> None:
    table = toy()
    table.values[:2, 0] = np.nan
    table.values[:5, 1] = np.nan
    table.values[:, 2] = 7.0
    assert fit(table, RnaSettings()).genes == ("G3", "G4", "G5", "G6", "G7")
    kept = fit(table, RnaSettings(most_missing=0.1))
    assert kept.genes == ("G0", "G3", "G4", "G5", "G6", "G7")
    assert (kept.counts.read, kept.counts.dropped_missing, kept.counts.dropped_constant) == (8, 1, 1)
    assert kept.counts.not_selected + kept.counts.kept == 6
    assert (kept.apply(table)[:2, 0] == 0).all()
    table.values[:, :] = 1.0
    with pytest.raises(InputError, match="none of 8 genes is left"):
        fit(table, RnaSettings())


def test_variance_takes_the_most_variable() -> None:
    table = toy()
    table.values[:, 5] *= np.linspace(1, 400, 20)
    assert fit(table, RnaSettings(select="variance", genes=1)).genes == ("G5",)


def test_class_association_is_the_f_statistic() -> None:
    rng = np.random.default_rng(0)
    values, classes = rng.normal(size=(30, 4)), list("abc" * 10)
    values[:, 2] += [{"a": 0.0, "b": 1.0, "c": 3.0}[name] for name in classes]
    from scipy.stats import f_oneway

    groups = [values[[name == which for name in classes]] for which in "abc"]
    np.testing.assert_allclose(class_scores(values, classes), f_oneway(*groups).statistic)
    assert class_scores(values, classes).argmax() == 2


def test_cox_score_of_two_groups_is_the_log_rank_test() -> None:
    """Freireich's leukaemia trial as in Cox 1972: the log-rank chi-squared, 16.79 with exact ties."""
    treated = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    events = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    control = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    times = np.array(treated + control, dtype=float)
    died = np.array(events + [1] * 21, dtype=bool)
    group = np.array([1.0] * 21 + [0.0] * 21)[:, None]
    # Breslow's variance at a tie leaves out the factor (n - d) / (n - 1) of the log-rank test: a little smaller.
    at_tie = [
        ((times >= t).sum(), ((times == t) & died).sum(), group[times >= t, 0].mean()) for t in np.unique(times[died])
    ]
    expected = sum(d * p for _, d, p in at_tie)
    exact = sum(d * p * (1 - p) * (n - d) / (n - 1) for n, d, p in at_tie if n > 1)
    assert (9 - expected) ** 2 / exact == pytest.approx(16.79, abs=0.01)
    breslow = sum(d * p * (1 - p) for _, d, p in at_tie)
    assert cox_scores(group, times, died)[0] == pytest.approx((9 - expected) ** 2 / breslow)
    with pytest.raises(ValueError, match="0 deaths"):
        cox_scores(group, times, np.zeros(42, dtype=bool))


def test_cox_finds_the_gene_that_kills() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(200, 30))
    times = rng.exponential(np.exp(-values[:, 17]))
    assert cox_scores(values, times, rng.random(200) < 0.7).argmax() == 17


def test_a_list_chooses_and_is_checked(tmp_path: Path) -> None:
    (tmp_path / "genes.txt").write_text("# pathway\nG6\n\nG1\n")
    listed = read_gene_list(tmp_path / "genes.txt")
    assert fit(toy(), RnaSettings(select="list"), guide=Guide(listed=listed)).genes == ("G1", "G6")
    with pytest.raises(InputError, match="1 of 2 listed genes are not in the table \\(such as XIST\\)"):
        fit(toy(), RnaSettings(select="list"), guide=Guide(listed=("G1", "XIST")))
    (tmp_path / "genes.txt").write_text("G6\nG1\nG6\n")
    with pytest.raises(InputError, match="lines 1 and 3 are the same gene"):
        read_gene_list(tmp_path / "genes.txt")


def test_another_gene_set_ends_in_one_sentence() -> None:
    transform = fit(toy(), RnaSettings())
    other = replace(toy(), genes=("G0", "G1", "G2", "G3", "G4", "G5", "X6", "X7"))
    sentence = (
        "rna.txt: 2 of the 8 genes that the transform was fitted on are not among the table's 8 "
        "(such as G6, G7; 2 of the table's are not used)"
    )
    with pytest.raises(InputError, match=re.escape(sentence)):
        transform.apply(other)
    with pytest.raises(InputError, match="is log, but the transform was fitted on raw"):
        transform.apply(replace(toy(), scale="log"))


def test_order_of_genes_and_further_genes_do_not_matter() -> None:
    table = toy()
    transform = fit(table.of(table.patients), RnaSettings(select="variance", genes=3))
    order = list(reversed(range(8)))
    turned = replace(table, genes=tuple(table.genes[n] for n in order), values=table.values[:, order])
    np.testing.assert_array_equal(transform.apply(turned), transform.apply(table))


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    path, table = tmp_path / "rna.safetensors", toy()
    transform = fit(table, RnaSettings())
    save(path, transform)
    back = load(path)
    assert (back.genes, back.scale, back.patients, back.counts) == (
        transform.genes,
        transform.scale,
        transform.patients,
        transform.counts,
    )
    np.testing.assert_array_equal(back.apply(table), transform.apply(table))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="not an RNA transform"):
        load(path)
    save(path, replace(transform, deviation=np.zeros(8)))
    with pytest.raises(CheckpointError, match="not a sound RNA transform"):
        load(path)
    save(path, replace(transform, mean=transform.mean[:5]))
    with pytest.raises(CheckpointError, match=r"8 genes with \(5,\) means"):
        load(path)


@pytest.mark.realdata
def test_real_missing_values_are_imputed(data_root: Path) -> None:
    from radgen.radiogenomic.rna_table import read_rna

    table = read_rna(data_root / "nsclc_radiogenomics_rna" / "data" / "df_zscore.csv", "zscore", "genes-in-rows")
    train = table.of(table.patients[:100])
    strict, loose = fit(train, RnaSettings(scale="zscore")), fit(train, RnaSettings(scale="zscore", most_missing=0.2))
    assert strict.counts.kept < loose.counts.kept <= 1000
    assert np.isfinite(loose.apply(table)).all()
    assert loose.caption == "statistics saw all patients"
