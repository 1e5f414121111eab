"""The computed patients: true tissue values, organs where they belong, lesions in livers, left unlike right."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from radgen.cohort.phantom.anatomy import Anatomy, draw_patient
from radgen.cohort.phantom.canvas import Canvas, Ellipse
from radgen.cohort.phantom.settings import STRUCTURES, PhantomSettings
from radgen.cohort.phantom.traits import STEP, place
from radgen.errors import ConfigError
from radgen.settings import as_plain, build

SETTINGS = PhantomSettings(size_px=64)
LABEL = {name: number for number, name in enumerate(STRUCTURES, start=1)}


@pytest.fixture(scope="module")
def patients() -> list[Anatomy]:
    return [draw_patient(SETTINGS, number) for number in range(1, 41)]


def grey(anatomy: Anatomy) -> npt.NDArray[np.float32]:
    return np.clip((anatomy.hu + 150) / 400, 0, 1)


def test_tissues_have_true_hu(patients: list[Anatomy]) -> None:
    expected = {
        "liver": (80, 125),
        "spleen": (95, 140),
        "aorta": (125, 185),
        "kidneys": (120, 200),
        "spine": (150, 650),
    }
    for anatomy in patients:
        for name, (low, high) in expected.items():
            assert low < np.percentile(anatomy.hu[anatomy.labels == LABEL[name]], 75) < high, name
        assert anatomy.hu[:, 0, 0].max() == -1000


def test_liver_and_spine_are_in_every_slice(patients: list[Anatomy]) -> None:
    for anatomy in patients:
        for name, least_cm2 in (("liver", 20), ("spine", 5), ("aorta", 1)):
            area = (anatomy.labels == LABEL[name]).sum(axis=(1, 2)) * anatomy.pixel_mm**2 / 100
            assert area.min() > least_cm2, name


def test_lesions_are_hypodense_and_large(patients: list[Anatomy]) -> None:
    with_lesion = [anatomy for anatomy in patients if anatomy.lesions]
    assert with_lesion
    for anatomy in with_lesion:
        lesion, liver = anatomy.labels == LABEL["lesion"], anatomy.labels == LABEL["liver"]
        contrast = np.median(anatomy.hu[liver]) - np.median(anatomy.hu[lesion])
        assert 25 < contrast < 60
        assert lesion.sum(axis=(1, 2)).max() * anatomy.pixel_mm**2 > np.pi / 4 * 20**2


def test_lesions_lie_in_what_would_be_liver() -> None:
    healthy = PhantomSettings(**{**SETTINGS.__dict__, "lesion_patient_fraction": 0.0})
    ill = PhantomSettings(**{**SETTINGS.__dict__, "lesion_patient_fraction": 1.0})
    for number in range(1, 9):
        lesion = draw_patient(ill, number).labels == LABEL["lesion"]
        assert lesion.any()
        assert (draw_patient(healthy, number).labels[lesion] == LABEL["liver"]).all()


def test_lesions_show_only_in_patients_that_have_them(patients: list[Anatomy]) -> None:
    for anatomy in patients:
        assert (anatomy.labels == LABEL["lesion"]).any() == (anatomy.lesions > 0)


def test_lesion_slices_are_a_good_share(patients: list[Anatomy]) -> None:
    large = [(anatomy.labels == LABEL["lesion"]).sum(axis=(1, 2)) * anatomy.pixel_mm**2 > 150 for anatomy in patients]
    assert 0.25 < np.mean(large) < 0.5


def test_left_is_unlike_right_in_every_slice(patients: list[Anatomy]) -> None:
    """The share of brightness on the picture's left tells every slice from its mirror image."""
    for anatomy in patients:
        picture = grey(anatomy)
        share = picture[:, :, :32].sum(axis=(1, 2)) / picture.sum(axis=(1, 2))
        assert share.min() > 0.51


def test_liver_is_on_the_patients_right_and_spine_at_the_back(patients: list[Anatomy]) -> None:
    for anatomy in patients:
        columns = np.nonzero(anatomy.labels == LABEL["liver"])[2]
        rows = np.nonzero(anatomy.labels == LABEL["spine"])[1]
        assert columns.mean() < 0.45 * SETTINGS.size_px
        assert rows.mean() > 0.55 * SETTINGS.size_px


def test_patients_differ_and_repeat(patients: list[Anatomy]) -> None:
    again = draw_patient(SETTINGS, 2)
    np.testing.assert_array_equal(again.hu, patients[1].hu)
    np.testing.assert_array_equal(again.labels, patients[1].labels)
    assert len({anatomy.pixel_mm for anatomy in patients}) > len(patients) // 2
    other = draw_patient(PhantomSettings(size_px=64, seed=SETTINGS.seed + 1), 2)
    assert np.abs(other.hu - again.hu).mean() > 1


def test_neighbouring_slices_are_alike(patients: list[Anatomy]) -> None:
    for anatomy in patients:
        picture = grey(anatomy)
        steps = np.abs(np.diff(picture, axis=0)).mean(axis=(1, 2))
        apart = np.abs(picture[0] - picture[-1]).mean()
        assert steps.max() < 0.04
        assert steps.mean() < 0.5 * apart


@given(rx=st.floats(5, 40), ry=st.floats(5, 40), angle=st.floats(0, 3.1), x=st.floats(-20, 20), y=st.floats(-20, 20))
@hypothesis_settings(max_examples=30, deadline=None)
def test_painted_ellipse_has_its_area(rx: float, ry: float, angle: float, x: float, y: float) -> None:
    canvas = Canvas(1, 140, 1.0, 1.0)
    canvas.paint(Ellipse(x, y, rx, ry, angle), 0.0, label=1)
    cover = (canvas.hu + 1000) / 1000
    assert cover.sum() == pytest.approx(np.pi * rx * ry, rel=0.06)
    assert (canvas.labels == 1).sum() == pytest.approx(np.pi * rx * ry, rel=0.08, abs=12)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("patients", 0, "patients is 0, but must be at least 1"),
        ("slice_mm", -1.0, "slice_mm is -1.0, but must be above 0"),
        ("body_fill", 1.5, "body_fill is 1.5, but must lie between 0.3 and 0.95"),
        ("seg_fraction", 1.2, "seg_fraction is 1.2, but must lie between 0 and 1"),
        ("doses", [], "needs at least one value above 0"),
        ("lesion_diameter_mm", [40.0, 20.0], "lesion_diameter_mm is 40.0 to 20.0, but must rise"),
        ("broken_files", -1, "broken_files is -1, but cannot be below 0"),
    ],
)
def test_impossible_settings_are_refused_in_words(key: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        build(PhantomSettings, {key: value}, "phantom")


def test_settings_survive_json() -> None:
    assert build(PhantomSettings, as_plain(SETTINGS)) == SETTINGS


def test_small_archives_hold_their_share_of_every_trait() -> None:
    for seed in range(20):
        for trait in STEP:
            places = sorted(place(seed, trait, number) for number in range(1, 13))
            assert abs(np.mean(np.array(places) < 0.5) - 0.5) <= 0.17
            assert 0 <= places[0] <= places[-1] < 1
