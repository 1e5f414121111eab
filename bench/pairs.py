"""Pairs of image and mask a second at 64 pixels, and peak memory against their number.

    python bench/pairs.py [--pairs 512] [--memory 500 2000 8000] [--heads 2]

Generator and heads have the demo's sizes and random weights. Timed is all that the stages do from the opened weights
on: drawing, painting, scoring, writing a draft, choosing, and writing the pairs. The goal is 10,000 pairs within
3 minutes on 2 cores, which is two jobs at `GOAL` pairs a processor second each. Memory is the peak of a
fresh process for each number of pairs, with one head, because heads change its level and not its growth.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from pathlib import Path

import torch
from machine import describe

from radgen.gan.generator import Generator, GeneratorShape
from radgen.gan.sampling import Sampler
from radgen.labels.drafts import write_draft
from radgen.labels.head import HeadShape, load_heads, save_heads
from radgen.labels.members import start_members
from radgen.labels.painting import Painter
from radgen.labels.pairs import join_pairs
from radgen.labels.plan import PairsPlan

CLASSES = ("normal", "lesion")
LABELS = ("background", "a", "b", "c", "d", "e", "f")
GOAL = 10_000 / (3 * 60) / 2  # pairs per processor second of a core


def open_painter(heads: int, folder: Path) -> Painter:
    """Return a painter of the demo's sizes with random weights."""
    torch.manual_seed(0)
    shape = GeneratorShape(
        resolution=64,
        image_channels=1,
        classes=len(CLASSES),
        z_dim=64,
        w_dim=128,
        mapping_layers=2,
        channels=(96, 96, 64, 32, 16),
        noise=False,
    )
    sampler = Sampler(Generator(shape).eval(), CLASSES, source="bench", seed=1, truncation=1.0)
    scales = tuple(sampler.feature_channels.items())
    members = start_members(HeadShape(scales, CLASSES, LABELS, heads, 16, "bench"), range(heads))
    save_heads(members, folder / "head.safetensors")
    return Painter(sampler, load_heads(folder / "head.safetensors", torch.device("cpu")))


def make(painter: Painter, count: int, folder: Path) -> tuple[int, float]:
    """Make `count` pairs in one job; return how many were drawn and the processor seconds they took."""
    plan = PairsPlan(dict.fromkeys(CLASSES, count // len(CLASSES)), 0.1, "bench", "digest", 1024)
    start = time.process_time()
    write_draft(painter, plan, folder / "draft", 0, 1)
    table, _, _ = join_pairs([folder / "draft"], plan, folder / "pairs" / "index.parquet")
    return table.num_rows, time.process_time() - start


def peak_mb(count: int) -> float:
    """Return the peak memory of a fresh process that makes so many pairs, in MB."""
    done = subprocess.run(
        [sys.executable, __file__, "--alone", "--heads", "1", "--pairs", str(count)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"peak ([\d.]+) MB", done.stdout)
    return float(found[1]) if found else float("nan")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=512)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--memory", type=int, nargs="*", default=[500, 2000, 8000])
    parser.add_argument("--alone", action="store_true", help="this process alone, and its peak memory")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        painter = open_painter(options.heads, Path(folder))
        if not options.alone:
            make(painter, 64, Path(folder))  # warm
        drawn, seconds = make(painter, options.pairs, Path(folder))
    if options.alone:
        print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        return
    print(describe())
    rate = options.pairs / seconds
    print(
        f"pairs, 64 px, {options.heads} heads: {rate:.1f} pairs per processor second ({drawn} drawn); 10,000 on 2 "
        f"cores: {10_000 / rate / 2 / 60:.2f} minutes, goal 3"
    )
    for count in options.memory:
        print(f"memory, {count} pairs: {peak_mb(count):.0f} MB")


if __name__ == "__main__":
    main()
