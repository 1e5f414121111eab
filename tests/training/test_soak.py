"""What the soak takes for growth: nothing before all kept states are there, anything after."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak import FEWEST, GROWTH, Note, growth

ONE_STATE = Note(seconds=1.0, memory_mib=600.0, open_files=6, disk_mib=0.2, tensorboard_mib=0.0, states=1)
SETTLED = replace(ONE_STATE, disk_mib=0.4, states=2)


def test_the_disk_that_the_kept_states_fill_is_no_growth() -> None:
    assert set(growth([ONE_STATE] * FEWEST + [SETTLED] * FEWEST).values()) == {1.0}


@pytest.mark.parametrize("name", ["memory_mib", "open_files", "disk_mib", "states"])
def test_growth_beyond_the_kept_states_is_seen(name: str) -> None:
    grown = replace(SETTLED, **{name: 2 * getattr(SETTLED, name)})
    found = growth([ONE_STATE] + [SETTLED] * FEWEST + [grown] * FEWEST)
    assert {key for key, value in found.items() if value > GROWTH} == {name}


def test_too_few_notes_are_refused() -> None:
    with pytest.raises(ValueError, match="5 notes with 2 kept states, and at least 6 are needed"):
        growth([ONE_STATE] * 20 + [SETTLED] * (FEWEST - 1))
