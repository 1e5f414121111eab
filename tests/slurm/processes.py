"""Two processes train one generator in a Slurm job, by torchrun: `python -m tests.slurm.processes FOLDER`.

The toy study's generator is trained by one process and by two, each in a job; printed is what their logs say and
how far their weights lie apart. Sums come in another order, so the bytes differ and the numbers nearly do not.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from safetensors.torch import load_file

from tests.conftest import REPOSITORY
from tests.gan import toys
from tests.slurm.onenode import OneNode, running
from tests.slurm.profile import until
from tests.workflow.runs import BIN

OVER = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY"}
PATIENCE_SECONDS = 600.0


def main() -> int:
    """Run both jobs and print a line."""
    folder = Path(sys.argv[1]).resolve()
    toys.study(folder)
    with running(folder / "slurm") as node:
        for count in (1, 2):
            log = submit(node, folder, count)
            print(f"{count} process(es): {next(line for line in log.splitlines() if 'process(es)' in line)}")  # noqa: T201
    one, two = (load_file(folder / f"by-{count}" / "last.safetensors") for count in (1, 2))
    apart = max(float((one[name] - two[name]).abs().max()) for name in one)
    print(f"largest difference of a weight: {apart:.2g}")  # noqa: T201
    return 0 if apart < 0.02 else 1


def submit(node: OneNode, folder: Path, count: int) -> str:
    """Train with so many processes in a job; return its log."""
    words = toys.gan_command(folder, f"by-{count}", images=160, part_size=4, precision="fp32")
    program = [str(BIN / "radgen")]
    if count > 1:
        program = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", str(count), "-m", "radgen.cli"]
    log = folder / f"by-{count}.log"
    own = f"export PYTHONPATH={REPOSITORY} OMP_NUM_THREADS=1; exec {shlex.join([*program, *words])}"
    sbatch = ["sbatch", "--parsable", "--cpus-per-task", str(count), "--output", str(log), "--wrap", own]
    job = node(*sbatch).strip()
    until(lambda: node.facts(job)["JobState"] in OVER, f"job {job}", PATIENCE_SECONDS)
    text = log.read_text()
    assert node.facts(job)["JobState"] == "COMPLETED", text
    return text


if __name__ == "__main__":
    sys.exit(main())
