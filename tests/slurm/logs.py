"""What the logs of a fault say: their digest, and the lines that tell it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

TIME = re.compile(r"\[\w+ \w+ +\d+ ([\d:]+) \d+\]")
TELLING = re.compile(
    r"Job \d+ has been|SLURM-job|Trying to restart|Finished jobid|Terminating|Will exit|Unlocked|radgen |\d+ jobs? of "
    r"|Nothing to be done|WorkflowError|At least one job"
)


def shortened(title: str, folder: Path) -> str:
    """Return the lines that tell a fault: what Snakemake said, call after call, then training's last log."""
    lines = [f"## {title}", "", "```"]
    for call, log in enumerate(sorted((folder / "said").glob("*.log")), start=1):
        time_of_day = ""
        lines.append(f"-- call {call} of Snakemake")
        for line in log.read_text(errors="replace").splitlines():
            found = TIME.match(line)
            time_of_day = found[1] if found else time_of_day
            if TELLING.match(line):
                lines.append(f"{time_of_day:>8}  {re.sub(r' .(log|Rule): [^)]*.', '', line)}")
    lines.append("-- the log of training, whose last start wrote it anew")
    training = (folder / "results" / "tiny" / "logs" / "gan_train_main.log").read_text()
    lines += [re.sub("  loss_.*", "", line) for line in training.splitlines()]
    return "\n".join([*lines, "```", ""]).replace(str(folder), "FOLDER")


def digest_of_logs(folder: Path) -> str:
    """Return the shortened sha256 of what Snakemake said, call after call, and of the last log of training."""
    logs = [*sorted((folder / "said").glob("*.log")), folder / "results" / "tiny" / "logs" / "gan_train_main.log"]
    return hashlib.sha256(b"".join(log.read_bytes() for log in logs)).hexdigest()[:16]
