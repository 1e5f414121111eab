"""What the soak takes for growth: nothing before all kept states are there, anything after."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak import FEWEST, GROWTH, Note, growth, note

ONE_STATE = Note(
    seconds=1.0,
    begun_mib=600.0,
    memory_mib=600.0,
    open_files=6,
    disk_mib=0.2,
    tensorboard_mib=0.0,
    states=1,
    states_mib=0.2,
    averages=1,
)
SETTLED = replace(ONE_STATE, disk_mib=0.4, states=2)


def test_the_disk_that_the_kept_states_fill_is_no_growth() -> None:
    assert set(growth([ONE_STATE] * FEWEST + [SETTLED] * FEWEST).values()) == {1.0}


@pytest.mark.parametrize("name", ["memory_mib", "open_files", "disk_mib", "states"])
def test_growth_beyond_the_kept_states_is_seen(name: str) -> None:
    grown = replace(SETTLED, **{name: 2 * getattr(SETTLED, name)})
    found = growth([ONE_STATE] + [SETTLED] * FEWEST + [grown] * FEWEST)
    assert {key for key, value in found.items() if value > GROWTH} - {"memory_within"} == {name}


def test_growth_within_a_process_is_seen() -> None:
    grown = replace(SETTLED, begun_mib=500.0)
    found = growth([grown] * FEWEST)
    assert {key for key, value in found.items() if value > GROWTH} == {"memory_within"}


def test_averages_that_may_be_published_are_counted_apart(tmp_path: Path) -> None:
    for name, size in ((".state-1.pt.half", 3), ("state-1.pt", 2), ("average-1.safetensors", 5), ("tensorboard/a", 7)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size << 20))
    seen = note(os.getpid(), tmp_path, 1.0, 600.0)
    assert (seen.disk_mib, seen.tensorboard_mib, seen.states, seen.states_mib, seen.averages) == (3.0, 7.0, 1, 2.0, 1)


def test_too_few_notes_are_refused() -> None:
    with pytest.raises(ValueError, match="5 notes with 2 kept states, and at least 6 are needed"):
        growth([ONE_STATE] * 20 + [SETTLED] * (FEWEST - 1))
