"""Segmentation: a small U-Net on slices, validated by Dice on slices, tested on whole volumes in source space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from monai.losses.dice import DiceCELoss
from numpy.typing import NDArray
from torch import Tensor, nn

from radgen.benchmark.arms import spread
from radgen.benchmark.batches import Batch, Unlabelled
from radgen.benchmark.methods import fill_in
from radgen.benchmark.networks import segmenter
from radgen.benchmark.scoring import BOTH_EMPTY, score_structure
from radgen.benchmark.train import IMAGES_PER_BLOCK, Pretext, logits_in_blocks
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.imaging.resize import Geometry, to_source

GEOMETRY_COLUMNS = ["slice_index", "source_rows", "source_cols", "offset_row", "step_row", "offset_col", "step_col"]


@dataclass(frozen=True)
class ReferenceVolume:
    """A test series' labels on its source grid: uint8 [slices, rows, columns], spacing along the same axes in mm."""

    series: str
    patient: str
    spacing_mm: tuple[float, float, float]
    labels: NDArray[np.uint8]


def reference_volumes(paths: Sequence[Path], series: frozenset[str]) -> Iterator[ReferenceVolume]:
    """Read the reference labels of all test series, one volume at a time, in the order of the files.

    Parameters
    ----------
    paths
        Every shard's volumes table.
    series
        Test series of the image set; a series of which every slice was rejected is not among them, and is read too.

    Raises
    ------
    InputError
        A volume does not have the size it claims, or one of `series` has no volume.
    """
    missing = set(series)
    for path in paths:
        for row in pq.read_table(path, filters=[("split", "==", "test")]).to_pylist():
            missing.discard(row["series"])
            yield ReferenceVolume(row["series"], row["patient"], tuple(row["spacing_mm"]), _unpack(path, row))
    if missing:
        msg = f"{len(missing)} of {len(series)} test series have no reference volume; give every shard's volumes table"
        raise InputError(msg)


def _unpack(path: Path, row: Mapping[str, Any]) -> NDArray[np.uint8]:
    shape = tuple(int(side) for side in row["shape"])
    try:
        data = pa.decompress(row["mask"], decompressed_size=int(np.prod(shape)), codec="zstd", asbytes=True)
        return np.frombuffer(data, dtype=np.uint8).reshape(shape)
    except (OSError, ValueError, pa.ArrowException) as error:
        msg = f"{path}: the mask of series {row['series']} is not {shape} labels ({error}); run the slices stage again"
        raise InputError(msg) from error


class Segmentation:
    """The segmentation task of one arm.

    Parameters
    ----------
    real
        The study's real image set, with masks.
    val
        Positions of the arm's own validation images.
    structures
        Names of labels 1, 2, ...
    settings
        Widths of the network.
    """

    def __init__(
        self, real: ImageSet, val: NDArray[np.int64], structures: tuple[str, ...], settings: ArmTrainingSettings
    ) -> None:
        self._real, self._names, self._settings = real, structures, settings
        self._val = spread(val, settings.val_images)
        self.learning_rate = settings.segmenter_learning_rate
        self.batch_size = settings.segmenter_batch_size
        self._loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False, batch=True)

    def network(self, seed: int, outputs: int | None = None) -> nn.Module:
        """Return a fresh network."""
        channels, height, width = self._real.image_shape
        return segmenter(
            name=self._settings.segmenter,
            channels=channels,
            labels=outputs or len(self._names) + 1,
            widths=self._settings.segmenter_channels,
            size_px=(height, width),
            seed=seed,
        )

    def pretext(self, unlabelled: Unlabelled, seed: int, device: torch.device) -> Pretext:
        """Return what the network may learn without labels: to draw hidden squares of an image."""

        def loss(network: nn.Module, step: int) -> Tensor:
            image, _ = unlabelled.views(step, device, same_place=True)
            return fill_in(network, image, step, seed)

        return Pretext(self._real.image_shape[0], loss)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return soft Dice (without background) plus cross-entropy of a batch."""
        loss: Tensor = self._loss(logits, batch.masks)
        return loss

    def validate(self, network: nn.Module, device: torch.device) -> tuple[float, float]:
        """Return mean Dice over structures, each pooled over all validation slices, and the loss."""
        overlap = np.zeros((2, len(self._names)))  # intersection and sum of sizes
        losses = 0.0
        for start in range(0, len(self._val), IMAGES_PER_BLOCK):
            rows = self._val[start : start + IMAGES_PER_BLOCK]
            logits = logits_in_blocks(network, self._real, rows, device)
            truth = self._real.masks(rows)
            losses += float(self._loss(logits, torch.from_numpy(truth[:, None]).long())) * len(rows)
            overlap += _overlap(logits.argmax(dim=1).numpy(), truth, len(self._names))
        dice = np.where(overlap[1] > 0, 2 * overlap[0] / np.maximum(overlap[1], 1), 1.0)
        return float(dice.mean()), losses / len(self._val)

    def test_rows(
        self, network: nn.Module, test: NDArray[np.int64], volumes: Sequence[Path], device: torch.device
    ) -> list[dict[str, Any]]:
        """Return one row per test series, structure and metric (dice, hd95_mm, surface_dice), on the source grid.

        Slices that the image set lacks are predicted as background and counted in `n_missing_slices`.
        """
        series = self._real.column("series")[test]
        rows: list[dict[str, Any]] = []
        for volume in reference_volumes(volumes, frozenset(series)):
            predicted, missing = self._predict(network, test[series == volume.series], volume, device)
            rows += self._score(predicted, missing, volume)
        return rows

    def slice_rows(self, network: nn.Module, rows: NDArray[np.int64], device: torch.device) -> list[dict[str, Any]]:
        """Return one row per series and structure: Dice over the series' stored slices or patches.

        Only some slices of training patients are stored, and patches have no volume: distances in space cannot be told.
        """
        series, patients = self._real.column("series")[rows], self._real.column("patient")[rows]
        found: list[dict[str, Any]] = []
        for name in sorted(set(series)):
            own = rows[series == name]
            predicted = logits_in_blocks(network, self._real, own, device).argmax(dim=1).numpy()
            hits, sizes = _overlap(predicted, self._real.masks(own), len(self._names))
            common = {"patient": patients[series == name][0], "series": name, "metric": "dice", "n_missing_slices": 0}
            for number, structure in enumerate(self._names):
                value = 2 * hits[number] / sizes[number] if sizes[number] else 1.0
                reason = "" if sizes[number] else BOTH_EMPTY
                found.append(common | {"structure": structure, "value": float(value), "reason": reason})
        return found

    def _predict(
        self, network: nn.Module, positions: NDArray[np.int64], volume: ReferenceVolume, device: torch.device
    ) -> tuple[NDArray[np.uint8], int]:
        labels = np.zeros_like(volume.labels)
        stored = self._real.image_shape[1:]
        if len(positions) == 0:
            return labels, len(labels)
        logits = logits_in_blocks(network, self._real, positions, device)
        probability = torch.softmax(logits, dim=1).numpy()
        places = self._real.table.select(GEOMETRY_COLUMNS).take(positions).to_pylist()
        for row, soft in zip(places, probability, strict=True):
            _check_grid(row, volume)
            # Probabilities, not labels, are enlarged, so that borders are not stairs of stored pixels.
            labels[row["slice_index"]] = to_source(soft, Geometry.of_row(row, stored)).argmax(axis=0)
        return labels, len(labels) - len({row["slice_index"] for row in places})

    def _score(self, predicted: NDArray[np.uint8], missing: int, volume: ReferenceVolume) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for label, name in enumerate(self._names, start=1):
            tolerance_mm = self._settings.surface_tolerance_mm
            score = score_structure(predicted == label, volume.labels == label, volume.spacing_mm, tolerance_mm)
            common = {
                "patient": volume.patient,
                "series": volume.series,
                "structure": name,
                "reason": score.reason,
                "n_missing_slices": missing,
                "spacing_mm": list(volume.spacing_mm),
            }
            values = {"dice": score.dice, "hd95_mm": score.hd95_mm, "surface_dice": score.surface_dice}
            rows += [common | {"metric": metric, "value": value} for metric, value in values.items()]
            rows[-1]["tolerance_mm"] = tolerance_mm
        return rows


def _check_grid(row: Mapping[str, Any], volume: ReferenceVolume) -> None:
    grid = (row["source_rows"], row["source_cols"])
    if grid != volume.labels.shape[1:] or not 0 <= row["slice_index"] < len(volume.labels):
        msg = (
            f"series {volume.series}: slice {row['slice_index']} comes from a grid of {grid}, but its reference volume "
            f"is {volume.labels.shape}; both must come from one run of the slices stage"
        )
        raise InputError(msg)


def _overlap(predicted: NDArray[np.integer], truth: NDArray[np.uint8], structures: int) -> NDArray[np.float64]:
    """Intersections and sums of sizes of labels 1, 2, ...: float64 [2, structures]."""
    size = structures + 1
    both = np.bincount(truth.ravel(), minlength=size)[:size] + np.bincount(predicted.ravel(), minlength=size)[:size]
    hits = np.bincount(truth[truth == predicted].ravel(), minlength=size)[:size]
    return np.stack([hits[1:], both[1:]]).astype(np.float64)
