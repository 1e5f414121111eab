"""The leak finder finds crops of one scan, altered copies of a picture and the scans of a list, and no more."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.candidates import Candidate
from radgen.cohort.csv_tables import read_pairs
from radgen.cohort.leak_looks import look_at, numbers_of, texture_of, value_step
from radgen.cohort.leak_pictures import picture_links
from radgen.cohort.leak_rows import row_structure
from radgen.cohort.leaks import find_leaks, grid_links
from radgen.cohort.patients import name_patients
from radgen.cohort.settings import InventorySettings
from radgen.commands.leaks import main, series_of

Grey = NDArray[np.float32]


def scene(rng: np.random.Generator, side: int = 96) -> Grey:
    """A picture with structure of every size, as patients have."""
    total = np.zeros((side, side))
    for size in (4, 8, 16, 32):
        coarse = Image.fromarray(rng.normal(size=(size, size)).astype(np.float32))
        total += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)) * 100 / size**0.5
    return (total + 300).astype(np.float32)


def save(path: Path, voxels: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)  # type: ignore[attr-defined,no-untyped-call]


# ---------------------------------------------------------------- value grids


@pytest.mark.parametrize("step", [6.33065, 2653.442, 0.10467673, 1 / 300.7])
def test_the_step_of_a_grid_is_found_to_single_precision(step: float) -> None:
    levels = np.random.default_rng(0).integers(0, 400, (20, 20, 20))
    found = value_step((levels * step + 17).astype(np.float32))
    assert found == pytest.approx(step, rel=1e-6)


@pytest.mark.parametrize("step", [1.0, 2.0, 0.5, 0.25, 1 / 3])
def test_steps_that_everybody_uses_are_no_evidence(step: float) -> None:
    assert value_step((np.arange(2000) * step).astype(np.float32)) is None


def test_values_without_a_grid_have_no_step() -> None:
    rng = np.random.default_rng(0)
    assert value_step(rng.normal(size=(30, 30, 30)).astype(np.float32)) is None
    assert value_step(np.zeros((5, 5, 5), np.float32)) is None
    assert value_step(np.full((5, 5, 5), np.nan, np.float32)) is None


def test_a_step_that_many_series_share_links_nobody() -> None:
    links, _ = grid_links([3.3333] * 17 + [4.4444, None, 4.4444])
    assert [(link.one, link.two) for link in links] == [(17, 19)]


def test_the_grid_links_expected_by_chance_are_told_from_the_steps_that_nearly_agree() -> None:
    rng = np.random.default_rng(0)
    found = [grid_links(rng.uniform(5, 10, 3000).tolist()) for _ in range(12)]
    assert sum(by_chance for _, by_chance in found) == pytest.approx(sum(len(links) for links, _ in found), rel=0.25)


# ---------------------------------------------------------------- pictures


def shrunk(picture: Grey) -> Grey:
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((32, 32), Image.Resampling.BOX))


ALTERED = {
    "same": lambda p: p,
    "brighter": lambda p: 3 * p + 50,
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "quarter turn": np.rot90,
    "mirrored quarter turn": lambda p: np.rot90(p)[:, ::-1],
    "half turn": lambda p: p[::-1, ::-1],
    "shifted": lambda p: np.roll(p, (6, 9), (0, 1)),
    "cropped by a tenth": lambda p: p[5:-5, 5:-5],
    "cropped by a fifth and turned": lambda p: np.rot90(p[10:-10, 10:-10]),
    "half the size": lambda p: p[::2, ::2],
    "noisy": lambda p: p + np.random.default_rng(9).normal(size=p.shape).astype(np.float32) * 8,
}


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_found_among_others(how: str) -> None:
    rng = np.random.default_rng(1)
    pictures = [scene(rng) for _ in range(40)]
    links = picture_links([shrunk(picture) for picture in [*pictures, ALTERED[how](pictures[7])]], 0.85)
    assert [(one, two) for one, two, _ in links] == [(7, 40)]


def test_pictures_of_strangers_and_few_pictures_link_nobody() -> None:
    rng = np.random.default_rng(2)
    assert picture_links([shrunk(scene(rng)) for _ in range(60)], 0.85) == []
    assert picture_links([shrunk(scene(rng))], 0.85) == []
    assert picture_links([], 0.85) == []


# ---------------------------------------------------------------- rows


def listed(lengths: list[int], rng: np.random.Generator) -> tuple[NDArray[np.int64], Grey, NDArray[np.int64]]:
    """Rows, textures and true scans of a list in which each scan has its own noise."""
    scans = np.repeat(np.arange(len(lengths)), lengths)
    rows = np.cumsum(rng.integers(1, 100, len(scans)))
    levels = np.exp(rng.normal(size=(len(lengths), 1)) * 0.8)
    pictures = [rng.normal(size=(24, 24)).astype(np.float32) * levels[scan] + 100 for scan in scans]
    return rows, np.stack([texture_of(picture.astype(np.float32)) for picture in pictures]), scans


def test_the_scans_of_a_list_are_found_with_their_length() -> None:
    rng = np.random.default_rng(3)
    rows, textures, scans = listed(rng.integers(5, 16, 120).tolist(), rng)
    found = row_structure(rows, textures)
    assert found is not None
    assert found.rows_per_scan == pytest.approx(rows[-1] / 120, rel=0.2)
    assert found.guard_rows > found.rows_per_scan
    near = [(one, one + lag) for one in range(len(rows) - 3) for lag in (1, 2, 3)]
    together = [found.blocks[one] == found.blocks[two] for one, two in near if scans[one] == scans[two]]
    apart = [found.blocks[one] != found.blocks[two] for one, two in near if scans[one] != scans[two]]
    assert np.mean(together) > 0.97  # a scan that is cut would leak
    assert np.mean(apart) > 0.6
    assert found.likeness_near > 0.7
    assert abs(found.likeness_far) < 0.1
    assert found.likeness_across < 0.2


def test_a_shuffled_list_has_no_rows() -> None:
    rng = np.random.default_rng(4)
    rows, textures, _ = listed([10] * 60, rng)
    assert row_structure(rows, textures[rng.permutation(len(rows))]) is None
    assert row_structure(rows[:50], textures[:50]) is None
    assert row_structure(rows, np.ones_like(textures)) is None


# ---------------------------------------------------------------- whole archives


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Thirty scans, half of them in two crops; names tell nothing but a number."""
    rng = np.random.default_rng(5)
    archive = tmp_path / "archive"
    number = 0
    for scan in range(30):
        step = 5 + rng.random() * 5
        for crop in range(1 + scan % 2):
            voxels = np.stack([scene(rng, 24) for _ in range(8)]).round() * step
            save(archive / "imagesTr" / f"case_{number:03d}.nii.gz", voxels.astype(np.float32))
            save(archive / "labelsTr" / f"case_{number:03d}.nii.gz", np.ones((8, 24, 24), np.uint8))
            number += 1 + crop
    return archive


def test_crops_of_one_scan_become_one_patient_by_the_written_table(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, links = tmp_path / "leaks.csv", tmp_path / "links.csv"
    assert main([str(crops), "--out", str(out), "--links", str(links)]) == 0
    said = capsys.readouterr().out
    assert "45 series, 0 of them unreadable; 30 groups, the largest of 2 series, 15 of more than one" in said
    assert "value grids: 15 links" in said
    assert "patient_from: table with patient_table: the table leaks.csv" in said
    assert "case_" not in said
    assert str(tmp_path) not in said
    assert oct(out.stat().st_mode & 0o777) == oct(links.stat().st_mode & 0o777) == "0o600"
    assert {row["evidence"] for row in csv.DictReader(links.open())} == {"grid"}
    candidates = series_of(crops)
    named, notes = name_patients(candidates, InventorySettings(patient_from="table"), crops, out, 1)
    assert len({candidate.patient for candidate in named}) == 30
    assert notes["patient_table"] == {"rows": 45, "rows_without_series": 0, "series_without_row": 0}
    assert set(read_pairs(out, "file", "group").values()) == {candidate.patient for candidate in named}


def test_an_archive_of_strangers_and_a_broken_file_is_reported_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(6)
    for number in range(6):
        save(tmp_path / f"a{number}.nii", scene(rng).reshape(96, 24, 4).astype(np.int16))
    whole = (tmp_path / "a0.nii").read_bytes()
    (tmp_path / "a0.nii").write_bytes(whole[:-100])
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "0 of more than one" in said
    assert "no two series are of one person as far as pixels tell" in said


def test_looks_do_not_depend_on_workers(crops: Path) -> None:
    candidates = series_of(crops)
    one = find_leaks(candidates * 2, crops, workers=1)
    assert one == find_leaks(candidates * 2, crops, workers=2)
    assert look_at(crops, candidates[0]).kind == "float32"


def test_numbers_of_names() -> None:
    names = ["a/image_12.jpg", "b/image_13.jpg", "c/case_001_0000.nii.gz", "c/none.png", "x/1.png", "y/1.png"]
    candidate = series_of_names(names)
    found = [None if item is None else item for item in numbers_of(candidate)]
    assert found == [("image_", 12), ("image_", 13), ("case_", 1), None, ("x/", 1), ("y/", 1)]


def series_of_names(names: list[str]) -> list[Candidate]:
    return [Candidate("picture", (name,), 0, None, "", name, "", "", (1, 4, 4), None) for name in names]


# ---------------------------------------------------------------- real archives


@pytest.mark.realdata
def test_the_left_and_right_crops_of_the_hippocampus_set_are_found(data_root: Path) -> None:
    archive = data_root / "hippocampus_msd"
    candidates = series_of(archive)
    leaks = find_leaks(candidates, archive)
    with (archive / "patients.csv").open() as file:
        truth = {row["file"]: row["patient"] for row in csv.DictReader(file)}
    persons = [truth[Path(candidate.paths[0]).name] for candidate in candidates]
    pairs = list(itertools.combinations(range(len(persons)), 2))
    true = {(one, two) for one, two in pairs if persons[one] == persons[two]}
    found = {(one, two) for one, two in pairs if leaks.groups[one] == leaks.groups[two]}
    assert len(true & found) / len(true) == 1
    assert len(true & found) / len(found) > 0.95
    assert leaks.by_chance < 0.1
    assert leaks.rows == []


@pytest.mark.realdata
@pytest.mark.slow
def test_the_rows_of_the_lidc_patches_are_found(data_root: Path) -> None:
    archive = data_root / "lidc_nodule_patches"
    candidates = series_of(archive)
    leaks = find_leaks(candidates, archive)
    (rows,) = leaks.rows
    assert rows.rows_per_scan == pytest.approx(620, rel=0.15)
    assert 1500 < rows.guard_rows < 3000
    assert rows.likeness_near > 0.8
    assert abs(rows.likeness_far) < 0.05
    assert rows.likeness_across < 0.1
    numbers = [found[1] for found in numbers_of(candidates) if found is not None]
    apart = [abs(numbers[link.one] - numbers[link.two]) for link in leaks.evidence if link.kind == "picture"]
    assert len(apart) >= 10
    assert np.mean(np.array(apart) < 2000) > 0.9
