"""Kill the semantic stage of a toy study at random moments: `python -m tests.semantic.kills [--kills 50]`."""

from __future__ import annotations

import sys
from pathlib import Path

import radgen.metrics.semantic_ticks  # loaded once, before any process is forked
import radgen.semantic.run  # noqa: F401
from tests.kills import Job, main  # sets the number of threads before torch is loaded
from tests.semantic import study


def semantic_job(folder: Path, name: str) -> Job:
    """Return the toy study's semantic stage, writing under a name."""
    out = folder / name
    weights = tuple(out / f"{which}.safetensors" for which in ("generator", "best", "last"))
    return Job(
        words=study.train_command(folder, name),
        begun="labels, ",
        states="state-*.pt",
        work=folder / f"work-{name}",
        outputs=(*weights, out / "history.parquet", out / "samples.png"),
        manifest=out / "manifest.json",
    )


if __name__ == "__main__":
    sys.exit(main(study.make, semantic_job))
