"""Weights files: read without running code, names matched, everything the network needs demanded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from radgen.errors import CheckpointError
from radgen.gan.projected.weights import fill, read_weights


class Network(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv1 = nn.Conv2d(3, 2, 1)
        self.bn1 = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 7)


def _state(seed: int = 1) -> dict[str, Tensor]:
    return dict(Network(seed).state_dict())


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_files_of_tensors_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pt":
        torch.save({"epoch": 3, "state_dict": _state()}, path)
    else:
        save_file(_state(), path)
    read = read_weights(path)
    assert all(torch.equal(read[name], value) for name, value in _state().items())


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trap.pt"
    torch.save({"conv1.weight": Trap()}, path)
    with pytest.raises(CheckpointError, match=r"trap\.pt: no weights can be read from it without running code"):
        read_weights(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x80\x02."])
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="no weights can be read from it"):
        read_weights(path)


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.pt"
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds list instead of named tensors"):
        read_weights(path)


def _numbered(state: dict[str, Tensor]) -> dict[str, Tensor]:
    places = {"conv1": "0", "bn1": "1"}
    return {
        f"backbone.{places[name.split('.')[0]]}.{name.split('.', 1)[1]}": value
        for name, value in state.items()
        if not name.startswith("fc")
    }


@pytest.mark.parametrize("change", ["plain", "module", "numbered"])
def test_names_are_matched(change: str) -> None:
    state = _state()
    if change == "module":
        state = {f"module.{name}": value for name, value in state.items()}
    if change == "numbered":
        state = _numbered(state)
    network = Network()
    fill(network, state, "file")
    for name, value in network.state_dict().items():
        if not name.startswith("fc"):
            assert torch.equal(value, _state()[name]), name


def test_a_classifier_of_other_classes_does_not_matter() -> None:
    state = _state() | {"fc.weight": torch.zeros(3, 9), "fc.bias": torch.zeros(3)}
    fill(Network(), state, "file")


def test_what_is_missing_or_of_another_shape_is_named() -> None:
    state = _state()
    del state["bn1.running_mean"]
    with pytest.raises(CheckpointError, match=r"file: has no bn1\.running_mean, which the network needs"):
        fill(Network(), state, "file")
    state = _state() | {"conv1.weight": torch.zeros(2, 1, 1, 1)}
    with pytest.raises(
        CheckpointError, match=r"file: conv1\.weight has shape \(2, 1, 1, 1\), the network's has \(2, 3,"
    ):
        fill(Network(), state, "file")
