"""The gates before the tests: style, types, workflow format, each by its own tool. `python -m tests.gates` runs all."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SMK = [str(path) for path in (ROOT / "workflow" / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk")))]
GATES = {
    "ruff check": [BIN / "ruff", "check", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "mypy": [BIN / "mypy"],
    "snakefmt": [BIN / "snakefmt", "--check", *SMK],
    "snakemake --lint": [BIN / "snakemake", "--lint", "--configfile", "config/config.yaml"],
}


def main() -> int:
    """Run every gate; print the output of those that fail."""
    failed = 0
    for name, command in GATES.items():
        start = time.monotonic()
        done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name:<18} {time.monotonic() - start:5.1f} s", flush=True)  # noqa: T201
        if done.returncode:
            failed += 1
            print(done.stdout + done.stderr, flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
