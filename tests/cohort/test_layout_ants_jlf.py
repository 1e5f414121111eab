"""The joint-label-fusion demonstration of ANTs in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from radgen.cohort.settings import StructureSettings
from tests.cohort.layouts_toys import take
from tests.cohort.toys import stored_volume, write_nifti

TISSUES = StructureSettings(names=("fluid", "grey_matter", "white_matter", "deep_grey_matter"))


def test_a_scan_and_its_tissues_are_a_pair(tmp_path: Path) -> None:
    tissues = np.zeros((4, 6, 5), dtype=np.uint8)
    tissues[1:, 2, :4] = [1, 2, 3, 4]
    folder = tmp_path / "data" / "JLF"
    for scan in (1, 12):
        write_nifti(folder / f"ilist{scan}.nii.gz", stored_volume())
        write_nifti(folder / f"slist{scan}.nii.gz", tissues)
    (tmp_path / "LICENSE").write_text("GPL-2")
    taken = take(tmp_path, "ants_jlf")
    images = {f"data/JLF/ilist{scan}.nii.gz": f"scan{scan}" for scan in (1, 12)}
    assert taken.patients == images
    for path in images:
        assert taken.series[path]["class_value"] == "MR/brain"
        np.testing.assert_array_equal(taken.mask(path, TISSUES), tissues)
    assert taken.rejects == {"LICENSE": "side-file"}
