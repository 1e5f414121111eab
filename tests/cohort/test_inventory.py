"""The inventory finds every series whatever the layout, refuses what it must with a reason, and names nobody."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radgen.cohort.settings import InventorySettings, PatientKeySettings
from radgen.cohort.tables import FILES_SCHEMA, INVENTORY_SCHEMA, REJECTS_SCHEMA, read_rows
from radgen.errors import CohortError, InputError
from radgen.stages import inventory as stage
from tests.cohort.toys import (
    by_path,
    ct_slice,
    inventory_of,
    picture,
    reasons_by_path,
    save,
    segmentation,
    stored_volume,
    uid,
    write_msd,
    write_nifti,
    write_picture,
    write_series,
)


def dicom_archive(archive: Path) -> None:
    """Two patients with one and two series, a segmentation, and files that are no images."""
    write_series(archive / "Smith_Jane" / "a", stored_volume(), series="one", PatientID="SMITH-1")
    write_series(archive / "Smith_Jane" / "b", stored_volume(3), series="two", PatientID="SMITH-1")
    write_series(archive / "Doe_John", stored_volume(2), series="three", PatientID="DOE-2", order=(1, 0))
    frames = [(1, (-10.0, -20.0, 100.0), np.ones((6, 5), dtype=bool))]
    mask = segmentation(frames, {1: "liver"}, PatientID="SMITH-1", FrameOfReferenceUID=uid("frame", "one"))
    save(archive / "Smith_Jane" / "masks" / "m", mask)
    (archive / "notes.txt").write_text("Smith, Jane")
    (archive / "foreign.bin").write_bytes(b"\x07" * 300)
    (archive / "empty.dcm").touch()
    whole = (archive / "Doe_John" / "0.bin").read_bytes()
    (archive / "cut.dcm").write_bytes(whole[:-30])
    (archive / ".hidden").write_bytes(b"x")


def test_a_dicom_tree_gives_its_series_by_content(tmp_path: Path) -> None:
    dicom_archive(tmp_path)
    found = inventory_of(tmp_path)
    assert sorted(row["n_slices"] for row in found.index) == [2, 3, 4]
    assert len({row["patient_key"] for row in found.index}) == 2
    four = next(row for row in found.index if row["n_slices"] == 4)
    assert (four["rows"], four["cols"], four["spacing_slice_mm"], four["spacing_row_mm"]) == (6, 5, 2.0, 0.5)
    assert (four["format"], four["modality"], four["anatomy"]) == ("dicom", "CT", "ABDOMEN")
    assert four["mask_kind"] == "seg"
    assert four["mask_ids"] == [by_path(found)["Smith_Jane/masks/m"]]
    assert reasons_by_path(found) == {
        "notes.txt": "side-file",
        "foreign.bin": "foreign",
        "empty.dcm": "truncated",
        "cut.dcm": "truncated",
    }


def test_file_ids_are_in_slice_order(tmp_path: Path) -> None:
    dicom_archive(tmp_path)
    found = inventory_of(tmp_path)
    two = next(row for row in found.index if row["n_slices"] == 2)
    ids = by_path(found)
    assert two["file_ids"] == [ids["Doe_John/1.bin"], ids["Doe_John/0.bin"]]


def run(archive: Path, out: Path, **changes: Any) -> dict[str, Path]:
    paths = {
        "index": out / "inventory" / "index.parquet",
        "rejects": out / "inventory" / "rejects.parquet",
        "files": out / "private" / "files.parquet",
        "manifest": out / "inventory" / "manifest.json",
        "work": out / "work",
    }
    sections = {"inventory": InventorySettings(), "archives": {}, "patient_key": PatientKeySettings(public="for tests")}
    stage.run(archive=(str(archive),), **(paths | sections | changes))
    return paths


def test_no_identifier_leaves_the_private_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dicom_archive(tmp_path / "archive")
    paths = run(tmp_path / "archive", tmp_path / "out")
    public = "".join(
        [
            json.dumps(read_rows(paths["index"], INVENTORY_SCHEMA)),
            json.dumps(read_rows(paths["rejects"], REJECTS_SCHEMA)),
            paths["manifest"].read_text(),
            capsys.readouterr().out,
        ]
    )
    for name in ("SMITH", "Smith", "Jane", "DOE", "Doe_John", "foreign.bin", uid("one"), uid("study", "one")):
        assert name not in public
    private = read_rows(paths["files"], FILES_SCHEMA)
    assert {row["patient"] for row in private} == {"SMITH-1", "DOE-2", None}
    assert stat.S_IMODE(paths["files"].parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(paths["files"].stat().st_mode) == 0o600


def test_the_same_archive_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    dicom_archive(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "two")
    first = run(tmp_path / "one", tmp_path / "a")
    second = run(tmp_path / "elsewhere" / "two", tmp_path / "b", workers=2)
    for name in ("index", "rejects", "files"):
        assert first[name].read_bytes() == second[name].read_bytes()
    what = [json.loads(paths["manifest"].read_text())["what"] for paths in (first, second)]
    assert what[0] == what[1]


def test_workers_do_not_change_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dicom_archive(tmp_path / "archive")
    alone = run(tmp_path / "archive", tmp_path / "a")
    monkeypatch.setattr("radgen.cohort.scan.FILES_PER_TASK", 1)
    together = run(tmp_path / "archive", tmp_path / "b", workers=2)
    assert alone["files"].read_bytes() == together["files"].read_bytes()


def test_a_patients_series_share_a_shard_that_others_do_not_move(tmp_path: Path) -> None:
    for number in range(12):
        write_nifti(tmp_path / f"p{number}_a.nii", stored_volume(2, 3, 4))
        write_nifti(tmp_path / f"p{number}_b.nii", stored_volume(2, 3, 4))
    settings = {"patient_from": "regex", "patient_regex": "(p[0-9]+)_", "shards": 3}
    shard_of = {
        row["series_key"]: (row["patient_key"], row["shard"]) for row in inventory_of(tmp_path, **settings).index
    }
    assert len(set(shard_of.values())) == 12
    assert {shard for _, shard in shard_of.values()} == {0, 1, 2}
    for number in range(5, 12):
        (tmp_path / f"p{number}_a.nii").unlink()
    fewer = {row["series_key"]: (row["patient_key"], row["shard"]) for row in inventory_of(tmp_path, **settings).index}
    assert fewer.items() <= shard_of.items()


def test_the_digest_follows_images_and_masks(tmp_path: Path) -> None:
    write_msd(tmp_path)
    settings = {"patient_from": "regex", "patient_regex": "(case-[0-9])"}

    def digests() -> dict[str, str]:
        return {row["series_key"]: row["digest"] for row in inventory_of(tmp_path, **settings).index}

    before = digests()
    write_nifti(tmp_path / "labelsTr" / "case-0.nii.gz", np.zeros((5, 6, 7), np.uint8))
    write_nifti(tmp_path / "imagesTr" / "case-1.nii.gz", np.zeros((5, 6, 7), np.int16))
    after = digests()
    assert sum(before[key] != after[key] for key in before) == 2


def test_an_msd_layout_joins_images_and_labels(tmp_path: Path) -> None:
    write_msd(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    found = inventory_of(tmp_path, patient_from="regex", patient_regex="(case-[0-9])", modality="MR")
    ids = by_path(found)
    assert {tuple(row["file_ids"]): row["mask_ids"] for row in found.index} == {
        (ids[f"imagesTr/case-{case}.nii.gz"],): [ids[f"labelsTr/case-{case}.nii.gz"]] if case < 3 else []
        for case in range(4)
    }
    assert {(row["modality"], row["n_slices"], row["rows"], row["cols"]) for row in found.index} == {("MR", 7, 6, 5)}


def test_nnunet_channels_share_a_label_and_one_is_chosen(tmp_path: Path) -> None:
    for channel in range(2):
        write_nifti(tmp_path / "imagesTr" / f"case_000{channel}.nii.gz", stored_volume())
    write_nifti(tmp_path / "labelsTr" / "case.nii.gz", np.ones((4, 6, 5), np.uint8))
    for channel in range(2):
        found = inventory_of(tmp_path, patient_from="regex", patient_regex="(case)", channel=channel)
        assert [row["file_ids"] for row in found.index] == [[by_path(found)[f"imagesTr/case_000{channel}.nii.gz"]]]
        assert len(found.index[0]["mask_ids"]) == 1


def test_labels_beside_a_series_are_its_mask(tmp_path: Path) -> None:
    for patient in ("a", "b"):
        write_series(tmp_path / patient / "CT", stored_volume(), series=patient, PatientID=patient)
        write_nifti(tmp_path / patient / "labels.nii.gz", np.ones((4, 6, 5), np.uint8))
    found = inventory_of(tmp_path)
    assert sorted(len(row["mask_ids"]) for row in found.index) == [1, 1]
    assert {row["mask_kind"] for row in found.index} == {"nifti"}
    for row in found.index:
        folder = {
            path for path, file_id in by_path(found).items() if file_id in (row["file_ids"][0], row["mask_ids"][0])
        }
        assert len({path.split("/")[0] for path in folder}) == 1


def test_a_mask_without_an_image_is_refused(tmp_path: Path) -> None:
    write_msd(tmp_path)
    write_nifti(tmp_path / "labelsTr" / "case-9.nii.gz", np.ones((4, 6, 5), np.uint8))
    found = inventory_of(tmp_path, patient_from="regex", patient_regex="(case-[0-9])")
    assert reasons_by_path(found) == {"labelsTr/case-9.nii.gz": "mask-without-image"}


def test_picture_folders_and_pictures_beside_volumes(tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "nodule" / "image_7.png", picture(1))
    write_picture(tmp_path / "pictures" / "other" / "image_1300.png", picture(2))
    found = inventory_of(tmp_path / "pictures", patient_from="rows", rows_per_patient=620)
    assert sorted(row["row_number"] for row in found.index) == [7, 1300]
    assert len({row["patient_key"] for row in found.index}) == 2
    assert found.index[0]["spacing_row_mm"] is None
    write_series(tmp_path / "pictures" / "ct", stored_volume())
    assert set(reasons_by_path(inventory_of(tmp_path / "pictures")).values()) == {"side-file"}


def test_time_points_are_one_series_or_many(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume(), AcquisitionNumber=1)
    write_series(tmp_path / "b", stored_volume() + np.int16(1), AcquisitionNumber=2, InstanceNumber=2)
    assert len(inventory_of(tmp_path).index) == 1
    every = inventory_of(tmp_path, repeats="all")
    assert len({row["series_key"] for row in every.index}) == 2
    assert len({file_id for row in every.index for file_id in row["file_ids"]}) == 8


def test_copies_and_localizers_are_set_aside(tmp_path: Path) -> None:
    paths = write_series(tmp_path / "a", stored_volume())
    shutil.copy(paths[0], tmp_path / "copy")
    write_series(tmp_path / "scout", stored_volume(2), series="scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    found = inventory_of(tmp_path)
    assert sorted(row["reason"] for row in found.rejects) == ["duplicate", "localizer", "localizer"]
    assert not any(row["refused"] for row in found.rejects)


def test_a_series_that_makes_no_volume_is_refused_whole(tmp_path: Path) -> None:
    write_series(tmp_path / "good", stored_volume())
    for path in write_series(tmp_path / "bad", stored_volume(), series="bad")[1:2]:
        path.unlink()
    found = inventory_of(tmp_path)
    assert len(found.index) == 1
    assert [row["reason"] for row in found.rejects] == ["missing-slices"] * 3
    assert len({row["series_key"] for row in found.rejects}) == 1


def test_a_tag_may_carry_the_class(tmp_path: Path) -> None:
    write_series(tmp_path, stored_volume(), ContrastBolusAgent="IV")
    assert {row["class_value"] for row in inventory_of(tmp_path, class_tag="ContrastBolusAgent").files} == {"IV"}
    assert {row["class_value"] for row in inventory_of(tmp_path).files} == {""}


def test_a_missing_archive_and_an_empty_one_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder; give the archive's path"):
        inventory_of(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(CohortError, match=r"no readable series among 1 files \(side-file 1\)"):
        inventory_of(tmp_path)


def test_a_header_damaged_anywhere_never_stops_the_run(tmp_path: Path) -> None:
    whole = save(tmp_path / "a", ct_slice(stored_volume(1)[0], (0, 0, 0))).read_bytes()
    rng = np.random.default_rng(0)
    write_series(tmp_path / "good", stored_volume(), series="good")
    for number in range(150):
        data = bytearray(whole)
        for place in rng.integers(132, len(data), 6):
            data[place] = rng.integers(0, 256)
        (tmp_path / f"damaged-{number}").write_bytes(data)
    found = inventory_of(tmp_path)
    assert any(row["n_slices"] == 4 for row in found.index)
    assert all(row["sentence"] for row in found.rejects)
