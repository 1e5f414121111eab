"""The long run by hand: every reader, many mutants, a table of how they ended, and every finding in full."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable

from tests.fuzz.documents import fuzz_document, reading_pool
from tests.fuzz.readers import READERS
from tests.fuzz.run import Result, fuzz
from tests.fuzz.seeds import FORMATS


def main() -> int:
    """Fuzz; 1 where something was found."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=2000, help="of each reader")
    parser.add_argument("--seed", type=int, default=0)
    names = ", ".join((*FORMATS, *READERS))
    parser.add_argument("--reader", default="", help=f"only those whose name begins so: {names}")
    parser.add_argument("--workers", type=int, default=2, help="processes that read images")
    options = parser.parse_args()
    numbers, bad, total = range(options.mutants), 0, 0
    with reading_pool() as pool:
        readers: dict[str, Callable[[str, Iterable[int], int], Result]] = {
            **dict.fromkeys(FORMATS, lambda name, which, seed: fuzz(name, which, seed, options.workers)),
            **dict.fromkeys(READERS, lambda name, which, seed: fuzz_document(name, which, seed, pool)),
        }
        for name, read in readers.items():
            if name.startswith(options.reader):
                before = time.monotonic()
                result = read(name, numbers, options.seed)
                tell(f"{name}: {len(numbers)} mutants in {time.monotonic() - before:.0f} s", result, options.seed)
                bad, total = bad + len(result.findings), total + len(numbers)
    sys.stdout.write(f"{total} mutants, {bad} findings\n")
    return 1 if bad else 0


def tell(what: str, result: Result, seed: int) -> None:
    """Print how the mutants of one reader ended, and what should not have been."""
    ends = ", ".join(f"{end} {count}" for end, count in result.ends.most_common())
    sys.stdout.write(f"{what}: {ends}\n")
    for kind, found in (("isolated", result.isolated), ("FINDING", result.findings)):
        for number, text in found.items():
            sys.stdout.write(f"  {kind} --seed {seed} number {number}: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
