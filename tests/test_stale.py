"""What a killed writer leaves goes when its output is written again; what a living one writes stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from radgen import stale
from radgen.provenance import write_text
from radgen.training.state import StateStore

WRITER = """
import sys
from pathlib import Path
from radgen.provenance import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    sys.stdin.readline()
    temporary.write_text("whole")
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun to write a.txt and waits."""
    words = [sys.executable, "-c", WRITER, str(tmp_path / "a.txt")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    (tmp_path / ".other.txt.abcdefgh.txt").touch()  # of another output
    (tmp_path / ".a.txt.notes.txt").touch()  # of no output
    assert len(names(tmp_path)) == 3
    write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == [".a.txt.notes.txt", ".other.txt.abcdefgh.txt", "a.txt"]


def test_what_a_living_writer_writes_stays(tmp_path: Path, writer: subprocess.Popen[str]) -> None:
    write_text(tmp_path / "a.txt", "new")
    assert len(names(tmp_path)) == 2
    writer.communicate("go on\n")
    assert writer.returncode == 0
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_state_that_was_half_saved_goes(tmp_path: Path) -> None:
    store = StateStore(tmp_path, lambda _: None)
    store.save(100, {"weights": torch.zeros(3)})
    half = tmp_path / f".state-0000000200-{'0' * 32}.pt.abcdefgh.pt"
    half.write_bytes(b"half")
    assert store.load(1000) is not None
    assert not half.exists()
    assert len(os.listdir(tmp_path)) == 1  # noqa: PTH208 - hidden ones too


def test_one_taken_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    mkstemp = tempfile.mkstemp

    def taken_at_once(**words: Any) -> tuple[int, str]:
        handle, name = mkstemp(**words)
        if not made:
            stale.drop_unheld(Path(name))  # as another process may, that looks at this moment
        made.append(name)
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", taken_at_once)
    write_text(tmp_path / "a.txt", "whole")
    assert len(made) == 2
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_nobody_takes_what_is_made_and_locked(tmp_path: Path) -> None:
    handle, temporary = stale.held_temporary(tmp_path / "a.txt")
    stale.drop_unheld(temporary)
    assert temporary.exists()
    os.close(handle)
    stale.drop_unheld(temporary)
    assert not temporary.exists()
