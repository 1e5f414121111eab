"""CHAOS in miniature: stacks of label pictures, by name and by order, on slices whose files lie in any order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.settings import StructureSettings
from tests.cohort.layouts_toys import take
from tests.cohort.toys import ct_slice, save, write_picture

ORGANS = StructureSettings(
    names=("liver", "right_kidney", "left_kidney", "spleen"),
    map={"liver": (63, "liver"), "right_kidney": (126,), "left_kidney": (189,), "spleen": (252,)},
)
ROWS, COLUMNS = 12, 9


def drawn(number: int, grey: int) -> NDArray[np.uint8]:
    """Labels without any symmetry, different in each slice."""
    made = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
    made[number + 1, 1:5], made[number + 1 : 9, 1] = grey, grey
    return made


def shown(number: int, grey: int) -> NDArray[np.int16]:
    """An image that is bright where its labels are."""
    return (drawn(number, grey) > 0).astype(np.int16) * 500 + 100


def write_stack(folder: Path, names: Sequence[str], *, grey: int, upwards: bool, **tags: object) -> None:
    """Slices whose positions go up or down with their names; series UIDs differ from file to file, as do patients."""
    for number, name in enumerate(names):
        place = (0.0, 0.0, 3.0 * (number if upwards else -number))
        made = ct_slice(shown(number, grey), place, series=f"{folder} {name}", PatientID=f"anon {name}", **tags)
        made.FrameOfReferenceUID = made.StudyInstanceUID = None
        save(folder / f"{name}.dcm", made)


def write_ground(folder: Path, names: Sequence[str], grey: int) -> None:
    for number, name in enumerate(names):
        write_picture(folder / f"{name}.png", drawn(number, grey))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A CT and an MR patient, both with the number 1, and a CT of the test part."""
    ct = tmp_path / "chaos" / "download" / "Train_Sets" / "CT" / "1"
    write_stack(ct / "DICOM_anon", [f"i{n:04d},0000b" for n in range(4)], grey=255, upwards=False)
    write_ground(ct / "Ground", [f"liver_GT_{n:03d}" for n in range(4)], 255)
    mr = tmp_path / "chaos" / "download" / "Train_Sets" / "MR" / "1"
    for phase, first in (("InPhase", 2), ("OutPhase", 1)):
        names = [f"IMG-0004-{first + 2 * n:05d}" for n in range(4)]
        write_stack(mr / "T1DUAL" / "DICOM_anon" / phase, names, grey=63, upwards=True, Modality="MR")
    write_ground(mr / "T1DUAL" / "Ground", [f"IMG-0004-{2 + 2 * n:05d}" for n in range(4)], 63)
    names = [f"IMG-0002-{n:05d}" for n in range(1, 4)]
    write_stack(mr / "T2SPIR" / "DICOM_anon", names, grey=189, upwards=False, Modality="MR")
    write_ground(mr / "T2SPIR" / "Ground", names, 189)
    write_stack(
        tmp_path / "chaos" / "Test_Sets" / "CT" / "2" / "DICOM_anon",
        ["i0000,0000b", "i0001,0000b"],
        grey=255,
        upwards=True,
    )
    return tmp_path / "chaos"


def test_each_folder_is_one_series_of_its_patient(archive: Path) -> None:
    found = take(archive, "chaos")
    told = {
        (found.patients[path], row["class_value"], row["given_split"], row["n_slices"])
        for path, row in found.series.items()
    }
    assert told == {
        ("CT-1", "CT/abdomen", "train", 4),
        ("CT-2", "CT/abdomen", "test", 2),
        ("MR-1", "MR/abdomen/t1dual-inphase", "train", 4),
        ("MR-1", "MR/abdomen/t1dual-outphase", "train", 4),
        ("MR-1", "MR/abdomen/t2spir", "train", 3),
    }
    assert found.rejects == {}


def test_every_label_lies_on_its_slice(archive: Path) -> None:
    found = take(archive, "chaos")
    structure = {"CT/abdomen": 1, "MR/abdomen/t2spir": 3}
    for path, row in found.series.items():
        mask = found.mask(path, ORGANS)
        if row["given_split"] == "test":
            assert mask is None
        else:
            assert mask is not None
            bright = found.image(path) > found.image(path).min()
            # The drawing is different in each slice and has no symmetry: any other slice or turn would differ.
            np.testing.assert_array_equal(mask, bright * structure.get(row["class_value"], 1))


def test_labels_that_miss_a_slice_are_refused(archive: Path) -> None:
    (archive / "download" / "Train_Sets" / "CT" / "1" / "Ground" / "liver_GT_002.png").unlink()
    found = take(archive, "chaos", first={"modality": "CT"})
    assert not any(row["mask_ids"] for row in found.series.values())
    lost = {path: reason for path, reason in found.rejects.items() if "CT/1/Ground" in path}
    assert len(lost) == 3
    assert set(lost.values()) == {"undecodable"}
    sentences = {row["sentence"] for row in found.inventory.rejects if row["reason"] == "undecodable"}
    assert sentences == {"3 pictures of labels for 4 slices, with no names in common"}
