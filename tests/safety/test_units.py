"""Limits, nearest images, members, planted kinds: laws of the parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet
from radgen.metrics.distances import NOBODY
from radgen.provenance import SawPatients, read_manifest
from radgen.safety.audit import PLANTED, SYNTHETIC
from radgen.safety.comparisons import Features, learnt
from radgen.safety.limits import below, closeness, copy_limits
from radgen.safety.members import Asked, membership_auc
from radgen.safety.nearest import Table
from radgen.safety.planted import blended, patched, shifted
from radgen.safety.policy import judge
from radgen.safety.settings import ReleaseSettings
from radgen.safety.sides import sides_of
from radgen.safety.tables import ALL, Measure
from tests.features.toys import write_toy
from tests.safety.phantoms import SIDE, write_synthetic

RNG = np.random.default_rng(5)


# ---------------------------------------------------------------- limits


def test_limits_let_few_of_other_patients_pass() -> None:
    patients = np.repeat(np.arange(100), 10)
    control = {"a": RNG.normal(1, 0.1, 1000), "b": RNG.normal(1, 0.1, 1000), "far": RNG.normal(1, 0.1, 1000)}
    limits, alarms = copy_limits(control, patients, ["a", "b"], 0.02)
    assert alarms is not None
    assert 0.005 < alarms <= 0.02
    assert below(control, limits).mean() <= 0.02
    assert limits["far"] == control["far"].min()  # a distance counts only below everybody's


def test_alarms_of_one_patient_come_together_and_tighten_the_limits() -> None:
    patients = np.repeat(np.arange(20), 50)
    scores = RNG.normal(1, 0.05, 1000)
    scores[:50] -= 0.5  # one person resembles a training patient
    limits, alarms = copy_limits({"a": scores}, patients, ["a"], 0.01)
    assert limits["a"] == scores.min()
    assert alarms == pytest.approx(0.05)  # held out, that person's images would all be called copies


def test_one_patient_cannot_be_held_out() -> None:
    limits, alarms = copy_limits({"a": np.array([1.0, 0.5])}, np.zeros(2, dtype=np.int64), ["a"], 0.01)
    assert (limits, alarms) == ({"a": 0.5}, None)


def test_closeness_names_the_most_alarming_comparison() -> None:
    units, which = closeness({"a": np.array([1.0, 3.0]), "b": np.array([1.0, 0.5])}, {"a": 2.0, "b": 1.0})
    assert units.tolist() == [0.5, 0.5]
    assert which.tolist() == [0, 1]


# ---------------------------------------------------------------- nearest


def test_the_second_is_of_another_patient_however_the_table_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radgen.safety.nearest.TABLE_AT_ONCE", 7)
    points = RNG.normal(size=(60, 4)).astype(np.float32)
    patients = RNG.integers(0, 12, 60)

    class Points(Features):
        views = (Features.views[0],)

        def queries(self, images: np.ndarray) -> torch.Tensor:
            return self.table(images)[None]

    class Held(ImageSet):
        def __init__(self) -> None:
            pass

        def images(self, positions: np.ndarray) -> np.ndarray:  # type: ignore[override]
            return points[positions]

    table = Table(Points("points", lambda x: x), Held(), np.arange(60), patients)  # type: ignore[arg-type, return-value]
    queries = RNG.normal(size=(20, 4)).astype(np.float32)
    own = RNG.integers(-1, 12, 20)
    without = RNG.integers(0, 60, 20)
    found = table.nearest(queries, np.arange(20), own=own, without=without)  # type: ignore[arg-type]
    for row in range(20):
        distances = np.linalg.norm(points - queries[row], axis=1)
        distances[(patients == own[row]) & (own[row] != NOBODY)] = np.inf
        distances[without[row]] = np.inf
        first = int(distances.argmin())
        others = distances[patients != patients[first]].min()
        assert found.place[row] == first
        assert found.distance[row] == pytest.approx(distances[first], abs=1e-3)
        assert found.other_distance[row] == pytest.approx(others, abs=1e-3)
        assert found.ratio[row] == pytest.approx(distances[first] / others, abs=1e-3)


def test_a_copy_is_at_no_distance_whatever_its_brightness(people: Path) -> None:
    real = ImageSet(people)
    rows = np.arange(100)
    comparison = learnt("whole", real, rows)
    table = Table(comparison, real, rows, np.full(100, NOBODY))
    darker = (real.images(rows[:3]) * 0.5).astype(np.uint8)
    found = table.nearest(darker, np.arange(3))
    assert found.place.tolist() == [0, 1, 2]
    assert found.ratio.max() < 0.3


# ---------------------------------------------------------------- members


def asked(distances: np.ndarray, patients: int, name: str = "a") -> Asked:
    names = np.full(len(distances), name, dtype=object)
    return Asked(distances, names, np.arange(len(distances)) % patients)


def test_the_area_is_one_half_where_nothing_leaks_and_one_where_all_does() -> None:
    honest = membership_auc(
        asked(RNG.normal(size=600), 60), asked(RNG.normal(size=600), 60), np.random.default_rng(1), resamples=300
    )
    assert honest.low < 0.5 < honest.high
    leaked = membership_auc(asked(np.zeros(600), 60), asked(np.ones(600), 60), np.random.default_rng(1), resamples=300)
    assert (leaked.value, leaked.low, leaked.high) == (1.0, 1.0, 1.0)
    ties = membership_auc(asked(np.ones(20), 4), asked(np.ones(20), 4), np.random.default_rng(1), resamples=50)
    assert ties.value == 0.5


def test_classes_are_compared_apart_and_patients_drawn_whole() -> None:
    # Class a lies nearer than class b, and training holds more of it: no leak.
    names = np.array(["a"] * 90 + ["b"] * 10, dtype=object)
    near = np.where(names == "a", 0.0, 1.0)
    members = Asked(near, names, np.arange(100) % 10)
    strangers = Asked(near[::-1].copy(), names[::-1].copy(), np.arange(100) % 10)
    flipped = Asked(1 - near, np.where(names == "a", "b", "a"), np.arange(100) % 10)
    assert membership_auc(members, strangers, np.random.default_rng(1), resamples=50).value == 0.5
    assert membership_auc(members, flipped, np.random.default_rng(1), resamples=50).value == 0.5
    few = membership_auc(asked(RNG.normal(size=400), 4), asked(RNG.normal(size=400), 4), RNG, resamples=300)
    spread = np.repeat(RNG.normal(size=4), 100)
    whole = Asked(spread, np.full(400, "a", dtype=object), np.repeat(np.arange(4), 100))
    clumped = membership_auc(whole, asked(RNG.normal(size=400), 4), np.random.default_rng(1), resamples=300)
    assert clumped.high - clumped.low > 2 * (few.high - few.low)


def test_one_patient_gives_no_interval() -> None:
    with pytest.raises(InputError, match="1 training and 4 held-out patients are too few"):
        membership_auc(asked(np.ones(4), 1), asked(np.ones(4), 4), RNG, resamples=10)


# ---------------------------------------------------------------- planted copies, sides


def test_planted_copies_are_what_they_are_called() -> None:
    originals = RNG.integers(1, 256, (6, 1, SIDE, SIDE)).astype(np.uint8)
    donors = np.zeros_like(originals)
    assert ((patched(originals, donors, RNG) == 0).mean(axis=(1, 2, 3)) == (24 / 64) ** 2).all()
    assert (blended(originals, donors, RNG) == originals // 2).all()
    for copy, original in zip(shifted(originals, donors, RNG), originals, strict=True):
        kept = copy[copy > 0]
        assert 0 < 1 - len(kept) / original.size < 0.13
        assert set(kept.tolist()) <= set(original.reshape(-1).tolist())
        assert not np.array_equal(copy, original)


def test_suspects_are_those_whose_pixels_taught_the_set(people: Path, tmp_path: Path) -> None:
    real = ImageSet(people)
    patients = real.column("patient")
    two = SawPatients(pixels={"train": frozenset({f"{3:016x}"}), "val": frozenset({f"{40:016x}"})})
    sides = sides_of(
        real, [read_manifest(write_synthetic(tmp_path / "two", planted=False, saw=two).parent / "manifest.json")]
    )
    assert set(patients[sides.training]) == {f"{3:016x}"}  # a validation patient chose weights, no more
    assert f"{40:016x}" in set(patients[sides.control])
    foreign = write_synthetic(tmp_path / "foreign", planted=False, saw=two, stage="import_images")
    sides = sides_of(real, [read_manifest(foreign.parent / "manifest.json")])
    assert f"{40:016x}" in set(patients[sides.training])
    assert f"{40:016x}" not in set(patients[sides.control])
    unknown = SawPatients(unknown=frozenset({"a published checkpoint"}))
    nobody = write_synthetic(tmp_path / "nobody", planted=False, saw=unknown, stage="import_images")
    sides = sides_of(real, [read_manifest(nobody.parent / "manifest.json")])
    assert len(set(patients[sides.training])) == 40
    assert sides.unknown == ("a published checkpoint",)


def test_a_study_without_held_out_people_cannot_be_audited(tmp_path: Path) -> None:
    index = write_toy(tmp_path / "toy")
    everyone = frozenset(f"{split}{number:02d}" for split in ("val", "test") for number in range(8))
    manifest = {"what": {"stage": "import_images", "saw_patients": SawPatients(pixels={"test": everyone}).to_json()}}
    with pytest.raises(CohortError, match="192 training and 0 held-out images, but an audit needs both"):
        sides_of(ImageSet(index), [manifest])


# ---------------------------------------------------------------- what the policy says


@pytest.mark.parametrize(("share", "told"), [(0.998, "99.8 %"), (1.0, "100 %"), (0.0625, "6.25 %"), (0.0, "0 %")])
def test_shares_of_near_copies_are_told_in_plain_digits(share: float, told: str) -> None:
    measures = [
        Measure(ALL, "near_copies", SYNTHETIC, share),
        Measure("pixels", "membership_auc", SYNTHETIC, 0.5, 0.4, 0.55),
        Measure(ALL, "near_copies", next(iter(PLANTED)), 1.0),
    ]
    images = pa.table({"kept": [True]})
    words = judge(measures, images, {"all": 9}, (), ReleaseSettings()).checks[0].words
    assert words.startswith(f"{told} of the images are near copies of training images, the policy allows 5 %")
