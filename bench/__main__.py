"""All speed benches in one table: date, processor, figure, goal, and their ratio.

    python -m bench [--quick] [NAME ...]

Each bench is a script of its own that prints its figures; here it runs in a process of its own, on one thread, and the
figures that have a goal are read off its lines. `make bench` is the same. Benches that judge real data or a finished
study (ingest_outcomes, pairs_agreement, body_sheet) are not among them: they need paths.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NUMBER = r"([\d.]+)"


@dataclass(frozen=True)
class Figure:
    """One number of a bench's output: what it is, the pattern that finds it, and its goal.

    `most` says that the goal is the most it may be, as of seconds.
    """

    name: str
    pattern: str
    unit: str
    goal: float
    most: bool = False

    def row(self, output: str) -> tuple[str, ...]:
        """Return name, figure, goal and how far the goal is met: 1 or more is met."""
        found = re.search(self.pattern, output)
        if found is None:
            return self.name, "not printed", f"{self.goal:g} {self.unit}", ""
        value = float(found[1])
        ratio = self.goal / value if self.most else value / self.goal
        return self.name, f"{value:g} {self.unit}", f"{self.goal:g} {self.unit}", f"{ratio:.2f}"


@dataclass(frozen=True)
class Bench:
    """A script, the arguments of its full and its quick run, and its figures."""

    script: str
    arguments: tuple[str, ...]
    quick: tuple[str, ...]
    figures: tuple[Figure, ...]


def _slices(case: str, what: str, goal: float) -> Figure:
    if goal < 1:
        return Figure(f"slices of {what}", rf"(?m)^{case} \(.*share {NUMBER}", "of decoding", goal)
    return Figure(f"slices of {what}", rf"(?m)^{case} \(.*?: {NUMBER} slices/s", "slices/s", goal)


def _images(kind: str) -> Figure:
    return Figure(f"image set, {kind}", rf"image set, {kind}: {NUMBER} images/s", "images/s", 20_000)


def _trainer(name: str, pattern: str, goal: float) -> Figure:
    return Figure(name, rf"trainer, {pattern}, .*: {NUMBER} images per second", "images/CPU-s", goal)


BENCHES = {
    "slices": Bench(
        "slices.py",
        (),
        ("--repeats", "1"),
        (
            _slices("a", "256 px NIfTI", 1260),
            _slices("b", "400 px NIfTI", 500),
            _slices("c", "512 px DICOM", 0.6),
            _slices("d", "512 px JPEG 2000", 0.6),
        ),
    ),
    "imageset": Bench("imageset.py", (), ("--images", "2048", "--repeats", "1"), (_images("warm"), _images("cold"))),
    "trainer": Bench(
        "trainer.py",
        ("--preset", "small"),
        ("--preset", "small", "--steps", "16"),
        (_trainer("default step at 64 px", "default settings", 90),),
    ),
    "trainer-large": Bench(
        "trainer.py",
        ("--preset", "large", "--steps", "16"),
        ("--preset", "large", "--steps", "8"),
        (
            _trainer("20 M + 20 M step at 32 px, penalties in each", r"penalties every 1 step\(s\)", 3 * 0.51),
            _trainer("the same, penalties every 8 steps", r"penalties every 8 step\(s\)", 3 * 0.51),
        ),
    ),
    "aliasfree": Bench(
        "aliasfree.py",
        (),
        ("--runs", "1"),
        (
            Figure("alias-free images at 32 px, 20 M, fp32", rf"(?m)^fp32 {NUMBER} images", "images/CPU-s", 5.5),
            Figure("the same in bf16", rf"(?m)^bf16 {NUMBER} images", "images/CPU-s", 5.5),
        ),
    ),
    "projected": Bench(
        "projected.py",
        (),
        ("--steps", "1"),
        (
            Figure(
                "projected step, 20 M, at 32 px, encoder's maps",
                rf"(?m)^encoder .*?: {NUMBER} images/s",
                "images/CPU-s",
                5 * 0.114,
            ),
        ),
    ),
    "labels": Bench(
        "labels.py",
        (),
        ("--runs", "3"),
        (
            Figure(
                "masks at 64 px, ensemble", rf"masks at 64 px.*: {NUMBER} of", "of the images' time", 0.25, most=True
            ),
            Figure("the same at 256 px", rf"masks at 256 px.*: {NUMBER} of", "of the images' time", 0.25, most=True),
        ),
    ),
    "pairs": Bench(
        "pairs.py",
        ("--memory",),
        ("--pairs", "128", "--memory"),
        (Figure("image and mask pairs at 64 px", rf"(?m)^pairs, .*?: {NUMBER} pairs", "pairs/CPU-s", 27.8),),
    ),
    "semantic": Bench(
        "semantic.py",
        (),
        ("--steps", "1", "--samples", "1"),
        (
            Figure(
                "semantic step at 64 px, 10 + 22 + 21 M, unpaired",
                rf"reference size, unpaired: training {NUMBER} images/s",
                "images/CPU-s",
                3 * 0.74,
            ),
            Figure(
                "semantic samples at 64 px, 10 M, bf16",
                rf"reference size, unpaired: .* {NUMBER} images/s in bf16",
                "images/CPU-s",
                36,
            ),
        ),
    ),
    "startup": Bench(
        "startup.py",
        (),
        (),
        (
            Figure("radgen --help", rf"radgen --help +{NUMBER} s", "s", 0.5, most=True),
            Figure("dry run of the demo", rf"dry run of the demo +{NUMBER} s", "s", 5, most=True),
        ),
    ),
}


def run(bench: Bench, *, quick: bool) -> str:
    """Run a bench and return what it printed; of a failed one, also its errors."""
    command = [sys.executable, str(HERE / bench.script), *(bench.quick if quick else bench.arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=HERE.parent)
    return done.stdout + (done.stderr if done.returncode else "")


def main() -> int:
    """Print the table; 1 where a figure is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="small sizes and few repeats: whether benches run, roughly"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all when none is named")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHES))
    if unknown:
        parser.error(f"no bench {unknown[0]!r}; there are {', '.join(BENCHES)}")
    sys.path.insert(0, str(HERE))
    from machine import describe

    print(f"{describe()}{', quick' if options.quick else ''}\n")
    print("| what | measured | goal | ratio |\n|---|---|---|---|")
    missing = 0
    for name in options.names or BENCHES:
        output = run(BENCHES[name], quick=options.quick)
        for figure in BENCHES[name].figures:
            row = figure.row(output)
            print(f"| {' | '.join(row)} |", flush=True)
            if not row[3]:
                missing += 1
                print(output, file=sys.stderr, flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
