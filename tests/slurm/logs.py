"""What the logs of a fault say: their digest, and the lines that tell it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

TIME = re.compile(r"\[\w+ \w+ +\d+ ([\d:]+) \d+\]")
PLACES = re.compile(r" \((log|Rule): [^)]*\)|, logs?: .*|\.? ?For further error details.*")
TELLING = re.compile(
    r"Job \d+ has been|SLURM-job|Trying to restart|Finished jobid|Terminating|Will exit|Unlocked|radgen |\d+ jobs? of "
    r"|Nothing to be done|WorkflowError|At least one job"
)
OWN = re.compile(r" (NodeList|usec|InitPrio|uid)[= ]\S+")
OF_SLURM = re.compile(
    r"Requeu|requeue|submit_batch_job|Allocate|ime limit|kill|cancel|WEXIT|WTERM|CANCEL|suspend|resume"
)


def shortened(title: str, folder: Path) -> str:
    """Return the lines that tell a fault: Snakemake's, call after call, Slurm's, and training's last log.

    Parameters
    ----------
    title
        Of the fault.
    folder
        Of its study, beside that of the Slurm.
    """
    jobs: set[str] = set()
    lines = [f"## {title}", "", "```"]
    for call, log in enumerate(sorted((folder / "said").glob("*.log")), start=1):
        time_of_day = ""
        lines.append(f"-- call {call} of Snakemake")
        for line in log.read_text(errors="replace").splitlines():
            found = TIME.match(line)
            time_of_day = found[1] if found else time_of_day
            jobs |= set(re.findall(r"SLURM jobid (\d+)", line))
            told = line.strip().removeprefix("message: ")
            if TELLING.match(told):
                lines.append(f"{time_of_day:>8}  {PLACES.sub('', told)}")
    lines.append("-- Slurm's controller")
    controller = (folder.parent / "slurm" / "log" / "slurmctld.log").read_text(errors="replace")
    lines += [
        f"{line[12:20]}  {OWN.sub('', line[26:])}"
        for line in controller.splitlines()
        if OF_SLURM.search(line) and jobs & set(re.findall(r"JobId=(\d+)", line))
    ]
    lines.append("-- the log of training, whose last start wrote it anew")
    training = (folder / "results" / "tiny" / "logs" / "gan_train_main.log").read_text()
    lines += [re.sub("  loss_.*", "", line) for line in training.splitlines()]
    return "\n".join([*lines, "```", ""]).replace(str(folder.parent), "FOLDER")


def digest_of_logs(folder: Path) -> str:
    """Return the shortened sha256 of what Snakemake said, call after call, and of the last log of training."""
    logs = [*sorted((folder / "said").glob("*.log")), folder / "results" / "tiny" / "logs" / "gan_train_main.log"]
    return hashlib.sha256(b"".join(log.read_bytes() for log in logs)).hexdigest()[:16]
