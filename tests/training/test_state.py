"""States on disk: whole or passed over, the last two kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radgen.errors import StorageError
from radgen.training.state import StateStore, tensors_of


def _store(folder: Path) -> tuple[StateStore, list[str]]:
    said: list[str] = []
    return StateStore(folder, said.append), said


def _state(value: float) -> dict[str, object]:
    return {"network": {"w": torch.full((3,), value)}, "rows": [{"seen_images": 8, "value": 0.5}]}


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    store, _ = _store(tmp_path)
    for seen in (8, 16, 24):
        store.save(seen, _state(float(seen)))
    assert [path.name[:16] for path in sorted(tmp_path.iterdir())] == ["state-0000000016", "state-0000000024"]
    found = store.load(100)
    assert found is not None
    assert found[0] == 24
    assert found[1]["network"]["w"].tolist() == [24.0] * 3
    assert found[1]["rows"] == [{"seen_images": 8, "value": 0.5}]


def test_a_damaged_state_is_passed_over_and_said(tmp_path: Path) -> None:
    store, said = _store(tmp_path)
    for seen in (8, 16):
        store.save(seen, _state(float(seen)))
    newest = max(tmp_path.iterdir())
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    found = store.load(100)
    assert found is not None
    assert found[0] == 8
    assert len(said) == 1
    assert said[0].startswith("state of 16 images is damaged (digest ")
    assert said[0].endswith("passed over for an earlier one")


def test_a_state_beyond_the_budget_is_left_alone(tmp_path: Path) -> None:
    store, _ = _store(tmp_path)
    for seen in (8, 16, 24):
        store.save(seen, _state(float(seen)))
    found = store.load(20)
    assert found is not None
    assert found[0] == 16
    store.save(18, _state(0.0))
    again = store.load(100)
    assert again is not None
    assert again[0] == 24


def test_no_state_is_none(tmp_path: Path) -> None:
    assert _store(tmp_path)[0].load(100) is None


def test_a_full_disk_keeps_earlier_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = _store(tmp_path)
    store.save(8, _state(8.0))

    def full(_self: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match=r"No space left on device.*run again"):
            store.save(16, _state(16.0))
    found = store.load(100)
    assert found is not None
    assert found[0] == 8
    assert len(list(tmp_path.iterdir())) == 1


def test_code_does_not_come_out_of_a_state(tmp_path: Path) -> None:
    store, _ = _store(tmp_path)
    store.save(8, {"evil": Path})
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        store.load(100)


def test_tensors_are_found_in_nested_plain_values() -> None:
    one, two = torch.zeros(1), torch.ones(2)
    assert [tensor is one or tensor is two for tensor in tensors_of({"a": [one, {"b": two}], "c": 3})] == [True, True]
