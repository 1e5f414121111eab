"""Volumes: what the network says per slice comes back to the right voxels of the source grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radgen.benchmark.classification import Classification
from radgen.benchmark.segmentation import Segmentation, reference_volumes
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.errors import InputError
from radgen.imageset.core import ImageSet, write_index, write_table
from tests.benchmark.toys import CLASSES, SLICES, SPACING_MM, STRUCTURES, write_real

CPU = torch.device("cpu")
SETTINGS = ArmTrainingSettings()


class Oracle(nn.Module):
    """Knows the toy's grey levels: one-hot logits by the nearest of 20, 110, 170."""

    def forward(self, images: Tensor) -> Tensor:
        smooth = F.avg_pool2d((images + 1) * 127.5, 3, 1, 1)
        distance = torch.cat([(smooth - level).abs() for level in (20.0, 110.0, 170.0)], dim=1)
        return -distance


def make(tmp_path: Path) -> tuple[ImageSet, Path]:
    index, _, volumes = write_real(tmp_path, splits={"train": 1, "val": 1, "test": 2})
    return ImageSet(index), volumes


def test_a_good_segmenter_scores_well_in_source_space(tmp_path: Path) -> None:
    real, volumes = make(tmp_path)
    task = Segmentation(real, real.rows_where(split="val"), STRUCTURES, SETTINGS)
    rows = task.test_rows(Oracle(), real.rows_where(split="test"), [volumes], CPU)
    assert len(rows) == 2 * len(STRUCTURES) * 3
    dice = [row["value"] for row in rows if row["metric"] == "dice" and row["structure"] == "disc"]
    distance = [row["value"] for row in rows if row["metric"] == "hd95_mm" and row["structure"] == "disc"]
    assert min(dice) > 0.93
    assert max(distance) <= SPACING_MM[0]
    assert task.validate(Oracle(), CPU)[0] > 0.8


def test_absent_slices_are_background_and_counted(tmp_path: Path) -> None:
    real, volumes = make(tmp_path)
    task = Segmentation(real, real.rows_where(split="val"), STRUCTURES, SETTINGS)
    test = real.rows_where(split="test", patient="test-0")
    whole, part = (
        [row for row in task.test_rows(Oracle(), rows, [volumes], CPU) if row["patient"] == "test-0"]
        for rows in (test, test[:1])
    )
    assert {row["n_missing_slices"] for row in whole} == {0}
    assert {row["n_missing_slices"] for row in part} == {SLICES - 1}
    assert part[0]["value"] < 0.6 < whole[0]["value"]


def test_a_series_whose_slices_were_all_rejected_is_scored_as_background(tmp_path: Path) -> None:
    real, volumes = make(tmp_path)
    task = Segmentation(real, real.rows_where(split="val"), STRUCTURES, SETTINGS)
    rows = task.test_rows(Oracle(), real.rows_where(split="test", patient="test-0"), [volumes], CPU)
    lost = [row for row in rows if row["patient"] == "test-1"]
    assert [row["value"] for row in lost] == [0.0, None, 0.0] * len(STRUCTURES)
    assert {(row["reason"], row["n_missing_slices"]) for row in lost} == {("structure missed", SLICES)}


def test_a_test_series_without_its_volume_is_refused(tmp_path: Path) -> None:
    _, volumes = make(tmp_path)
    with pytest.raises(InputError, match="1 of 2 test series have no reference volume"):
        list(reference_volumes([volumes], frozenset({"series-test-0", "elsewhere"})))


def test_a_damaged_volume_is_refused(tmp_path: Path) -> None:
    _, volumes = make(tmp_path)
    rows = pq.read_table(volumes).to_pylist()
    rows[-1]["shape"][0] += 1
    write_table(volumes, pa.Table.from_pylist(rows))
    with pytest.raises(InputError, match=r"the mask of series series-test-1 is not \(5, 48, 48\) labels"):
        list(reference_volumes([volumes], frozenset({"series-test-1"})))


def test_volumes_of_another_grid_are_refused(tmp_path: Path) -> None:
    real, volumes = make(tmp_path)
    rows = [row | {"source_rows": 50} for row in real.table.to_pylist()]
    write_index(tmp_path / "index.parquet", rows)
    other = ImageSet(tmp_path / "index.parquet")
    task = Segmentation(other, other.rows_where(split="val"), STRUCTURES, SETTINGS)
    with pytest.raises(
        InputError, match=r"slice 0 comes from a grid of \(50, 48\), but its reference volume is \(4, 48"
    ):
        task.test_rows(Oracle(), other.rows_where(split="test"), [volumes], CPU)


def test_validation_of_one_class_has_a_loss_but_no_score(tmp_path: Path) -> None:
    real, _ = make(tmp_path)
    normal = real.rows_where(split="val", class_name="normal")
    task = Classification(real, normal, CLASSES, SETTINGS)
    score, loss = task.validate(task.network(1).eval(), CPU)
    assert np.isnan(score)
    assert loss > 0


def test_rows_of_an_image_hold_its_probabilities_and_its_truth(tmp_path: Path) -> None:
    real, _ = make(tmp_path)
    task = Classification(real, real.rows_where(split="val"), CLASSES, SETTINGS)
    test = real.rows_where(split="test")
    rows = task.test_rows(task.network(1).eval(), test, CPU)
    assert len(rows) == len(test) * len(CLASSES)
    for place, position in enumerate(test):
        pair = rows[2 * place : 2 * place + 2]
        assert sum(row["probability"] for row in pair) == pytest.approx(1.0)
        assert [row["truth"] for row in pair] == [int(real.column("class_id")[position] == k) for k in (0, 1)]
