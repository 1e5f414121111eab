"""Slices per second of one core, from files to stored slices, beside the pure decoding of the same files.

    python bench/slices.py [--cases a b c d] [--repeats 5] [--px 0] [--profile]

A computed CT with couch and noise is written once to a temporary folder as

    a  256 x 256 x 128, int16 NIfTI
    b  400 x 400 x 128, int16 NIfTI
    c  512 x 512 x 200, uncompressed DICOM
    d  the same as JPEG 2000, lossless

Timed are reading, body mask, window, quality and writing the image set, in one process of one thread, and nibabel or
pydicom reading the same pixels in the same run. Figures are the best of some repeats, by processor time, which other
work on the machine disturbs least; wall time stands beside it.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cProfile
import pickle
import pstats
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from machine import describe
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from radgen.cohort.phantom.anatomy import draw_patient
from radgen.cohort.phantom.scanner import scanner
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.imageset.writers import ShardWriter
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.shard import store_series
from radgen.imaging.slices import Recipe, StoredSlices
from radgen.seeds import random_generator

# Pixels of a side, slices, format, and the goal: slices per second, or a share of the decoding rate where below 1.
CASES = {
    "a": (256, 128, "nifti", 1260.0),
    "b": (400, 128, "nifti", 500.0),
    "c": (512, 200, "dicom", 0.6),
    "d": (512, 200, "jpeg-2000", 0.6),
}
SLICE_MM = 3.0


def computed_ct(px: int, slices: int) -> tuple[NDArray[np.int16], float]:
    """Return a computed abdomen [slices, rows, columns] in HU, and the width of its pixels in mm."""
    settings = PhantomSettings(size_px=px, slices_per_patient=6)
    anatomy = draw_patient(settings, 1)
    rng = random_generator("bench", 1)
    hu = scanner(px, settings.views).scan(anatomy.hu, anatomy.pixel_mm, 1e5, 0.8, rng)
    stack = np.resize(np.round(hu).astype(np.int16), (slices, *hu.shape[1:]))
    stack += rng.integers(-3, 4, stack.shape, dtype=np.int16)  # no two slices are the same
    return stack, anatomy.pixel_mm


def write_files(folder: Path, stack: NDArray[np.int16], pixel_mm: float, kind: str) -> list[Path]:
    """Write a volume as one NIfTI file in RAS+ order, or as one DICOM file for each slice."""
    if kind == "nifti":
        affine = np.diag([pixel_mm, pixel_mm, SLICE_MM, 1.0])
        nib.save(nib.Nifti1Image(stack.transpose(2, 1, 0)[::-1, ::-1], affine), folder / "image.nii")
        return [folder / "image.nii"]
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    for number, values in enumerate(stack):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = series, study, frame
        dataset.Modality, dataset.PatientID, dataset.InstanceNumber = "CT", "bench", number + 1
        dataset.ImagePositionPatient = [0.0, 0.0, number * SLICE_MM]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [pixel_mm, pixel_mm]
        dataset.Rows, dataset.Columns = values.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = (values + np.int16(1024)).clip(0).astype(np.uint16).tobytes()
        if kind == "jpeg-2000":
            dataset.compress(JPEG2000Lossless)
        dataset.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    return sorted(folder.glob("*.dcm"))


def decode(paths: list[Path]) -> None:
    """Read every pixel with nibabel or pydicom, and do nothing with them."""
    for path in paths:
        if path.suffix == ".nii":
            np.asarray(nib.load(path).dataobj).copy()  # the map's pages are read by the copy
        else:
            _ = pydicom.dcmread(path).pixel_array


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the least processor time and the least wall time in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time(), time.perf_counter()
        work()
        seconds.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    processor, wall = (min(column) for column in zip(*seconds, strict=True))
    return processor, wall


def sent(stored: StoredSlices) -> StoredSlices:
    """Copy slices as a pipe does: production reads each series in a child process, which may be killed."""
    arrays: list[pickle.PickleBuffer] = []
    plain = pickle.dumps(stored, protocol=5, buffer_callback=arrays.append)
    received: StoredSlices = pickle.loads(plain, buffers=[bytes(array.raw()) for array in arrays])  # noqa: S301 - our own
    return received


def run_case(name: str, folder: Path, px: int, repeats: int, *, profile: bool) -> None:
    """Time one case and print its figures."""
    side, slices, kind, goal = CASES[name]
    source = folder / name
    source.mkdir()
    paths = write_files(source, *computed_ct(side, slices), kind)
    ids = {f"{number:04d}": path for number, path in enumerate(paths)}
    row: dict[str, Any] = {
        "series_key": "bench", "patient_key": "bench", "split": "train", "modality": "CT", "anatomy": "abdomen",
        "class_name": "abdomen", "format": "nifti" if kind == "nifti" else "dicom", "repeat": 0, "archive": "",
        "file_ids": list(ids), "mask_ids": [], "mask_kind": None, "n_slices": slices, "rows": side, "cols": side,
        "spacing_slice_mm": SLICE_MM, "spacing_row_mm": 1.0, "spacing_col_mm": 1.0, "remarks": [],
    }  # fmt: skip
    recipe = Recipe(
        SlicesSettings(size_px=px or side), ClassSettings(by="folder", names=("abdomen",)), StructureSettings()
    )
    runs = iter(range(10**6))

    def slice_files() -> None:
        stored = sent(store_series(row, ids, recipe))
        shape = (1, recipe.slices.size_px, recipe.slices.size_px)
        with ShardWriter(folder / f"{name}-{next(runs)}", "shard-000", shape, with_masks=False) as writer:
            for index_row, image in zip(stored.rows, stored.images, strict=True):
                writer.append(index_row, image)
        if len(stored.rows) != slices:
            message = f"{len(stored.rows)} of {slices} slices were stored; the figures would not hold"
            raise SystemExit(message)

    slice_files()  # imports and caches
    decoding, _ = best(lambda: decode(paths), repeats)
    processor, wall = best(slice_files, repeats)
    rate, pure = slices / processor, slices / decoding
    print(
        f"{name} ({side} x {side} x {slices}, {kind}): {rate:.0f} slices/s ({slices / wall:.0f} by wall time); pure "
        f"decoding {pure:.0f}/s, share {rate / pure:.2f}; goal {goal:g}{' of decoding' if goal < 1 else '/s'}"
    )
    if profile:
        profiler = cProfile.Profile()
        profiler.runcall(slice_files)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(16)


def main() -> None:
    """Print one line for each case, and the largest memory of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", choices=sorted(CASES), default=sorted(CASES))
    parser.add_argument("--px", type=int, default=0, help="side of the stored slices; 0: as the source")
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many is printed")
    parser.add_argument("--profile", action="store_true", help="print what took the time")
    options = parser.parse_args()
    print(describe())
    with tempfile.TemporaryDirectory() as name:
        for case in options.cases:
            run_case(case, Path(name), options.px, options.repeats, profile=options.profile)
    print(f"largest memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
