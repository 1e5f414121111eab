"""DICOM series against volumes that other tools made of them, and what becomes of series with faults, as tables.

    python -m tests.cohort.dicom_references

prints both tables in Markdown, as docs/ingest.md shows them; the tests hold the same rows to what they must say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from radgen.cohort import nifti
from radgen.cohort.candidates import Candidate, Refused
from radgen.cohort.dicom_headers import read_header
from radgen.cohort.dicom_pixels import open_pixels
from radgen.cohort.dicom_series import dicom_series
from radgen.cohort.dicom_volumes import read_volume
from radgen.cohort.grids import corner_distance_mm
from radgen.cohort.scan import ScannedFile
from radgen.cohort.settings import InventorySettings
from radgen.cohort.stacks import treatment_of
from radgen.imaging.volume import Volume, canonical

DATA = Path(os.environ.get("RADGEN_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
# Values that were scaled by a slope may differ so much, as a share of the largest value: references hold the slopes and
# the results in single precision. Whole numbers may not differ at all.
VALUE_TOLERANCE = 2e-5

TESTS = "dicom2nifti_tests/tests/data/"
REFERENCES = [
    *((f"dcm_qa_ts/In/{number}.dcm", f"dcm_qa_ts/Ref/{number}.nii") for number in range(1, 10)),
    ("dcm_qa_nih/In/20180918Si/mr_0003", "dcm_qa_nih/Ref/EPI_PE=AP_3.nii"),
    ("dcm_qa_nih/In/20180918Si/mr_0004", "dcm_qa_nih/Ref/EPI_PE=PA_4.nii"),
    ("dcm_qa_nih/In/20180918Si/mr_0005", "dcm_qa_nih/Ref/EPI_PE=RL_5.nii"),
    ("dcm_qa_nih/In/20180918Si/mr_0006", "dcm_qa_nih/Ref/EPI_PE=LR_6.nii"),
    ("dcm_qa_nih/In/20180918GE/mr_0004", "dcm_qa_nih/Ref/DCM2NIIX_regression_test_4.nii"),
    ("dcm_qa_enh/In/Siemens/XA10", "dcm_qa_enh/Ref/Siemens_REST1_w_SMS_PF7-8_6.nii"),
    (
        "dcm_qa_enh/In/Philips/IM_0027_fMAP.dcm",
        "dcm_qa_enh/Ref/Philips_WIP_B0_NS_801_e1.nii",
        "dcm_qa_enh/Ref/Philips_WIP_B0_NS_801_e2_fieldmaphz.nii",
    ),
    (
        "totalsegmentator_ref/tests/reference_files/example_ct_dicom",
        "totalsegmentator_ref/Ref_dcm2niix/example_ct_dicom.nii.gz",
    ),
    ("dcmqi_seg/data/segmentations/ct-3slice", "dcmqi_seg/Ref_dcm2niix/ct3slice.nii.gz"),
    (f"{TESTS}generic/anatomical/001", f"{TESTS}generic/anatomical/001_ground_truth.nii.gz"),
    (
        f"{TESTS}generic/anatomical/002_non_isotropic",
        f"{TESTS}generic/anatomical/002_non_isotropic_ground_truth.nii.gz",
    ),
    *(
        (f"{TESTS}generic/compressed{name}/001", f"{TESTS}generic/compressed/001_ground_truth.nii.gz")
        for name in ("", "_rle", "_jpeg", "_jpegls", "_j2k")
    ),
    (f"{TESTS}hitachi/anatomical/001", f"{TESTS}hitachi/anatomical/001_ground_truth.nii.gz"),
    (f"{TESTS}hitachi/anatomical/001_implicit", f"{TESTS}hitachi/anatomical/001_implicit_ground_truth.nii.gz"),
    (f"{TESTS}hyperfine/anatomical/001", f"{TESTS}hyperfine/anatomical/001_ground_truth.nii.gz"),
    (f"{TESTS}failing/slicecount/001", f"{TESTS}failing/slicecount/001_ground_truth.nii.gz"),
]
HEADER = ("series", "syntax", "size", "voxels equal", "largest difference", "largest affine difference, mm")
FAULTY = ("gantrytilting/001", "slicecount/001", "sliceincrement/001", "sliceincrement/002", "sliceorientation/001")
POLICIES = ("refuse", "nearest", "resample")


@dataclass(frozen=True)
class Match:
    """How the volumes of a series compare with their reference: all voxels, the worst as a share of the largest value,
    and the largest distance of corresponding corners of the volumes.
    """

    series: str
    syntax: str
    size: str
    equal: int
    voxels: int
    largest_difference: float
    affine_mm: float

    @property
    def row(self) -> str:
        """The cells of a Markdown table."""
        share = f"{self.equal:,} of {self.voxels:,}"
        largest = f"{self.largest_difference:.2g}" if self.largest_difference else "0"
        return f"| {self.series} | {self.syntax} | {self.size} | {share} | {largest} | {self.affine_mm:.1e} |"


def files_in(place: Path) -> list[Path]:
    """The files of a series: those of a folder, or the one file."""
    return sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else [place]


def find_series(root: Path, places: Sequence[Path], policy: str = "refuse") -> tuple[list[Candidate], list[Refused]]:
    """Group files as the inventory does, every volume kept."""
    files = [ScannedFile(str(path.relative_to(root)), "", read_header(path), None) for path in places]
    refused: list[Refused] = []
    return dicom_series(files, InventorySettings(repeats="all", on_irregular=policy), refused), refused


def read_candidate(root: Path, candidate: Candidate) -> Volume:
    """Read a volume by what its row will say."""
    treatment = treatment_of(remark.treatment for remark in candidate.remarks)
    return read_volume([root / path for path in candidate.paths], candidate.repeat, treatment)


def match(root: Path, series: str, references: Sequence[str]) -> Match:
    """Compare all volumes of a series with one 4-D reference, or with one reference for each."""
    paths = files_in(root / series)
    candidates, _ = find_series(root, paths)
    vendor = philips_floats if "Philips" in series else None
    equal = voxels = 0
    worst = apart = 0.0
    for number, candidate in enumerate(candidates):
        found, _ = canonical(read_candidate(root, candidate))
        several = len(references) > 1
        stored = nifti.read_volume(root / references[number if several else 0], 0 if several else number)
        target, _ = canonical(stored)
        ours = found.array.astype(np.float64)
        ours = ours if vendor is None else vendor(paths[0], number, ours)
        difference = np.abs(ours - target.array)
        exact = np.issubdtype(found.array.dtype, np.integer)
        relative = difference / float(np.abs(target.array).max())
        equal += int((relative <= (0.0 if exact else VALUE_TOLERANCE)).sum())
        voxels += difference.size
        worst = max(worst, float(relative.max()))
        apart = max(apart, corner_distance_mm(found.affine, target.affine, found.array.shape))
    slices, rows, columns = candidates[0].shape
    size = f"{columns} x {rows} x {slices}" + (f" x {len(candidates)}" if len(candidates) > 1 else "")
    syntax = open_pixels(paths[0])[1].syntax.name.split(", Non-Hier")[0].replace(" Image Compression", "")
    return Match(series.removeprefix(TESTS), syntax, size, equal, voxels, worst, apart)


def philips_floats(path: Path, volume: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a Philips volume's rescaled values, which the standard means, into the vendor's own, which dcm2niix writes.

    A private element of each frame holds the scale slope SS: the vendor's value is value / (RescaleSlope * SS).
    """
    frames = pydicom.dcmread(path, stop_before_pixels=True).PerFrameFunctionalGroupsSequence
    frame = frames[volume * len(values)]
    slope = float(frame.PixelValueTransformationSequence[0].RescaleSlope)
    return np.asarray(values / (slope * float(frame[0x2005, 0x140F].value[0][0x2005, 0x100E].value)))


def outcome(root: Path, series: str, policy: str) -> str:
    """Say what becomes of a faulty series."""
    candidates, refused = find_series(root, files_in(root / TESTS / "failing" / series), policy)
    said = []
    for candidate in candidates:
        array = read_candidate(root, candidate).array
        remarks = [f"{item.kind}, {item.treatment}: {item.figure:.3g} {item.unit}" for item in candidate.remarks]
        how = "; ".join(remarks) or "exactly"
        said.append(f"read as {' x '.join(str(size) for size in array.shape)} ({how})")
    said += sorted({f"refused, {item.reason}: {item.figure:.3g} {item.unit}" for item in refused if item.figure})
    return ", ".join(dict.fromkeys(said))


def tables(root: Path) -> Iterator[str]:
    """Yield the lines of both tables."""
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{'---|' * len(HEADER)}"
    for series, *references in REFERENCES:
        yield match(root, series, references).row
    yield ""
    yield f"| series | {' | '.join(POLICIES)} |"
    yield f"|{'---|' * (1 + len(POLICIES))}"
    for series in FAULTY:
        yield f"| {series} | {' | '.join(outcome(root, series, policy) for policy in POLICIES)} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(tables(DATA)) + "\n")
