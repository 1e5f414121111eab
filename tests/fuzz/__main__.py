"""The long run by hand: every format, many mutants, a table of how they ended, and every finding in full."""

from __future__ import annotations

import argparse
import sys
import time

from tests.fuzz.run import fuzz
from tests.fuzz.seeds import FORMATS


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=2000, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", help=f"only formats whose name begins so: {', '.join(FORMATS)}")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    bad = 0
    for name in FORMATS:
        if not name.startswith(options.reader or ""):
            continue
        before = time.monotonic()
        result = fuzz(name, range(options.mutants), options.seed, options.workers)
        ends = ", ".join(f"{end} {count}" for end, count in result.ends.most_common())
        sys.stdout.write(f"{name}: {options.mutants} mutants in {time.monotonic() - before:.0f} s: {ends}\n")
        for number, text in result.isolated.items():
            sys.stdout.write(f"  isolated {name} --seed {options.seed} number {number}: {text}\n")
        for number, text in result.findings.items():
            sys.stdout.write(f"  FINDING {name} --seed {options.seed} number {number}: {text}\n")
        sys.stdout.flush()
        bad += len(result.findings)
    sys.stdout.write(f"{bad} findings\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
