"""Two processes train one generator by torchrun, in a Slurm job and by hand: `python -m tests.slurm.processes FOLDER`.

The toy study's generator is trained by one process and by two, each in a job, and by two without Slurm. Two processes
must give the same bytes in a job as by hand. One and two add in another order, so their bytes differ and the numbers
nearly do not: printed is how far their weights lie apart.
"""

from __future__ import annotations

import os
import shlex
import subprocess
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
TOLERANCE = 0.02
WEIGHTS = "last.safetensors"


def main() -> int:
    """Train three times and print what the logs say and how far apart weights lie; 0 where all is as it must be."""
    folder = Path(sys.argv[1]).resolve()
    toys.study(folder)
    with running(folder / "slurm") as node:
        logs = {f"by-{count}": submitted(node, folder, count) for count in (1, 2)}
    logs["by-hand"] = by_hand(folder)
    for name, log in logs.items():
        print(f"{name}: {next(line for line in log.splitlines() if 'process(es)' in line)}")  # noqa: T201
    same = (folder / "by-2" / WEIGHTS).read_bytes() == (folder / "by-hand" / WEIGHTS).read_bytes()
    print(f"two processes in a job and by hand: {'the same bytes' if same else 'OTHER BYTES'}")  # noqa: T201
    one, two = (load_file(folder / f"by-{count}" / WEIGHTS) for count in (1, 2))
    apart = max(float((one[name] - two[name]).abs().max()) for name in one)
    print(f"largest difference of a weight between one process and two: {apart:.2g}, allowed {TOLERANCE}")  # noqa: T201
    return 0 if same and apart < TOLERANCE else 1


def command(folder: Path, out: str, count: int) -> list[str]:
    """Return the command that trains with so many processes."""
    words = toys.gan_command(folder, out, images=160, part_size=4, precision="fp32")
    if count == 1:
        return [str(BIN / "radgen"), *words]
    return [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", str(count), "-m", "radgen.cli", *words]


def submitted(node: OneNode, folder: Path, count: int) -> str:
    """Train in a job; return its log."""
    log = folder / f"by-{count}.log"
    words = shlex.join(command(folder, f"by-{count}", count))
    own = f"export PYTHONPATH={shlex.quote(str(REPOSITORY))} OMP_NUM_THREADS=1; exec {words}"
    sbatch = ["sbatch", "--parsable", "--cpus-per-task", str(count), "--output", str(log), "--wrap", own]
    job = node(*sbatch).strip()
    until(lambda: node.facts(job)["JobState"] in OVER, f"job {job}", PATIENCE_SECONDS)
    text = log.read_text()
    assert node.facts(job)["JobState"] == "COMPLETED", text
    return text


def by_hand(folder: Path) -> str:
    """Train with two processes without Slurm; return what they said."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command(folder, "by-hand", 2), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
