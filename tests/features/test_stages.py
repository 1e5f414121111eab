"""The encoder stage keeps its source's setting, republishes what is finished, and says what it saw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from radgen.cohort.settings import LowSettings
from radgen.features.network import load_features
from radgen.provenance import digest_file, read_manifest, saw_patients_of
from radgen.sources import SourceSettings
from radgen.stages import encoder as encoder_stage
from radgen.training.devices import choose_device
from tests.features.toys import CLASSES, ENCODER, PATIENTS

SHORT = dataclasses.replace(ENCODER, images=128)


def _run(root: Path, slices: Path, source_settings: SourceSettings, low: float = 0.25, device: str = "cpu") -> Path:
    folder = root / "encoder" / "main"
    encoder_stage.run(
        slices=slices,
        slices_manifest=slices.parent / "manifest.json",
        source="main",
        weights=folder / "encoder.safetensors",
        history=folder / "history.parquet",
        manifest=folder / "manifest.json",
        encoder=SHORT,
        source_settings=source_settings,
        low=LowSettings(fraction=low),
        classes=CLASSES,
        work=root / "work",
        device=device,
    )
    return folder


def test_a_finished_encoder_is_published_again_with_the_same_bytes(tmp_path: Path, toy_slices: Path) -> None:
    folder = _run(tmp_path, toy_slices, SourceSettings())
    first = {path.name: digest_file(path) for path in folder.iterdir() if path.name != "manifest.json"}
    before = read_manifest(folder / "manifest.json")
    for path in folder.iterdir():
        path.unlink()
    _run(
        tmp_path, toy_slices, SourceSettings(), low=0.5, device="auto"
    )  # a source on all of training does not depend on it
    after = read_manifest(folder / "manifest.json")
    assert first == {path.name: digest_file(path) for path in folder.iterdir() if path.name != "manifest.json"}
    assert before["what"] == after["what"]
    assert (before["run"]["reused"], after["run"]["reused"]) == (False, True)
    assert after["run"]["device"] == "cpu"  # that of the training, not the word that asked
    assert load_features(folder / "encoder.safetensors").dimension == SHORT.dimension
    assert pq.read_table(folder / "history.parquet").column_names == ["seen_images", "split", "metric", "value"]


def test_the_manifest_tells_the_device_that_was_chosen(tmp_path: Path, toy_slices: Path) -> None:
    folder = _run(tmp_path, toy_slices, SourceSettings(), device="auto")
    assert read_manifest(folder / "manifest.json")["run"]["device"] == choose_device("auto")[0].type


@pytest.mark.parametrize(("train_on", "setting"), [("train", "scarce-labels"), ("low", "scarce")])
def test_the_manifest_names_the_patients_behind_the_weights_alone(
    tmp_path: Path, toy_slices: Path, train_on: str, setting: str
) -> None:
    folder = _run(tmp_path, toy_slices, SourceSettings(train_on=train_on, setting=setting))
    saw = saw_patients_of(folder / "manifest.json")
    low = PATIENTS["train"] // 4
    assert set(saw.pixels) == {"train"}
    assert len(saw.patients("labels")) == low
    assert len(saw.patients("pixels")) == (low if train_on == "low" else PATIENTS["train"])
    assert saw.patients("masks") == frozenset()
