"""MR of the phantom: magnitudes, tissues in order, files; and the labels of tissues between organs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from radgen.cohort.phantom.anatomy import Anatomy, draw_patient
from radgen.cohort.phantom.archive import write_patient
from radgen.cohort.phantom.magnet import coil, magnitude, t1_signal
from radgen.cohort.phantom.organs import LABEL
from radgen.cohort.phantom.settings import STRUCTURES, TISSUES, PhantomSettings

SETTINGS = PhantomSettings(size_px=128, mr_fraction=1.0, tissues=True)
TISSUE = {name: number for number, name in enumerate(TISSUES, start=len(STRUCTURES) + 1)}


@pytest.fixture(scope="module")
def patients() -> list[Anatomy]:
    return [draw_patient(SETTINGS, number) for number in range(1, 13)]


def test_magnitudes_are_rician() -> None:
    rng = np.random.default_rng(0)
    air, fat = (magnitude(np.full((8, 128, 128), level, dtype=np.float32), 0.05, rng) for level in (0.0, 1.0))
    # Of pure noise the mean is sigma sqrt(pi / 2); of a strong signal it is the signal, spread by sigma.
    assert air.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.03)
    assert fat.mean() == pytest.approx(1.0, rel=0.01)
    assert fat.std() == pytest.approx(0.05, rel=0.05)


def test_half_of_k_space_keeps_what_is_coarse() -> None:
    x = np.arange(128)
    waves = [np.broadcast_to(1 + 0.5 * np.cos(2 * np.pi * k * x / 128), (1, 128, 128)) for k in (8, 48)]
    coarse, fine = (magnitude(wave.astype(np.float32), 0.0, np.random.default_rng(0)) for wave in waves)
    assert np.abs(coarse - waves[0]).max() < 1e-3
    assert fine.std() < 1e-3


def test_tissues_stand_in_the_order_of_t1(patients: list[Anatomy]) -> None:
    for number, anatomy in enumerate(patients):
        signal = t1_signal(anatomy.hu, anatomy.labels, np.random.default_rng(number))
        shown = {
            name: float(np.median(signal[anatomy.labels == label]))
            for name, label in (LABEL | TISSUE).items()
            if (anatomy.labels == label).any()
        }
        assert shown["fat"] > shown["liver"] > shown["kidneys"] > shown["spleen"] > shown["aorta"] > shown["gas"]
        assert "lesion" not in shown or shown["lesion"] < 0.75 * shown["liver"]
        assert signal[0, 0, 0] == 0


def test_the_coil_is_smooth_and_near_one() -> None:
    fields = [coil((12, 64, 64), np.random.default_rng(number)) for number in range(20)]
    assert np.exp(np.mean(np.log(fields))) == pytest.approx(1, abs=0.1)
    assert max(np.abs(np.diff(field, axis=2)).max() for field in fields) < 0.08
    assert np.std([field.max() / field.min() for field in fields]) > 0.1


def test_tissues_fill_the_trunk_and_change_no_organ(patients: list[Anatomy]) -> None:
    bare = replace(SETTINGS, tissues=False)
    for number, anatomy in enumerate(patients[:4], start=1):
        organs = draw_patient(bare, number).labels
        assert np.array_equal(np.where(anatomy.labels > len(STRUCTURES), 0, anatomy.labels), organs)
        middle = {name: float(np.median(anatomy.hu[anatomy.labels == label])) for name, label in TISSUE.items()}
        assert middle["fat"] == pytest.approx(-103, abs=12)
        assert middle["lean"] == pytest.approx(52, abs=25)
        assert middle["gas"] < -800
        assert middle["ribs"] > 200
        # Skin, veins and soft edges alone stay without a label.
        tissue = anatomy.hu > -200
        assert ((anatomy.labels == 0) & tissue).sum() < 0.08 * tissue.sum()


def test_half_of_an_archive_is_mr(tmp_path: Path) -> None:
    settings = PhantomSettings(patients=14, slices_per_patient=2, size_px=32, views=32, mr_fraction=0.5, tissues=True)
    for number in range(1, 15):
        write_patient(tmp_path, settings, number)
    series = [pydicom.dcmread(path) for path in sorted(tmp_path.glob("*/*/IM0001.dcm"))]
    assert sorted(one.Modality for one in series) == ["CT"] * 7 + ["MR"] * 7
    for one in series:
        assert ("RescaleSlope" in one) == (one.Modality == "CT")
        assert one.SOPClassUID.name == f"{one.Modality} Image Storage"
        assert one.SeriesDescription.startswith(f"PHANTOM {one.Modality}")
    named = {
        item.SegmentLabel for path in tmp_path.glob("*/SEG/seg.dcm") for item in pydicom.dcmread(path).SegmentSequence
    }
    assert {"fat", "lean", "liver"} <= named


def test_a_patient_seen_by_mr_has_neither_couch_nor_blanket() -> None:
    number = 3
    by_ct, by_mr = (draw_patient(replace(SETTINGS, mr_fraction=share), number) for share in (0.0, 1.0))
    assert (by_mr.modality, by_ct.modality) == ("MR", "CT")
    assert np.array_equal(by_mr.labels, by_ct.labels)
    assert (by_mr.hu[:, -8:] == -1000).all()
