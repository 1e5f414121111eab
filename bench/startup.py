"""How long `radgen --help` and a dry run of the demo's DAG take, beside an empty Python. `python bench/startup.py`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from machine import describe

REPEATS = 5
BIN = Path(sys.executable).parent
COMMANDS = {
    "empty python": [BIN / "python", "-c", "pass"],
    "radgen --help": [BIN / "radgen", "--help"],
    "dry run of the demo": [BIN / "snakemake", "-n", "--quiet", "all"],
}


def main() -> None:
    """Print the median of a few runs of each command, in seconds and as a ratio to an empty Python."""
    print(describe())
    base = 0.0
    for name, command in COMMANDS.items():
        seconds = sorted(_seconds([str(word) for word in command]) for _ in range(REPEATS))[REPEATS // 2]
        base = base or seconds
        print(f"{name:<22} {seconds:6.2f} s   {seconds / base:6.1f} x an empty Python")


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
