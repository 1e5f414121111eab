"""The long-job contract: keys, leases, republishing."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from radgen import keyed
from radgen.errors import LeaseError, StorageError
from radgen.keyed import KeyedJob, run_keyed
from radgen.provenance import write_json

WHAT = {"stage": "phantom", "version": 1, "settings": {"size": 3}, "inputs": {}, "seed": 1}


def finish_once(work: Path, output: Path, text: str = "made") -> bool:
    """Run a toy job; return whether it was republished."""
    with run_keyed(work, WHAT, {"out": output}) as (job, done):
        if done is None:
            job.path("out.txt").write_text(text)
            job.publish(job.finish({"out": job.path("out.txt")}), {"out": output})
        return done is not None


def test_a_finished_key_is_republished_not_computed(tmp_path: Path) -> None:
    assert not finish_once(tmp_path / "work", tmp_path / "out.txt")
    (tmp_path / "out.txt").unlink()
    assert finish_once(tmp_path / "work", tmp_path / "out.txt", "made differently")
    assert (tmp_path / "out.txt").read_text() == "made"


def test_a_damaged_result_is_computed_again(tmp_path: Path) -> None:
    finish_once(tmp_path / "work", tmp_path / "out.txt")
    next((tmp_path / "work").rglob("out.txt")).write_text("damaged")
    assert not finish_once(tmp_path / "work", tmp_path / "out.txt", "made again")
    assert (tmp_path / "out.txt").read_text() == "made again"


def test_after_an_edit_of_the_code_a_short_job_is_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_once(tmp_path / "work", tmp_path / "out.txt")
    monkeypatch.setattr(keyed, "code_digest", lambda module: f"other code of {module}")
    assert not finish_once(tmp_path / "work", tmp_path / "out.txt", "made by other code")
    assert (tmp_path / "out.txt").read_text() == "made by other code"


def test_another_setting_is_another_key(tmp_path: Path) -> None:
    other = WHAT | {"settings": {"size": 4}}
    assert KeyedJob(tmp_path, "phantom", WHAT).key != KeyedJob(tmp_path, "phantom", other).key


def test_budgets_are_told_apart_by_tag(tmp_path: Path) -> None:
    with KeyedJob(tmp_path, "phantom", WHAT) as job:
        job.path("w").write_text("1")
        job.finish({"w": job.path("w")}, tag="images-10")
        assert job.finished("images-10") is not None
        assert job.finished("images-20") is None


def test_a_second_live_writer_is_refused_by_name(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from radgen.keyed import KeyedJob\n"
        f"with KeyedJob(Path({str(tmp_path)!r}), 'phantom', {WHAT!r}): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(LeaseError, match=f"process {other.pid} on .* already writing"),
            KeyedJob(tmp_path, "phantom", WHAT),
        ):
            pass
        other.kill()
    with KeyedJob(tmp_path, "phantom", WHAT) as job:  # its process is gone, so its lease is void
        assert json.loads((job.folder / "lease.json").read_text())["pid"] == os.getpid()


def test_a_silent_writer_on_another_host_is_believed_dead(tmp_path: Path) -> None:
    job = KeyedJob(tmp_path, "phantom", WHAT)
    job.folder.mkdir(parents=True)
    lease = {"host": "elsewhere", "pid": 1, "heartbeat": time.time()}
    (job.folder / "lease.json").write_text(json.dumps(lease))
    with pytest.raises(LeaseError, match="process 1 on elsewhere"), job:
        pass
    (job.folder / "lease.json").write_text(json.dumps(lease | {"heartbeat": time.time() - 1000}))
    with job:
        assert socket.gethostname() in (job.folder / "lease.json").read_text()


def lease_of(folder: Path, **change: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lease.json").write_text(json.dumps(keyed._myself() | change))


def is_taken(job: KeyedJob) -> bool:
    try:
        with job:
            return True
    except LeaseError:
        return False


def test_a_stranger_under_the_dead_writers_number_holds_nothing(tmp_path: Path) -> None:
    job = KeyedJob(tmp_path, "phantom", WHAT)
    day = 24 * 3600
    lease_of(job.folder, heartbeat=time.time() - day)  # this process itself, suspended for a day
    assert not is_taken(job)
    lease_of(job.folder, started="another boot 1")
    assert is_taken(job)


@pytest.mark.parametrize(("silence", "taken"), [(1, False), (1000, True)])
def test_where_starts_are_not_told_a_fresh_heartbeat_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silence: float, taken: bool
) -> None:
    monkeypatch.setattr("radgen.processes.start_of", lambda _pid: "")
    job = KeyedJob(tmp_path, "phantom", WHAT)
    lease_of(job.folder, heartbeat=time.time() - silence)
    assert is_taken(job) == taken


def test_of_two_that_start_at_once_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = KeyedJob(tmp_path, "phantom", WHAT), KeyedJob(tmp_path, "phantom", WHAT)
    dump = json.dump

    def dump_late(*arguments: Any) -> None:
        monkeypatch.setattr(json, "dump", dump)
        second.__enter__()  # in the very moment in which the first writes its lease
        dump(*arguments)

    monkeypatch.setattr(json, "dump", dump_late)
    assert not is_taken(first)
    second.__exit__(None, None, None)
    assert not list(first.folder.glob("*lease*"))


def test_leases_work_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with KeyedJob(tmp_path, "phantom", WHAT):
        assert not is_taken(KeyedJob(tmp_path, "phantom", WHAT))
    assert is_taken(KeyedJob(tmp_path, "phantom", WHAT))


def test_the_lease_is_kept_after_a_disk_was_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = [True, True]

    def write(path: Path, value: object) -> None:
        if path.name == "lease.json" and refused:
            refused.pop()
            msg = "lease.json: cannot be written (No space left on device)"
            raise StorageError(msg)
        write_json(path, value)

    monkeypatch.setattr(keyed, "write_json", write)
    monkeypatch.setattr(keyed, "HEARTBEAT_SECONDS", 0.01)
    with KeyedJob(tmp_path, "phantom", WHAT) as job:
        taken = json.loads((job.folder / "lease.json").read_text())["heartbeat"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and json.loads((job.folder / "lease.json").read_text())["heartbeat"] == taken:
            time.sleep(0.01)
        assert json.loads((job.folder / "lease.json").read_text())["heartbeat"] > taken
    assert not refused
