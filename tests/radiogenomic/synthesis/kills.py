"""Kill the radiogenomic stage of a toy study: `python -m tests.radiogenomic.synthesis.kills [--kills 20]`."""

from __future__ import annotations

import sys
from pathlib import Path

import radgen.radiogenomic.synthesis.run  # noqa: F401 - loaded once, before any process is forked
from tests import kills
from tests.radiogenomic.synthesis import toys


def job(folder: Path, name: str) -> kills.Job:
    """Return the toy study's radiogenomic stage, writing under a name."""
    out = folder / name
    return kills.Job(
        words=toys.command(folder, name, ep=12, save_interval=1),
        begun="healthy backgrounds",
        states="state-*.pt",
        work=folder / f"work-{name}",
        outputs=tuple(out / file for file in ("generator.safetensors", "history.parquet", "samples.png")),
        manifest=out / "manifest.json",
    )


if __name__ == "__main__":
    sys.exit(kills.main(toys.write_sets, job))
