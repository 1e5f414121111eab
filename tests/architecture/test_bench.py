"""The table of benches: every script it runs exists, figures are read off lines, and a silent bench is noticed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.__main__ import BENCHES, HERE, Figure


def test_every_script_exists() -> None:
    for script in {bench.script for bench in BENCHES.values()}:
        assert (HERE / script).is_file()


def test_figures_are_read_and_rated() -> None:
    fast = BENCHES["imageset"].figures[0].row("image set, warm: 40000 images/s on one core in shuffled batches")
    assert fast == ("image set, warm", "40000 images/s", "20000 images/s", "2.00")
    slow = Figure("start", r"start ([\d.]+) s", "s", 0.5, most=True).row("start 2.0 s")
    assert slow[3] == "0.25"
    assert fast[0] == BENCHES["imageset"].figures[0].row("nothing")[0]
    assert BENCHES["imageset"].figures[0].row("nothing")[1:] == ("not printed", "20000 images/s", "")


@pytest.mark.slow
def test_one_command_prints_a_table() -> None:
    command = [sys.executable, "-m", "bench", "--quick", "imageset"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("images/s | 20000 images/s |") == 2
    unknown = subprocess.run([*command, "none"], capture_output=True, text=True, check=False, cwd=HERE.parent)
    assert "no bench 'none'; there are slices, imageset" in unknown.stderr
