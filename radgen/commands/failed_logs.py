"""Print the ends of the failed jobs' logs of one Snakemake run, last of all."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

LINES = 40
# Snakemake writes this after the path of a failed job's log.
FAILED_LOG = re.compile(r"^\s*log: (.+?) \(check log file\(s\) for error details\)", re.MULTILINE)


def main(words: list[str]) -> int:
    """Read Snakemake's own log, find the jobs that failed and print the last lines of their logs."""
    parser = argparse.ArgumentParser("radgen failed-logs", description=__doc__)
    parser.add_argument("snakemake_log", type=Path)
    options = parser.parse_args(words)
    text = (
        options.snakemake_log.read_text(encoding="utf-8", errors="replace") if options.snakemake_log.is_file() else ""
    )
    failed = dict.fromkeys(path for group in FAILED_LOG.findall(text) for path in group.split(", "))
    for path in map(Path, failed):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]
            sys.stdout.write(f"\n--- {path} (last {len(lines)} lines)\n" + "\n".join(lines) + "\n")
        else:
            sys.stdout.write(f"\n--- {path}: the job ended before it wrote a log\n")
    return 0
