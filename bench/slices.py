"""Slices per second of one core: from an uncompressed NIfTI to stored, background-free 8-bit slices.

    python bench/slices.py [--px 256] [--repeats 5]

A computed CT (256 x 256 x 128, int16) with couch and noise is written once to a temporary folder; timed are reading,
window, body mask and writing the image set, in one process of one thread.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from machine import describe

from radgen.cohort.phantom.anatomy import draw_patient
from radgen.cohort.phantom.scanner import scanner
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.shard import ShardFiles, write_shard
from radgen.imaging.slices import Recipe
from radgen.seeds import random_generator

SLICES = 128


def computed_ct(path: Path) -> None:
    """Write a computed abdomen of 256 x 256 x 128 voxels as an uncompressed int16 NIfTI in RAS+ order."""
    settings = PhantomSettings()
    anatomy = draw_patient(settings, 1)
    rng = random_generator("bench", 1)
    hu = scanner(settings.size_px, settings.views).scan(anatomy.hu, anatomy.pixel_mm, 1e5, 0.8, rng)
    stack = np.resize(np.round(hu).astype(np.int16), (SLICES, *hu.shape[1:]))
    stack += rng.integers(-3, 4, stack.shape, dtype=np.int16)  # no two slices are the same
    affine = np.diag([anatomy.pixel_mm, anatomy.pixel_mm, 3.0, 1.0])
    nib.save(nib.Nifti1Image(stack.transpose(2, 1, 0)[::-1, ::-1], affine), path)


def main() -> None:
    """Print the best of some repeats as slices per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--px", type=int, default=256, help="side of the stored slices")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many is printed")
    options = parser.parse_args()
    recipe = Recipe(
        SlicesSettings(size_px=options.px),
        ClassSettings(by="folder", names=("abdomen",)),
        StructureSettings(),
    )
    row = {
        "series_key": "bench", "patient_key": "bench", "split": "train", "modality": "CT", "anatomy": "abdomen",
        "class_name": "abdomen", "format": "nifti", "repeat": 0, "file_ids": ["image"], "mask_ids": [],
        "mask_kind": None,
    }  # fmt: skip
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        computed_ct(folder / "image.nii")
        for number in range(options.repeats):
            files = ShardFiles(folder / f"run-{number}", "shard-000", folder / "rejects.parquet", None)
            start = time.perf_counter(), time.process_time()
            counts = write_shard(files, [row], {"image": folder / "image.nii"}, recipe)
            seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    stored = counts["slices"]
    print(f"{describe()}")
    print(f"slices: {stored} of {SLICES} stored at {options.px} px, refused {counts['refused'] or 'none'}")
    wall, processor = (stored / min(column) for column in zip(*seconds, strict=True))
    print(f"slices: {wall:.0f}/s on one core (best of {options.repeats}; {processor:.0f} per second of processor time)")
    print(f"slices: {wall / 600:.2f} x the goal of 600")


if __name__ == "__main__":
    main()
