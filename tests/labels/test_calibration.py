"""Calibration: errors and risk-coverage curves by hand, and the stage on a toy study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from radgen.errors import CohortError
from radgen.gan.sampling import load_sampler
from radgen.imageset.core import ImageSet
from radgen.labels.calibration import (
    CURVE_SCHEMA,
    HELD_OUT,
    IMAGES_SCHEMA,
    SAMPLES,
    image_errors,
    risk_coverage,
)
from radgen.labels.inverted import held_out_rows, invert_rows
from radgen.labels.settings import CalibrationSettings
from radgen.provenance import read_manifest, saw_patients_of
from radgen.stages import labels_calibration
from tests.labels.test_pairs import _heads
from tests.labels.test_stages import CLASS_SETTINGS, SAMPLE, STRUCTURE_SETTINGS, TEACHER, Study
from tests.labels.toys import CLASSES, CPU, SOURCE, save_generator_file, write_real

SETTINGS = CalibrationSettings(images=4, samples=20, candidates=4, steps=3, split="val")


def test_an_error_is_one_less_the_mean_dice_of_structures_that_either_mask_holds() -> None:
    truth = np.zeros((4, 2, 4), dtype=np.uint8)
    painted = truth.copy()
    truth[0, 0], painted[0, 0] = 1, [1, 1, 0, 0]  # 4 pixels, 2 of them found: Dice 2/3
    truth[1, 0], painted[1, 1] = 1, 2  # both structures missed
    truth[2, 0], truth[2, 1], painted[2, 0] = 1, 2, 1  # one found, the other missed
    assert image_errors(painted, truth, 3).tolist() == pytest.approx([1 / 3, 1.0, 0.5, 0.0])


def test_a_measure_that_knows_the_error_reaches_the_ideal_and_a_wrong_one_does_not() -> None:
    errors = np.array([0.0, 0.1, 0.2, 0.7])
    found = risk_coverage(errors, np.array([1.0, 2.0, 3.0, 9.0]), -errors)
    assert found.risk.tolist() == found.ideal.tolist() == pytest.approx([0.0, 0.05, 0.1, 0.25])
    assert found.by_disagreement.tolist() == pytest.approx([0.7, 0.45, 1 / 3, 0.25])
    worst = (0.7 + 0.45 + 1 / 3 + 0.25) / 4
    assert found.areas == pytest.approx(
        {
            "random": 0.25,
            "ideal": 0.1,
            "uncertainty": 0.1,
            "ratio": 0.4,
            "uncertainty_by_disagreement": worst,
            "ratio_by_disagreement": worst / 0.25,
        }
    )
    assert risk_coverage(np.zeros(3), np.arange(3.0), np.arange(3.0)).areas["ratio"] == 1


def test_the_expectation_of_random_dropping_is_its_line() -> None:
    random = np.random.default_rng(0)
    errors = random.random(50)
    areas = [risk_coverage(errors, *random.random((2, 50))).areas["uncertainty"] for _ in range(400)]
    assert np.mean(areas) == pytest.approx(float(errors.mean()), abs=0.01)


def _real(folder: Path) -> Path:
    """Real slices of which those of split annotator now are held out."""
    index = write_real(folder)
    table = pq.read_table(index)
    split = ["val" if name == "annotator" else name for name in table.column("split").to_pylist()]
    place = table.column_names.index("split")
    pq.write_table(table.set_column(place, table.schema.field("split"), [split]), index)
    return index


def test_slices_are_chosen_in_equal_shares_from_the_split_alone(tmp_path: Path) -> None:
    real = ImageSet(_real(tmp_path))
    rows = held_out_rows(real, CLASSES, SETTINGS)
    assert sorted(real.column("class_name")[rows].tolist()) == ["plain", "plain", "spotted", "spotted"]
    assert set(real.column("split")[rows]) == {"val"}
    with pytest.raises(CohortError, match=r"0 slices with masks of split test, at least 2 are needed"):
        held_out_rows(real, CLASSES, CalibrationSettings(split="test"))
    with pytest.raises(ValueError, match=r"split must be val or test, not train"):
        CalibrationSettings(split="train")


def test_a_picture_of_the_generator_is_found_again_and_painted_alike(tmp_path: Path) -> None:
    real = ImageSet(_real(tmp_path / "real"))
    sampler = load_sampler(save_generator_file(tmp_path / "g.safetensors"), seed=1, truncation=1.0, device=CPU)
    rows = held_out_rows(real, CLASSES, SETTINGS)
    heads = _heads(sampler)
    few = invert_rows(sampler, heads, real, rows, SETTINGS)
    many = invert_rows(sampler, heads, real, rows, CalibrationSettings(images=4, candidates=4, steps=40))
    assert (many.psnr_db > few.psnr_db).all()
    assert many.images.shape == (4, 1, 16, 16)
    again = invert_rows(sampler, heads, real, rows[2:], SETTINGS)
    assert np.array_equal(again.masks, few.masks[2:])  # a slice's result does not depend on those beside it
    assert (few.expected_errors > 0).all()
    assert (few.expected_errors < 1).all()
    assert (few.disagreements > 0).all()


def test_the_stage_writes_tables_curves_and_ceilings(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.make_pack()
    study.teach()
    study.simulate()
    study.teach_head()
    slices = _real(tmp_path / "other")
    folder = tmp_path / "labels" / "calibration"
    given = {
        "weights": study.weights,
        "gan_manifest": study.gan_manifest,
        "head": tmp_path / "labels" / "head.safetensors",
        "labels_manifest": tmp_path / "labels" / "manifest.json",
        "slices": slices,
        "slices_manifest": study.slices_manifest,
        "source": SOURCE,
        "images": folder / "images.parquet",
        "curve": folder / "curve.parquet",
        "manifest": folder / "manifest.json",
        "calibration": SETTINGS,
        "annotator": TEACHER,
        "sample": SAMPLE,
        "structures": STRUCTURE_SETTINGS,
        "classes": CLASS_SETTINGS,
        "work": tmp_path / "work",
        "device": "cpu",
    }
    labels_calibration.run(**given)  # type: ignore[arg-type]
    images, curve = pq.read_table(folder / "images.parquet"), pq.read_table(folder / "curve.parquet")
    assert (images.schema, curve.schema) == (IMAGES_SCHEMA, CURVE_SCHEMA)
    rows = images.to_pylist()
    assert [row["set"] for row in rows] == [HELD_OUT] * 4 + [SAMPLES] * 40
    assert all((row["psnr_db"] is None) == (row["set"] == SAMPLES) for row in rows)
    assert curve.num_rows == 44
    assert pyarrow.csv.read_csv(folder / "curve.csv").num_rows == 44
    notes = read_manifest(folder / "manifest.json")["run"]["notes"]["sets"]
    held = [row for row in rows if row["set"] == HELD_OUT]
    assert notes[HELD_OUT]["mean_psnr_db"] == pytest.approx(np.mean([row["psnr_db"] for row in held]), abs=1e-3)
    assert notes[SAMPLES]["areas"]["random"] == pytest.approx(notes[SAMPLES]["mean_error"], abs=1e-3)
    saw = saw_patients_of(folder / "manifest.json")
    assert saw.masks["val"] == set(
        ImageSet(slices).column("patient")[held_out_rows(ImageSet(slices), CLASSES, SETTINGS)]
    )
    assert saw.masks["train"] == {"patient1", "patient3", "patient5"}
    before = (folder / "curve.csv").read_bytes()
    (folder / "curve.csv").unlink()
    labels_calibration.run(**given)  # type: ignore[arg-type]
    assert (folder / "curve.csv").read_bytes() == before
    assert read_manifest(folder / "manifest.json")["run"]["reused"] is True
