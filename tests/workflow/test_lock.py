"""Snakemake's lock: removed when the run that held it is gone, and only then."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from radgen.errors import LeaseError
from radgen.lock import LOCKS, is_alive, note_owner, remove_stale_lock
from radgen.processes import start_of
from tests.conftest import REPOSITORY
from tests.workflow.runs import BIN

# The workflow's own hook, and one job that runs until the file `go` appears.
(HOOK,) = re.findall(r"^onstart:\n(?:    .*\n)+", (REPOSITORY / "workflow" / "Snakefile").read_text(), re.MULTILINE)
SNAKEFILE = f"""
from radgen.lock import note_owner
from radgen.orphans import refuse_orphans

{HOOK}

rule all:
    output: "done"
    input: "begin"
    shell: "touch running; while ! test -e go; do sleep 0.1; done; touch done"
"""
WAIT_S = 60


@dataclass(frozen=True)
class Run:
    """A started command; its words go to a file, as a pipe would be held open by the jobs of a killed Snakemake."""

    process: subprocess.Popen[bytes]
    log: Path

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and all that was said."""
        return self.process.wait(WAIT_S), self.log.read_text()


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command in a folder with that workflow; what still runs at the end is let go, then ended."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "begin").touch()
    runs: list[Run] = []

    def begin(*command: str) -> Run:
        words = [str(BIN / command[0]), *command[1:], "--snakefile", "Snakefile", "--cores", "1", "--rerun-incomplete"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        log = tmp_path / f"{len(runs)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=file, stderr=subprocess.STDOUT)
        runs.append(Run(process, log))
        return runs[-1]

    yield begin
    (tmp_path / "go").touch()
    for run in runs:
        run.process.kill()
        run.process.wait(WAIT_S)


def await_file(path: Path) -> None:
    end = time.monotonic() + WAIT_S
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.05)


def test_a_killed_run_leaves_a_lock_that_the_next_run_removes(start: Start, tmp_path: Path) -> None:
    first = start("radgen", "workflow")
    await_file(tmp_path / "running")
    code, said = start("radgen", "workflow").end()
    assert code == 2
    assert f"process {first.process.pid} on {socket.gethostname()} is running this workflow" in said
    assert first.process.poll() is None
    first.process.kill()
    first.process.wait(WAIT_S)
    (tmp_path / "go").touch()
    assert list((tmp_path / LOCKS).glob("*.lock"))
    code, said = start("radgen", "workflow").end()
    assert code == 0, said
    assert (tmp_path / "done").exists()
    assert not list((tmp_path / LOCKS).glob("*"))


def test_a_plain_snakemake_keeps_its_lock(start: Start, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    code, said = start("radgen", "workflow").end()
    assert code == 0, said
    for name in ("go", "done", "running"):
        (tmp_path / name).unlink()
    plain = start("snakemake")
    await_file(tmp_path / "running")
    with pytest.raises(LeaseError, match=f"process {plain.process.pid} on .* is running"):
        remove_stale_lock(tmp_path)
    assert list((tmp_path / LOCKS).glob("*.lock"))


def lock(folder: Path, **changes: object) -> Path:
    """Put a lock with its note as this very process would, then change the note."""
    (folder / LOCKS).mkdir(parents=True)
    (folder / LOCKS / "0.input.lock").write_text("begin\n")
    note_owner(folder)
    (note,) = (folder / LOCKS).glob("*.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | changes))
    return folder / LOCKS / "0.input.lock"


def test_a_number_that_another_process_bears_now_is_no_owner(tmp_path: Path) -> None:
    held = lock(tmp_path, started="some other time")
    remove_stale_lock(tmp_path)
    assert not held.exists()


def test_a_live_owner_and_an_owner_elsewhere_are_refused(tmp_path: Path) -> None:
    held = lock(tmp_path)
    with pytest.raises(LeaseError, match=f"process {os.getpid()} on {socket.gethostname()} is running"):
        remove_stale_lock(tmp_path)
    (tmp_path / "b").mkdir()
    elsewhere = lock(tmp_path / "b", host="elsewhere")
    with pytest.raises(LeaseError, match="on elsewhere, this is"):
        remove_stale_lock(tmp_path / "b")
    assert held.exists()
    assert elsewhere.exists()


def test_a_lock_that_nobody_noted_is_left_alone(tmp_path: Path) -> None:
    held = lock(tmp_path, started="some other time")
    younger = held.with_name("1.input.lock")
    younger.write_text("of a run that noted nothing\n")
    newest = time.time_ns() + 10**9
    os.utime(younger, ns=(newest, newest))
    with pytest.raises(LeaseError, match="`radgen workflow --unlock`"):
        remove_stale_lock(tmp_path)
    assert held.exists()
    for note in held.parent.glob("*.json"):
        note.unlink()
    with pytest.raises(LeaseError, match="no live or ended run"):
        remove_stale_lock(tmp_path)
    assert younger.exists()


def test_a_process_is_known_by_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = start_of(process.pid)
    assert is_alive(process.pid, started)
    assert not is_alive(process.pid, "some other time")
    monkeypatch.setattr("radgen.processes.start_of", lambda _pid: "")
    assert is_alive(process.pid, started)
    monkeypatch.undo()
    process.kill()
    while start_of(process.pid) == started:
        time.sleep(0.01)
    assert not is_alive(process.pid, started), "a zombie"
    process.wait()
    assert not is_alive(process.pid, started)
