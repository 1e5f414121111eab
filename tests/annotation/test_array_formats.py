"""Colour PNG, .seg.nrrd and DICOM SEG, written by the libraries of their tools, come back pixel for pixel."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import slicerio
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from radgen.annotation.check import collect, gather
from radgen.annotation.pack import read_pack, write_pack
from radgen.errors import AnnotationError
from tests.annotation.toys import LABELS, SHAPE, make_pack, pack_images, toy_mask
from tests.cohort.toys import ct_slice, save

NAME, OTHER = "main_normal_000001", "main_normal_000000"
Mask = NDArray[np.uint8]


def come_back(folder: Path, overlap: str = "label") -> dict[str, Mask]:
    return collect(folder, read_pack(folder / "pack.parquet"), overlap=overlap).masks


def problems(folder: Path) -> list[str]:
    return gather(folder, read_pack(folder / "pack.parquet"), "label").problems


# ---------------------------------------------------------------- colour PNG


def coloured(mask: Mask, alpha: int | None = None) -> Mask:
    table = np.array([label.colour for label in LABELS], dtype=np.uint8)
    pixels = table[mask]
    return pixels if alpha is None else np.dstack([pixels, np.full(mask.shape, alpha, np.uint8)])


@pytest.mark.parametrize("alpha", [None, 255], ids=["RGB", "RGBA"])
def test_colours_of_the_schema_are_labels(tmp_path: Path, alpha: int | None) -> None:
    make_pack(tmp_path)
    Image.fromarray(coloured(toy_mask(), alpha)).save(tmp_path / "masks" / f"{NAME}.png")
    assert np.array_equal(come_back(tmp_path)[NAME], toy_mask())


def test_what_is_transparent_is_not_painted_whatever_its_colour(tmp_path: Path) -> None:
    make_pack(tmp_path)
    pixels = coloured(toy_mask(), 255)
    pixels[toy_mask() == 0] = (255, 255, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "masks" / f"{NAME}.png")
    assert np.array_equal(come_back(tmp_path)[NAME], toy_mask())


def test_blended_colours_are_refused_with_their_counts(tmp_path: Path) -> None:
    make_pack(tmp_path)
    pixels = coloured(toy_mask())
    pixels[0, :3] = (1, 2, 3)
    pixels[1, 0] = (254, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "masks" / f"{NAME}.png")
    (text,) = problems(tmp_path)
    assert "4 pixels are half transparent or of no label's colour: #010203 (3 pixels), #fe0000 (1 pixels)" in text
    assert f"#{bytes(LABELS[1].colour).hex()} liver" in text
    assert "antialiasing off" in text


def test_half_transparent_pixels_are_refused(tmp_path: Path) -> None:
    make_pack(tmp_path)
    Image.fromarray(coloured(toy_mask(), 128)).save(tmp_path / "masks" / f"{NAME}.png")
    assert f"{SHAPE[0] * SHAPE[1]} pixels are half transparent" in problems(tmp_path)[0]


def test_a_picture_of_another_size_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    make_pack(tmp_path)
    path = tmp_path / "masks" / f"{NAME}.png"
    Image.new("RGB", (9, 9)).save(path)
    data = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 40_000, 40_000) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])
    assert "not a readable PNG" in problems(tmp_path)[0]
    path.write_bytes(data)
    assert "is 9 rows x 9 columns there, but 12 x 10 in the pack" in problems(tmp_path)[0]


# ---------------------------------------------------------------- 3D Slicer

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def slicer_file(path: Path, layers: Sequence[Mask], segments: Sequence[tuple[str, int, int]], **changes: Any) -> None:
    """Write masks [H, W] as slicerio does; segments are (name, value, layer)."""
    affine = TO_LPS @ nibabel.load(path.parent.parent / "nifti" / f"{path.name.split('.')[0]}.nii.gz").affine
    voxels = np.stack([layer.T[:, :, None] for layer in layers])
    header = {
        "voxels": voxels[0] if len(layers) == 1 else voxels,
        "ijkToLPS": changes.pop("ijkToLPS", affine),
        "containedRepresentationNames": ["Binary labelmap"],
        "masterRepresentation": "Binary labelmap",
        "referenceImageExtentOffset": [0, 0, 0],
        "encoding": "gzip",
        "segments": [
            {
                "id": f"Segment_{number}",
                "name": name,
                "color": [1.0, 0.0, 0.0],
                "labelValue": value,
                "layer": layer,
                "extent": [0, SHAPE[1] - 1, 0, SHAPE[0] - 1, 0, 0],
            }
            for number, (name, value, layer) in enumerate(segments, start=1)
        ],
    }
    slicerio.write_segmentation(str(path), header)


def test_segments_are_matched_by_name_not_by_value(tmp_path: Path) -> None:
    make_pack(tmp_path)
    swapped = np.array([0, 7, 3], dtype=np.uint8)[toy_mask()]
    slicer_file(tmp_path / "masks" / f"{NAME}.seg.nrrd", [swapped], [("Lesion", 3, 0), ("liver ", 7, 0)])
    assert np.array_equal(come_back(tmp_path)[NAME], toy_mask())


def overlapping() -> tuple[Mask, Mask]:
    liver, lesion = np.zeros((2, *SHAPE), dtype=np.uint8)
    liver[2:8, 2:8] = 1
    lesion[5:10, 5:9] = 1
    return liver, lesion


def expected(winner: int) -> Mask:
    liver, lesion = overlapping()
    mask = np.where(lesion > 0, 2, liver).astype(np.uint8)
    if winner == 1:
        mask[liver > 0] = 1
    return mask


@pytest.mark.parametrize(("overlap", "winner"), [("label", 2), ("later", 1), ("first", 2)])
def test_layers_keep_segments_apart_until_an_overlap_is_decided(tmp_path: Path, overlap: str, winner: int) -> None:
    make_pack(tmp_path)
    liver, lesion = overlapping()
    slicer_file(tmp_path / "masks" / f"{NAME}.seg.nrrd", [lesion, liver], [("lesion", 1, 0), ("liver", 1, 1)])
    found = collect(tmp_path, read_pack(tmp_path / "pack.parquet"), overlap=overlap)
    assert np.array_equal(found.masks[NAME], expected(winner))
    assert found.overlaps == {NAME: int(np.count_nonzero(liver & lesion))}


def test_a_segmentation_cut_to_its_segments_is_put_in_place(tmp_path: Path) -> None:
    make_pack(tmp_path)
    liver, _ = overlapping()
    whole = TO_LPS @ nibabel.load(tmp_path / "nifti" / f"{NAME}.nii.gz").affine
    cut = whole.copy()
    cut[:3, 3] = (whole @ [2, 2, 0, 1])[:3]
    slicer_file(tmp_path / "masks" / f"{NAME}.seg.nrrd", [liver[2:8, 2:8]], [("liver", 1, 0)], ijkToLPS=cut)
    assert np.array_equal(come_back(tmp_path)[NAME], liver)


def test_flipped_and_swapped_axes_are_turned_back_by_the_header(tmp_path: Path) -> None:
    make_pack(tmp_path)
    mask = toy_mask()
    affine = nibabel.load(tmp_path / "nifti" / f"{NAME}.nii.gz").affine
    turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(mask.T[:, :, None], affine))
    fields = {
        "space": "right-anterior-superior",
        "space directions": turned.affine[:3, :3].T,
        "space origin": turned.affine[:3, 3],
        "encoding": "gzip",
    } | {
        f"Segment{n}_{key}": value
        for n, name in enumerate(("liver", "lesion"))
        for key, value in (("Name", name), ("LabelValue", str(n + 1)), ("Layer", "0"))
    }
    nrrd.write(str(tmp_path / "masks" / f"{NAME}.seg.nrrd"), np.asarray(turned.dataobj), fields)
    assert np.array_equal(come_back(tmp_path)[NAME], mask)


def test_a_plain_label_map_is_read_by_its_numbers(tmp_path: Path) -> None:
    make_pack(tmp_path)
    affine = nibabel.load(tmp_path / "nifti" / f"{NAME}.nii.gz").affine
    fields = {
        "space": "right-anterior-superior",
        "space directions": affine[:3, :3].T,
        "space origin": affine[:3, 3],
    }
    nrrd.write(str(tmp_path / "masks" / f"{NAME}.nrrd"), toy_mask().T[:, :, None], fields)
    assert np.array_equal(come_back(tmp_path)[NAME], toy_mask())


@pytest.mark.parametrize(
    ("segments", "changes", "message"),
    [
        ([("liver", 1, 0), ("Segment_2", 2, 0)], {}, "unknown label 'Segment_2'; labels.json knows background, liver"),
        ([("liver", 1, 0)], {}, "layer 0 holds the value 2, which belongs to no segment"),
        ([("liver", 1, 0), ("lesion", 2, 0)], {"ijkToLPS": np.diag([2.0, 1.0, 1.0, 1.0])}, "save the mask again, on"),
        (
            [("liver", 1, 0), ("lesion", 2, 0)],
            {"ijkToLPS": np.array([[1, 0, 0, 3], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])},
            "voxels of the segmentation lie outside its image",
        ),
    ],
)
def test_faults_of_segmentations(
    tmp_path: Path, segments: list[tuple[str, int, int]], changes: dict[str, Any], message: str
) -> None:
    make_pack(tmp_path)
    slicer_file(tmp_path / "masks" / f"{NAME}.seg.nrrd", [toy_mask()], segments, **changes)
    (text,) = problems(tmp_path)
    assert text.startswith(f"{NAME}.seg.nrrd: ")
    assert message in text


def test_a_volume_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    make_pack(tmp_path)
    path = tmp_path / "masks" / f"{NAME}.seg.nrrd"
    slicer_file(path, [np.zeros((200, 300), np.uint8)], [("liver", 1, 0)])
    assert "is 300 x 200 x 1 voxels in 1 layers, but its image is 10 x 12 x 1" in problems(tmp_path)[0]
    slicer_file(path, [toy_mask()], [("liver", 1, 0), ("lesion", 2, 0)])
    path.write_bytes(path.read_bytes()[:-6])
    assert "save the mask again" in problems(tmp_path)[0]


def test_a_pack_without_its_nifti_cannot_place_masks(tmp_path: Path) -> None:
    make_pack(tmp_path)
    slicer_file(tmp_path / "masks" / f"{NAME}.seg.nrrd", [toy_mask()], [("liver", 1, 0), ("lesion", 2, 0)])
    (tmp_path / "nifti" / f"{NAME}.nii.gz").unlink()
    assert "needed to place a mask, but not readable" in problems(tmp_path)[0]


# ---------------------------------------------------------------- DICOM SEG


def make_pack_without_dicom(folder: Path) -> None:
    """Make a pack whose own DICOM pictures, if any, are gone: names alone then say whose a segmentation is."""
    make_pack(folder)
    shutil.rmtree(folder / "dicom", ignore_errors=True)


def dicom_image(image_id: str = NAME, spacing_mm: tuple[float, float] = (1.0, 1.0)) -> Dataset:
    """The picture as a workstation has it: on the same grid as the pack's NIfTI."""
    pixels = np.zeros(SHAPE, dtype=np.int16)
    image = ct_slice(pixels, (0.0, 0.0, 0.0), series=image_id, PixelSpacing=list(spacing_mm), SliceThickness=1.0)
    values = {"PatientBirthDate": "", "PatientSex": "", "StudyDate": "", "StudyTime": "", "StudyID": ""}
    for name, value in (values | {"AccessionNumber": "", "ReferringPhysicianName": ""}).items():
        setattr(image, name, value)
    return image


def dicom_seg(
    path: Path, image: Dataset, pixels: NDArray[Any], names: Sequence[str], kind: str, **options: Any
) -> None:
    """Write a segmentation as highdicom does; pixels are [1, H, W] or [1, H, W, segments]."""
    descriptions = [
        SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type="MANUAL",
        )
        for number, name in enumerate(names, start=1)
    ]
    Segmentation(
        source_images=[image],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(entropy_srcs=["series"]),
        series_number=2,
        sop_instance_uid=generate_uid(entropy_srcs=["seg", path.name]),
        instance_number=1,
        manufacturer="tests",
        manufacturer_model_name="tests",
        software_versions="1",
        device_serial_number="1",
        **options,
    ).save_as(path)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_dicom_segmentations_come_back(tmp_path: Path, kind: str) -> None:
    make_pack_without_dicom(tmp_path)
    mask = np.array([0, 2, 1], dtype=np.uint8)[toy_mask()]  # segment 1 is the lesion here
    dicom_seg(tmp_path / "masks" / f"{NAME}.dcm", dicom_image(), mask[None], ["lesion", "Liver"], kind)
    assert np.array_equal(come_back(tmp_path)[NAME], toy_mask())


def test_a_fraction_of_half_counts(tmp_path: Path) -> None:
    make_pack_without_dicom(tmp_path)
    fractions = np.random.default_rng(3).random((1, *SHAPE))
    fractions[0, 0, :2] = (0.5, 0.49)
    options = {"fractional_type": "PROBABILITY", "max_fractional_value": 200}
    dicom_seg(tmp_path / "masks" / f"{NAME}.dcm", dicom_image(), fractions, ["liver"], "FRACTIONAL", **options)
    found = come_back(tmp_path)[NAME]
    assert np.array_equal(found, (np.rint(200 * fractions[0]) >= 100).astype(np.uint8))
    assert found[0, :2].tolist() == [1, 0]


@pytest.mark.parametrize(("overlap", "winner"), [("label", 2), ("later", 2), ("first", 1)])
def test_overlapping_segments_come_in_the_order_of_the_labels(tmp_path: Path, overlap: str, winner: int) -> None:
    make_pack_without_dicom(tmp_path)
    liver, lesion = overlapping()
    pixels = np.stack([lesion, liver], axis=-1)[None]
    dicom_seg(tmp_path / "masks" / f"{NAME}.dcm", dicom_image(), pixels, ["lesion", "liver"], "BINARY")
    assert np.array_equal(come_back(tmp_path, overlap)[NAME], expected(winner))


def test_geometry_is_that_of_the_pack(tmp_path: Path) -> None:
    write_pack(
        tmp_path / "pack.parquet",
        pack_images(),
        LABELS,
        generator="f" * 32,
        truncation=0.7,
        sampler_seed=1,
        spacing_mm=(0.5, 0.75),
    )
    shutil.rmtree(tmp_path / "dicom", ignore_errors=True)
    path = tmp_path / "masks" / f"{NAME}.dcm"
    dicom_seg(path, dicom_image(spacing_mm=(0.5, 0.75)), toy_mask()[None], ["liver", "lesion"], "BINARY")
    assert np.array_equal(come_back(tmp_path)[NAME], toy_mask())
    dicom_seg(path, dicom_image(spacing_mm=(0.75, 0.5)), toy_mask()[None], ["liver", "lesion"], "BINARY")
    assert "save the mask again, on the grid of its image" in problems(tmp_path)[0]


def test_a_segmentation_goes_to_the_image_it_refers_to(tmp_path: Path) -> None:
    make_pack_without_dicom(tmp_path)
    for image_id in (NAME, OTHER):
        save(tmp_path / "dicom" / f"{image_id}.dcm", dicom_image(image_id))
    dicom_seg(tmp_path / "masks" / "1.2.3.dcm", dicom_image(OTHER), toy_mask()[None], ["liver", "lesion"], "BINARY")
    assert list(come_back(tmp_path)) == [OTHER]
    (tmp_path / "masks" / "1.2.3.dcm").rename(tmp_path / "masks" / f"{NAME}.dcm")
    assert f"is named after {NAME}, but refers to image {OTHER}; a mask of another image" in problems(tmp_path)[0]
    foreign = dicom_image("somebody")
    dicom_seg(tmp_path / "masks" / f"{NAME}.dcm", foreign, toy_mask()[None], ["liver", "lesion"], "BINARY")
    assert "refers to an image that is not of this pack" in problems(tmp_path)[0]


def test_faults_of_dicom(tmp_path: Path) -> None:
    make_pack_without_dicom(tmp_path)
    path = tmp_path / "masks" / f"{NAME}.dcm"
    save(path, dicom_image())
    assert "is DICOM, but no segmentation (SEG); save the segments, not the image" in problems(tmp_path)[0]
    dicom_seg(path, dicom_image(), toy_mask()[None], ["liver", "spleen"], "BINARY")
    assert "unknown label 'spleen'; labels.json knows background, liver, lesion" in problems(tmp_path)[0]
    dicom_seg(tmp_path / "masks" / "scan.dcm", dicom_image(), toy_mask()[None], ["liver", "lesion"], "BINARY")
    assert any("no image of this pack is called scan.dcm" in text for text in problems(tmp_path))
    (tmp_path / "masks" / "scan.dcm").unlink()
    path.write_bytes(b"no DICOM")
    assert "the file is not DICOM" in problems(tmp_path)[0]
    big = ct_slice(np.zeros((40, 30), np.int16), (0.0, 0.0, 0.0), PixelSpacing=[1, 1])
    for name in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(big, name, "")
    big.ReferringPhysicianName = ""
    dicom_seg(path, big, np.ones((1, 40, 30), np.uint8), ["liver"], "BINARY")
    assert "is 1 frames of 40 rows x 30 columns, but its image is 12 x 10" in problems(tmp_path)[0]


def test_a_segmentation_cut_short_is_refused(tmp_path: Path) -> None:
    make_pack_without_dicom(tmp_path)
    path = tmp_path / "masks" / f"{NAME}.dcm"
    dicom_seg(path, dicom_image(), toy_mask()[None], ["liver", "lesion"], "BINARY")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(AnnotationError, match=rf"1 of 1 masks cannot be used: {NAME}.dcm: .*; save the mask again"):
        come_back(tmp_path)
