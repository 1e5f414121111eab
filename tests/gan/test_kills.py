"""Training killed at random moments ends in the same bytes: a few kills here, many by `python -m tests.kills`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import kills


def test_training_killed_at_random_ends_in_the_same_bytes() -> None:
    command = [sys.executable, "-m", "tests.kills", "--kills", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills in" in done.stdout


def test_a_difference_of_one_byte_is_named(tmp_path: Path) -> None:
    jobs = []
    for name in ("one", "two"):
        job = kills.gan_job(tmp_path, name)
        job.manifest.parent.mkdir()
        for number, path in enumerate((*job.outputs, job.manifest)):
            path.write_text(f'{{"what": {number}, "run": "{name}"}}' if path == job.manifest else str(number))
        jobs.append(job)
    assert kills.differences(*jobs) == []
    jobs[1].outputs[1].write_text("9")
    jobs[1].manifest.write_text('{"what": 9}')
    assert kills.differences(*jobs) == ["last.safetensors", "manifest.json"]
