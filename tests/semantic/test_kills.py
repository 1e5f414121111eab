"""Training killed at random moments ends in the same bytes; `python -m tests.semantic.kills` kills more often."""

from __future__ import annotations

import subprocess
import sys


def test_training_killed_at_random_ends_in_the_same_bytes() -> None:
    command = [sys.executable, "-m", "tests.semantic.kills", "--kills", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills in" in done.stdout
