"""The archive on disk: valid DICOM, masks on the grid of their pixels, and bytes that follow from the seed alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from scipy import ndimage

from radgen.cohort.phantom.anatomy import draw_patient
from radgen.cohort.phantom.archive import write_patient
from radgen.cohort.phantom.dicom_writer import (
    STORAGES,
    image_datasets,
    make_series,
    stored_values,
    write_dicom,
    write_nifti_labels,
)
from radgen.cohort.phantom.scanner import scanner
from radgen.cohort.phantom.seg_writer import segmentation
from radgen.cohort.phantom.settings import STRUCTURES, PhantomSettings
from radgen.errors import ConfigError, InputError, StorageError
from radgen.provenance import read_manifest
from radgen.stages.phantom import run

SMALL = PhantomSettings(patients=3, slices_per_patient=3, slice_mm=24.0, size_px=48, views=40, seg_fraction=0.5)
TEXT_VR = {"LO", "SH", "LT", "ST", "PN", "UT"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "archive"
    run(archive=folder, manifest=folder / "phantom.manifest.json", phantom=SMALL)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "phantom.manifest.json"
    }


def read_series(folder: Path) -> list[Dataset]:
    images = [pydicom.dcmread(path) for path in (folder / "CT").iterdir()]
    return sorted(images, key=lambda image: float(image.ImagePositionPatient[2]))


# ---------------------------------------------------------------- bytes


def test_bytes_depend_neither_on_workers_nor_on_other_patients(archive: Path, tmp_path: Path) -> None:
    two = tmp_path / "two"
    fewer = PhantomSettings(**{**SMALL.__dict__, "patients": 2})
    run(archive=two, manifest=two / "phantom.manifest.json", phantom=fewer, workers=2)
    one, other = files(archive), files(two)
    shared = [name for name in other if name.startswith("PHANTOM-")]
    assert len(shared) >= 8
    assert all(one[name] == other[name] for name in shared)


def test_no_clock_reaches_the_files(archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    write_patient(tmp_path, SMALL, 1)
    assert files(tmp_path / "PHANTOM-0001") == files(archive / "PHANTOM-0001")


# ---------------------------------------------------------------- DICOM


def test_series_is_valid_and_regular(archive: Path) -> None:
    seen: set[str] = set()
    for number in range(1, 4):
        images = read_series(archive / f"PHANTOM-{number:04d}")
        assert len(images) == SMALL.slices_per_patient
        heights = [float(image.ImagePositionPatient[2]) for image in images]
        np.testing.assert_allclose(np.diff(heights), SMALL.slice_mm)
        steps = set(np.diff([int(image.InstanceNumber) for image in images]))
        assert steps in ({1}, {-1})
        assert len({image.SeriesInstanceUID for image in images}) == 1
        for image in images:
            assert image.PatientID == f"PHANTOM-{number:04d}"
            assert list(image.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
            assert image.pixel_array.shape == (SMALL.size_px, SMALL.size_px)
            assert re.fullmatch(r"(19|20)\d{6}", image.StudyDate)
            assert image.SOPInstanceUID not in seen
            seen.add(image.SOPInstanceUID)


def test_uids_are_valid(archive: Path) -> None:
    def check(_: Dataset, element: pydicom.DataElement) -> None:
        if element.VR == "UI":
            values = element.value if isinstance(element.value, list | pydicom.multival.MultiValue) else [element.value]
            assert all(pydicom.uid.UID(value).is_valid for value in values)

    for path in (archive / "PHANTOM-0001").rglob("*.dcm"):
        image = pydicom.dcmread(path)
        image.walk(check)
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID


def test_every_text_says_phantom(archive: Path) -> None:
    for image in read_series(archive / "PHANTOM-0002"):
        texts = [element for element in image if element.VR in TEXT_VR and element.value and element.value != "HU"]
        assert len(texts) > 12
        for element in texts:
            assert str(element.value).startswith("PHANTOM"), element.keyword
    assert (archive / "README.txt").read_text().startswith("PHANTOM")


@pytest.mark.parametrize("storage", STORAGES)
def test_stored_values_give_hu_back(storage: object) -> None:
    machine = scanner(SMALL.size_px, SMALL.views)
    hu = np.random.default_rng(0).uniform(-1024, 3071, (2, SMALL.size_px, SMALL.size_px)).astype(np.float32)
    series = make_series(SMALL, 1, pixel_mm=6.0, kernel="PHANTOM")
    series = type(series)(**{**series.__dict__, "storage": storage})
    image = image_datasets(series, stored_values(hu, machine.inside, series.storage))[1]
    back = image.pixel_array * float(image.RescaleSlope) + float(image.RescaleIntercept)
    assert np.abs(back - hu[1])[machine.inside].max() <= series.storage.slope / 2 + 1e-3
    assert set(back[~machine.inside]) == {series.storage.padding_hu}
    if series.storage.tagged:
        assert image.PixelPaddingValue * image.RescaleSlope + image.RescaleIntercept == series.storage.padding_hu
    else:
        assert "PixelPaddingValue" not in image


def test_archives_show_every_storage_habit() -> None:
    settings = PhantomSettings()
    used = {
        make_series(settings, number, pixel_mm=1.5, kernel="").storage for number in range(1, settings.patients + 1)
    }
    assert used == set(STORAGES)
    assert {storage.padding_hu for storage in STORAGES} == {-1000, -1024, -2000, -3024}


# ---------------------------------------------------------------- masks


def test_masks_lie_on_their_pixels() -> None:
    settings = PhantomSettings(slices_per_patient=2, slice_mm=16.0, size_px=160, views=160)
    anatomy = draw_patient(settings, 1)
    hu = scanner(160, 160).scan(anatomy.hu, anatomy.pixel_mm, 1e15, 1.0, np.random.default_rng(0))
    for name in ("liver", "spleen", "aorta"):
        mask = anatomy.labels == STRUCTURES.index(name) + 1
        inner = np.stack([ndimage.binary_erosion(plane, iterations=2) for plane in mask])
        assert np.median(hu[inner]) == pytest.approx(np.median(anatomy.hu[inner]), abs=4), name
        for axis in (1, 2):
            misfit = [np.abs(hu[np.roll(mask, shift, axis)] - np.median(hu[inner])).mean() for shift in range(-3, 4)]
            assert abs(np.argmin(misfit) - 3) <= 1, name


def test_seg_and_nifti_hold_the_same_labels_at_the_same_places(tmp_path: Path) -> None:
    anatomy = draw_patient(SMALL, 2)
    series = make_series(SMALL, 2, pixel_mm=anatomy.pixel_mm, kernel="PHANTOM")
    machine = scanner(SMALL.size_px, SMALL.views)
    images = image_datasets(series, stored_values(anatomy.hu, machine.inside, series.storage))
    write_dicom(tmp_path / "seg.dcm", segmentation(series, images, anatomy.labels))
    write_nifti_labels(tmp_path / "labels.nii.gz", series, anatomy.labels)

    assert (tmp_path / "labels.nii.gz").read_bytes()[4:8] == b"\0" * 4, "a time in the gzip header"
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    names = {int(item.SegmentNumber): str(item.SegmentLabel) for item in seg.SegmentSequence}
    volume = nib.load(tmp_path / "labels.nii.gz")
    labels = np.asarray(volume.dataobj)
    world_to_index = np.linalg.inv(volume.affine)
    spacing = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    found = np.zeros_like(labels)
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        rows, columns = np.nonzero(frame)
        x, y, z = (float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient)
        left, back = x + columns * float(spacing[1]), y + rows * float(spacing[0])
        world = np.stack([-left, -back, np.full(left.shape, z), np.ones(left.shape)])
        index = (world_to_index @ world)[:3]
        np.testing.assert_allclose(index, np.rint(index), atol=1e-3)
        name = names[int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        found[tuple(np.rint(index).astype(int))] = STRUCTURES.index(name) + 1
    np.testing.assert_array_equal(found, labels)
    assert labels.max() > 0


def test_both_kinds_of_masks_are_written(archive: Path, tmp_path: Path) -> None:
    kinds = {
        name: PhantomSettings(**{**SMALL.__dict__, "seg_fraction": share})
        for name, share in (("SEG/seg.dcm", 1.0), ("labels.nii.gz", 0.0))
    }
    for name, settings in kinds.items():
        write_patient(tmp_path / name, settings, 1)
        assert sorted(path for path in files(tmp_path / name) if "/CT/" not in path) == [f"PHANTOM-0001/{name}"]
    found = [(home / "labels.nii.gz").exists() for home in sorted(archive.glob("PHANTOM-*"))]
    assert sorted(set(found)) == [False, True]


def test_seg_holds_only_dates_of_the_seed(archive: Path) -> None:
    found = sorted(archive.rglob("seg.dcm"))
    assert found
    seg = pydicom.dcmread(found[0])
    dates: set[str] = set()

    def collect(_: Dataset, element: pydicom.DataElement) -> None:
        if element.VR in ("DA", "DT") and element.value:
            dates.add(str(element.value)[:8])

    seg.walk(collect)
    assert dates == {str(seg.StudyDate)}


# ---------------------------------------------------------------- stage


def test_broken_files_are_broken(archive: Path) -> None:
    truncated, text = sorted((archive / "BROKEN").iterdir())
    image = pydicom.dcmread(truncated)
    with pytest.raises(ValueError, match="pixel data"):
        _ = image.pixel_array
    with pytest.raises(pydicom.errors.InvalidDicomError):
        pydicom.dcmread(text)


def test_complete_archive_is_left_alone_and_a_lost_manifest_comes_back(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = archive / "phantom.manifest.json"
    before = {path: path.stat().st_mtime_ns for path in archive.rglob("*.dcm")}
    manifest.unlink()
    run(archive=archive, manifest=manifest, phantom=SMALL)
    assert {path: path.stat().st_mtime_ns for path in archive.rglob("*.dcm")} == before
    assert "nothing to do" in capsys.readouterr().out
    record = read_manifest(manifest)
    assert record["run"]["reused"]
    assert record["what"]["saw_patients"]["pixels"]["by_split"] == {}
    assert set(record["what"]["outputs"]) == {"index.txt"}


def test_archive_with_a_lost_file_is_written_again(tmp_path: Path) -> None:
    folder, tiny = tmp_path / "archive", PhantomSettings(**{**SMALL.__dict__, "patients": 1, "broken_files": 0})
    manifest = folder / "phantom.manifest.json"
    run(archive=folder, manifest=manifest, phantom=tiny)
    whole = files(folder)
    (folder / "PHANTOM-0001" / "CT" / "IM0002.dcm").unlink()
    run(archive=folder, manifest=manifest, phantom=tiny)
    assert files(folder) == whole
    assert not json.loads(manifest.read_text())["run"]["reused"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive"]


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="holds 1 entries but no phantom archive"):
        run(archive=tmp_path, manifest=tmp_path / "phantom.manifest.json", phantom=SMALL)
    with pytest.raises(ConfigError, match="a file lies where the phantom archive shall go"):
        run(archive=tmp_path / "thesis.txt", manifest=tmp_path / "m.json", phantom=SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_full_disk_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("radgen.cohort.phantom.archive.write_archive", refuse)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\); free space"):
        run(archive=tmp_path / "archive", manifest=tmp_path / "m.json", phantom=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_manifest_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "phantom.manifest.json")
