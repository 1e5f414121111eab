"""The annotation curve: which images teach, what is scored, and both stages on a toy study."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from radgen.annotation.seconds import note_people
from radgen.annotation.settings import AnnotationSettings
from radgen.benchmark.annotation_curve import CURVE_SCHEMA, sum_up, two_level_replicates
from radgen.benchmark.statistics import interval
from radgen.errors import AnnotationError, InputError
from radgen.gan.sampling import load_sampler
from radgen.imageset.core import ImageSet
from radgen.labels.annotated import Annotated, read_pack_facts, redraw
from radgen.labels.curve import (
    POINT_SCHEMA,
    dice_of,
    minutes_of,
    nested_rows,
    patient_scores,
    real_rows,
    split_annotated,
)
from radgen.labels.segmenter import Segmenter, SegmenterShape
from radgen.labels.settings import AnnotationCurveSettings
from radgen.provenance import read_manifest, saw_patients_of
from radgen.stages import annotation_curve, annotation_curve_point
from tests.labels.test_stages import CLASS_SETTINGS, HEAD, PAIRS, SAMPLE, STRUCTURE_SETTINGS, TEACHER, Study
from tests.labels.toys import CPU, SOURCE, STRUCTURES, write_real

CURVE = AnnotationCurveSettings(
    counts=(1, 3),
    held_out=4,
    head_images=24,
    pairs_per_class=5,
    segmenter_images=24,
    segmenter_channels=(4, 8),
    bootstrap_samples=100,
)


def test_a_larger_number_adds_to_a_smaller_one_and_classes_and_patients_take_turns() -> None:
    class_ids = [0] * 12 + [1] * 6
    patients = [f"p{number // 3}" for number in range(18)]
    orders = [nested_rows(class_ids, patients, 18, "test", seed) for seed in range(3)]
    assert all(sorted(order) == list(range(18)) for order in orders)
    assert orders[0] != orders[1]
    for order in orders:
        assert [nested_rows(class_ids, patients, count, "test", orders.index(order)) for count in (1, 4)] == [
            order[:1],
            order[:4],
        ]
        assert Counter(class_ids[row] for row in order[:6]) == {0: 3, 1: 3}
        assert len({patients[row] for row in order[:4]}) == 4


def test_minutes_are_noted_or_assumed_or_unknown() -> None:
    assert minutes_of([30.0, 90.0], 600.0) == 2
    assert minutes_of([30.0, None], 120.0) == 4
    assert minutes_of([30.0, None], None) is None


def _masks(*rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((1, 4, 4), dtype=bool)
    mask[:, list(rows)] = True
    return mask


def test_dice_pools_slices_and_calls_two_empty_masks_equal() -> None:
    assert dice_of(_masks(0, 1), _masks(1)) == pytest.approx(2 / 3)
    assert (dice_of(_masks(), _masks()), dice_of(_masks(), _masks(2))) == (1.0, 0.0)


def test_every_patient_of_the_split_is_scored_once_for_each_structure(tmp_path: Path) -> None:
    real = ImageSet(_real(tmp_path))
    segmenter = Segmenter(SegmenterShape(1, (4, 8), ("background", *STRUCTURES))).eval()
    rows = patient_scores(segmenter, real, real.rows_where(split="val"), CPU)
    assert [(row["unit"], row["structure"]) for row in rows] == [
        (f"patient{number}", name) for number in (0, 2, 4) for name in STRUCTURES
    ]


def test_the_interval_counts_both_levels() -> None:
    random = np.random.default_rng(0)
    patients, seeds = random.normal(0.7, 0.1, 40), random.normal(0, 0.05, 6)
    lower, upper = interval(two_level_replicates(patients[None] + 0 * seeds[:, None], 400), 0.95)
    both = interval(two_level_replicates(patients[None] + seeds[:, None], 400), 0.95)
    assert lower < patients.mean() < upper
    assert both[1] - both[0] > 1.2 * (upper - lower)
    alone = two_level_replicates(np.tile(seeds[:, None], (1, 40)), 400)
    assert alone[0] == pytest.approx(seeds.mean())
    assert np.std(alone) == pytest.approx(np.std(seeds) / np.sqrt(6), rel=0.2)
    gaps = np.array([[0.5, np.nan, 0.9], [0.5, 0.1, np.nan]])  # a seed has its own units: means 0.7 and 0.3
    assert two_level_replicates(gaps, 100)[0] == pytest.approx(0.5)


def _rows(count: int, seed: int, **dice: float) -> list[dict[str, Any]]:
    facts = {"measure": "downstream", "arm": "real", "count": count, "seed": seed, "unit": "p1"}
    return [
        facts | {"minutes": None if count == 1 else 2.0 * seed, "structure": name, "dice": dice[name]} for name in dice
    ]


def test_a_curve_has_each_structure_and_their_mean() -> None:
    points = [
        *_rows(1, 1, a=0.2, b=0.4),
        *_rows(1, 2, a=0.4, b=0.6),
        *_rows(4, 1, a=0.8, b=1.0),
        *_rows(4, 2, a=0.8, b=1.0),
    ]
    table = sum_up(pd.DataFrame(points), ("a", "b"), samples=100, confidence=0.95)
    assert table.schema == CURVE_SCHEMA
    found = {(row["count"], row["structure"]): row for row in table.to_pylist()}
    assert {key: round(row["dice"], 6) for key, row in found.items()} == {
        (1, "all"): 0.4, (1, "a"): 0.3, (1, "b"): 0.5, (4, "all"): 0.9, (4, "a"): 0.8, (4, "b"): 1.0,
    }  # fmt: skip
    assert (found[1, "all"]["minutes"], found[4, "all"]["minutes"]) == (None, 3.0)
    assert (found[1, "all"]["n_seeds"], found[1, "all"]["n_units"]) == (2, 1)
    assert found[1, "a"]["lower"] == pytest.approx(0.2)


# ---------------------------------------------------------------- the stages


def _real(folder: Path) -> Path:
    """Real slices of which those of split annotator now are validation."""
    index = write_real(folder)
    table = pq.read_table(index)
    split = ["val" if name == "annotator" else name for name in table.column("split").to_pylist()]
    place = table.column_names.index("split")
    pq.write_table(table.set_column(place, table.schema.field("split"), [split]), index)
    return index


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(tmp_path_factory.mktemp("study"))
    study.make_pack(annotation=AnnotationSettings(count=8, candidates_per_class=16))
    study.teach()
    study.simulate()
    _real(study.root / "other")
    return study


def _measure(study: Study, count: int, seed: int, curve: AnnotationCurveSettings = CURVE, device: str = "cpu") -> Path:
    scores = study.root / "curve" / f"count-{count}_seed-{seed}.parquet"
    annotation_curve_point.run(
        weights=study.weights,
        gan_manifest=study.gan_manifest,
        annotation=study.index,
        annotation_manifest=study.annotation / "manifest.json",
        pack=study.pack,
        slices=study.root / "other" / "index.parquet",
        slices_manifest=study.slices_manifest,
        source=SOURCE,
        count=count,
        seed=seed,
        scores=scores,
        manifest=scores.with_suffix(".manifest.json"),
        annotation_curve=curve,
        labels=HEAD,
        annotator=TEACHER,
        pairs=PAIRS,
        sample=SAMPLE,
        structures=STRUCTURE_SETTINGS,
        classes=CLASS_SETTINGS,
        work=study.root / "work",
        device=device,
    )
    return scores


def _annotated(study: Study) -> Annotated:
    sampler = load_sampler(study.weights, seed=SAMPLE.seed, truncation=SAMPLE.truncation, device=CPU)
    return redraw(sampler, read_pack_facts(study.pack, _digest(study)), ImageSet(study.index))


def _digest(study: Study) -> str:
    return str(pq.read_table(study.pack).column("generator")[0].as_py())


def test_no_held_out_image_ever_teaches(study: Study) -> None:
    annotated = _annotated(study)
    for seed in range(4):
        one, three = (split_annotated(annotated, count, seed, CURVE) for count in CURVE.counts)
        assert (len(one[0]), len(three[0]), len(one[1])) == (1, 3, 4)
        assert one[1] == three[1]
        assert three[0][:1] == one[0]
        assert not set(three[0]) & set(three[1])
    with pytest.raises(AnnotationError, match=r"5 images to learn from and 4 held out are 9, but 8 are annotated"):
        split_annotated(annotated, 5, 1, AnnotationCurveSettings(counts=(5,), held_out=4))


def test_a_point_scores_masks_and_both_kinds_of_annotation(study: Study) -> None:
    path = _measure(study, 3, 1)
    table = pq.read_table(path)
    assert table.schema == POINT_SCHEMA
    rows = table.to_pylist()
    units: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        units.setdefault((row["measure"], row["arm"]), set()).add(row["unit"])
    patients = {"patient0", "patient2", "patient4"}
    annotated = _annotated(study)
    held = {annotated.image_ids[row] for row in split_annotated(annotated, 3, 1, CURVE)[1]}
    assert units.pop(("masks", "synthetic")) <= held
    assert units == {
        ("downstream", "synthetic"): patients,
        ("downstream", "real"): patients,
    }  # a ceiling is the first's
    assert {(row["count"], row["seed"], row["minutes"]) for row in rows} == {(3, 1, None)}
    manifest = path.with_suffix(".manifest.json")
    assert read_manifest(manifest)["run"]["notes"]["annotator"]["kind"] == "simulated annotator"
    real = ImageSet(study.root / "other" / "index.parquet")
    saw = saw_patients_of(manifest)
    assert saw.masks["train"] == set(real.column("patient")[real_rows(real, 3, 1)])
    assert saw.masks["val"] == patients
    before = path.read_bytes()
    path.unlink()
    _measure(study, 3, 1, device="auto")
    assert path.read_bytes() == before
    assert read_manifest(manifest)["run"]["reused"] is True


def test_noted_seconds_become_minutes(tmp_path: Path, study: Study) -> None:
    index = study.index.read_bytes()
    try:
        note_people(study.index, dict.fromkeys(ImageSet(study.index).column("image_id"), 90.0), {})
        assert set(pq.read_table(_measure(study, 3, 2)).column("minutes").to_pylist()) == {4.5}
    finally:
        study.index.write_bytes(index)


def test_the_curve_joins_its_points(study: Study) -> None:
    points = tuple(_measure(study, count, seed) for count in CURVE.counts for seed in (1, 2, 3))
    folder = study.root / "curve"
    given: dict[str, Any] = {
        "point_manifests": tuple(path.with_suffix(".manifest.json") for path in points),
        "source": SOURCE,
        "table": folder / "curve.parquet",
        "manifest": folder / "manifest.json",
        "annotation_curve": CURVE,
        "structures": STRUCTURE_SETTINGS,
    }
    annotation_curve.run(points=points, **given)
    rows = pq.read_table(folder / "curve.parquet").to_pylist()
    assert {(row["measure"], row["arm"], row["count"]) for row in rows} == {
        (measure, arm, count)
        for measure, arm in (("masks", "synthetic"), ("downstream", "synthetic"), ("downstream", "real"))
        for count in CURVE.counts
    } | {("downstream", "ceiling", 24)}
    ceilings = [row for row in rows if row["arm"] == "ceiling"]
    assert {(row["n_seeds"], row["n_units"], row["minutes"]) for row in ceilings} == {(3, 3, None)}
    saw = saw_patients_of(points[0].with_suffix(".manifest.json"))
    assert saw.masks["train"] == {"patient1", "patient3", "patient5"}  # all who may teach
    assert all(row["lower"] <= row["dice"] <= row["upper"] and row["n_seeds"] <= 3 for row in rows)
    assert pyarrow.csv.read_csv(folder / "curve.csv").num_rows == len(rows)
    assert read_manifest(folder / "manifest.json")["run"]["notes"]["annotator"]["kind"] == "simulated annotator"
    with pytest.raises(InputError, match="not a readable point of the curve"):
        annotation_curve.run(points=(folder / "none.parquet",), **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": (4, 1)}, r"counts must be rising numbers above 0, not \(4, 1\)"),
        ({"seeds": 2}, "seeds must be at least 3, not 2"),
        ({"split": "train"}, "split must be val or test, not train"),
        ({"seconds_per_image": 0.0}, "seconds_per_image must be above 0"),
        ({"segmenter_channels": (8,)}, "segmenter_channels needs at least two"),
    ],
)
def test_settings_without_a_curve_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnnotationCurveSettings(**change)
