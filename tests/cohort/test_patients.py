"""Who is one patient: each way of telling, its unmatched rows, and the near-duplicates where nobody tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radgen.cohort.archives import ArchiveSettings, Roots
from radgen.cohort.inventory import Inventory, take_inventory
from radgen.cohort.keys import patient_key
from radgen.cohort.settings import InventorySettings
from radgen.errors import CohortError, InputError
from tests.cohort.toys import KEY, inventory_of, picture, stored_volume, write_msd, write_picture, write_series


def keys_of(found: Inventory) -> dict[str, str]:
    """Path to patient key."""
    return {row["path"]: row["patient_key"] for row in found.files}


def test_the_tag_is_the_patient(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume(), series="a", PatientID="one")
    write_series(tmp_path / "b", stored_volume(), series="b", PatientID="")
    found = inventory_of(tmp_path)
    assert [row["patient_key"] for row in found.index] == [patient_key(KEY, "one")]
    assert {row["reason"] for row in found.rejects} == {"no-patient"}


def test_nobody_at_all_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    write_msd(tmp_path)
    with pytest.raises(CohortError, match="patient_from: tag finds no patient for any of 4 series; use another"):
        inventory_of(tmp_path)


def test_a_pattern_on_the_path(tmp_path: Path) -> None:
    write_msd(tmp_path)
    found = inventory_of(tmp_path, patient_from="regex", patient_regex=r"case-([01])")
    assert {row["patient_key"] for row in found.index} == {patient_key(KEY, "0"), patient_key(KEY, "1")}
    assert {row["reason"] for row in found.rejects} == {"no-patient"}


@pytest.mark.parametrize("name", ["case-{}.nii.gz", "imagesTr/case-{}.nii.gz"])
def test_a_table_by_name_or_path_reports_both_sides(tmp_path: Path, name: str) -> None:
    write_msd(tmp_path / "archive")
    table = tmp_path / "patients.csv"
    rows = [f"{name.format(case)}, person-{case // 2}" for case in (0, 1, 2, 8, 9)]
    table.write_text("\n".join(["# who is who", "file,patient", *rows]))
    found = inventory_of(tmp_path / "archive", patient_from="table", patient_table=table)
    keys = keys_of(found)
    assert keys["imagesTr/case-0.nii.gz"] == keys["imagesTr/case-1.nii.gz"] == patient_key(KEY, "person-0")
    assert keys["labelsTr/case-2.nii.gz"] == patient_key(KEY, "person-1")
    assert found.notes["patient_table"] == {"rows": 5, "rows_without_series": 2, "series_without_row": 1}


def test_a_folder_in_the_table_is_all_its_files(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write_series(tmp_path / "archive" / "site" / name, stored_volume(), series=name)
    table = tmp_path / "patients.csv"
    table.write_text("file,patient\nsite/x,one\ny,two\n")
    found = inventory_of(tmp_path / "archive", patient_from="table", patient_table=table)
    assert len({row["patient_key"] for row in found.index}) == 2


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("file,who\na,b\n", InputError, "no column 'patient' among file, who"),
        ("file,patient\na,b\nc,d\na,e\n", CohortError, "line 4 gives another patient than line 2 to the same file"),
        ("", InputError, "not a readable CSV"),
    ],
)
def test_a_bad_table_says_what_is_wrong(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    write_msd(tmp_path / "archive")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=words):
        inventory_of(tmp_path / "archive", patient_from="table", patient_table=tmp_path / "t.csv")


def test_rows_make_patients_of_neighbours(tmp_path: Path) -> None:
    for row in (0, 9, 10, 25):
        write_picture(tmp_path / "a" / f"image_{row}.png", picture(row))
    write_picture(tmp_path / "a" / "nameless.png", picture(99))
    found = inventory_of(tmp_path, patient_from="rows", rows_per_patient=10)
    keys = keys_of(found)
    assert keys["a/image_0.png"] == keys["a/image_9.png"]
    assert len({keys[f"a/image_{row}.png"] for row in (0, 10, 25)}) == 3
    assert [row["reason"] for row in found.rejects] == ["no-patient"]


def smooth(seed: int) -> np.ndarray:
    """A picture with structure at the scale of organs, unlike any other seed's."""
    small = Image.fromarray(picture(seed, 10))
    return np.asarray(small.resize((60, 60), Image.Resampling.BICUBIC))


def test_near_duplicates_are_one_patient_and_others_are_not(tmp_path: Path) -> None:
    for seed in range(8):
        write_picture(tmp_path / "a" / f"image_{seed}.png", smooth(seed))
    noisy = smooth(0).astype(float) * 0.8 + 20 + np.random.default_rng(0).normal(0, 2, (60, 60))
    write_picture(tmp_path / "b" / "brighter.png", noisy.clip(0, 255).astype(np.uint8))
    Image.fromarray(smooth(1)).save(tmp_path / "b" / "encoded.jpg", quality=70)
    write_picture(tmp_path / "b" / "blank.png", np.zeros((60, 60), np.uint8))
    found = inventory_of(tmp_path, patient_from="none")
    keys = keys_of(found)
    assert keys["b/brighter.png"] == keys["a/image_0.png"]
    assert keys["b/encoded.jpg"] == keys["a/image_1.png"]
    assert len(set(keys.values())) == 9
    assert found.notes["claim"].startswith("no patient-level claim")


@pytest.mark.parametrize(("correlation", "patients"), [(0.95, 2), (0.5, 1)])
def test_how_alike_is_a_setting(tmp_path: Path, correlation: float, patients: int) -> None:
    mixed = 0.65 * smooth(0) + 0.35 * smooth(1)
    write_picture(tmp_path / "one.png", smooth(0))
    write_picture(tmp_path / "mixed.png", mixed.astype(np.uint8))
    found = inventory_of(tmp_path, patient_from="none", duplicate_correlation=correlation)
    assert len({row["patient_key"] for row in found.index}) == patients


def test_a_cluster_keeps_its_name_when_others_join_the_archive(tmp_path: Path) -> None:
    for seed in range(4):
        write_picture(tmp_path / f"image_{seed}.png", smooth(seed))
    before = keys_of(inventory_of(tmp_path, patient_from="none"))
    for seed in range(4, 8):
        write_picture(tmp_path / f"image_{seed}.png", smooth(seed))
    assert before.items() <= keys_of(inventory_of(tmp_path, patient_from="none")).items()


def test_each_archive_may_tell_its_patients_in_its_own_way(tmp_path: Path) -> None:
    write_series(tmp_path / "scans" / "a", stored_volume(), series="a", PatientID="one")
    write_msd(tmp_path / "volumes")
    for number in (1, 619, 620):
        write_picture(tmp_path / "patches" / f"image_{number}.png", picture(number))
    table = tmp_path / "patients.csv"
    table.write_text("file,patient\n" + "".join(f"case-{case}.nii.gz,person-{case // 2}\n" for case in range(4)))
    archives = {
        "scans": ArchiveSettings(name="scans"),
        "volumes": ArchiveSettings(name="volumes", patient_from="table"),
        "patches": ArchiveSettings(name="patches", patient_from="rows"),
    }
    roots = Roots({name: tmp_path / name for name in archives})
    found = take_inventory(roots, InventorySettings(), KEY, archives=archives, patient_table=table)
    keys = keys_of(found)
    assert {keys[path] for path in keys if path.startswith("scans/")} == {patient_key(KEY, "one")}
    assert keys["volumes/imagesTr/case-1.nii.gz"] == patient_key(KEY, "person-0")
    assert keys["patches/image_1.png"] == keys["patches/image_619.png"] == patient_key(KEY, "rows 0")
    assert keys["patches/image_620.png"] == patient_key(KEY, "rows 1")
    assert found.notes["patient_from"] == "rows, table, tag"
    assert found.notes["patient_table"]["series_without_row"] == 0
    with pytest.raises(ValueError, match="patient_from: 'row' is not one of tag, regex"):
        ArchiveSettings(name="x", patient_from="row")
