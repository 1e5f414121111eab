"""A short fixed part of the fuzzing, and every mutant that once was a finding."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz.oracle import Reading, judge, read_file
from tests.fuzz.run import fuzz, good_file
from tests.fuzz.seeds import FORMATS

MUTANTS = 30
# Format and mutants (of seed 0) that were once read wrongly, raised, crashed the scan or hung.
FOUND: dict[str, tuple[int, ...]] = {
    "dicom": (354, 467, 838, 1055, 1268, 1675, 1854),  # a damaged type of the pixel element shifted all pixels
    "dicom-frames": (748, 787, 1754),  # a damaged length hid two of three frames
    "dicom-jpeg": (57, 218, 1245),  # two make the decoder abort; compressed bytes were read as pixels
}


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_refused_or_said_by_the_file(name: str) -> None:
    numbers = sorted({*range(MUTANTS), *FOUND.get(name, ())})
    assert fuzz(name, numbers, seed=0).findings == {}


@pytest.mark.parametrize("name", FORMATS)
def test_the_oracle_sees_what_no_header_says(name: str) -> None:
    good = good_file(name)
    expected = read_file(name, good)
    assert expected.array is not None
    assert expected.affine is not None
    other = expected.array.copy()
    other.flat[0] += 1
    moved = expected.affine.copy()
    moved[0, 3] += 0.01
    wrong = [
        Reading(other, expected.affine),
        Reading(expected.array, moved),
        Reading(expected.array[:, :-1], expected.affine),
        Reading(raised="IndexError"),
    ]
    assert all(judge(FORMATS[name], good, good, expected, found, overwritten=True) for found in wrong)
    assert not judge(FORMATS[name], good, good, expected, Reading(refused="truncated: x"), overwritten=True)
    assert not judge(FORMATS[name], good, good, expected, expected, overwritten=True)


def test_raw_bytes_change_no_more_voxels_than_bytes() -> None:
    good = good_file("nifti")
    expected = read_file("nifti", good)
    assert expected.array is not None
    changed = good[:-1] + bytes([good[-1] ^ 1])
    shifted = Reading(np.roll(expected.array, 1), expected.affine)
    assert "voxels changed by 1 bytes" in judge(FORMATS["nifti"], good, changed, expected, shifted, overwritten=True)
    assert not judge(FORMATS["nifti"], good, changed, expected, read_file("nifti", changed), overwritten=True)
