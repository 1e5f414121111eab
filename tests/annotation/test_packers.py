"""What goes out for each tool opens with libraries that did not write it, and lies exactly on its picture."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from xml.etree import ElementTree

import highdicom
import nibabel
import nrrd
import numpy as np
import pydicom
import pytest
import slicerio
import yaml
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from radgen.annotation.pack import pack_files, write_pack
from radgen.annotation.packers import CONTENTS_FILE, PACKERS, tool_files
from radgen.annotation.packers.material import hex_colour
from radgen.annotation.schema import Label, label_schema
from radgen.errors import AnnotationError
from tests.annotation.toys import LABELS, SHAPE, make_pack, pack_images

NAME = "main_normal_000001"
SPACING = (2.0, 3.0)  # rows, columns: unequal, so that a swap is seen
AWKWARD = label_schema(('tumour "core" <1> & edge', "Läsion 肝", r"left\right"))
BARE_LISTS = {"cvat/labels.json", "labelme/labels.txt", "labels.json", CONTENTS_FILE, "pack.parquet"}


def write(folder: Path, labels: tuple[Label, ...] = LABELS, count: int = 3) -> Path:
    path = folder / "pack.parquet"
    facts = {"generator": "f" * 32, "truncation": 0.7, "sampler_seed": 1, "spacing_mm": SPACING}
    write_pack(path, pack_images(count), labels, **facts)
    return path


def nifti_grid(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    picture = nibabel.load(path)
    return np.diag([-1, -1, 1, 1]) @ picture.affine, np.asarray(picture.dataobj)[:, :, 0].T


def pynrrd_grid(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    voxels, header = nrrd.read(str(path))
    assert header["space"] == "left-posterior-superior"
    affine = np.eye(4)
    affine[:3, :3] = header["space directions"].T
    affine[:3, 3] = header["space origin"]
    return affine, voxels[:, :, 0].T


def slicerio_grid(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    segmentation = slicerio.read_segmentation(str(path))
    return segmentation["ijkToLPS"], segmentation["voxels"][:, :, 0].T


def dicom_affine(orientation: list[float], position: list[float], spacing: list[float]) -> NDArray[np.float64]:
    """DICOM PS3.3 C.7.6.2.1.1: index (column, row) to millimetres, of an image one slice deep."""
    along, down = np.array(orientation[:3], float), np.array(orientation[3:], float)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along * spacing[1], down * spacing[0]
    affine[:3, 2] = np.cross(along, down)
    affine[:3, 3] = position
    return affine


def dicom_grid(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    found = pydicom.dcmread(path)
    place = (found.ImageOrientationPatient, found.ImagePositionPatient, found.PixelSpacing)
    return dicom_affine(*map(list, place)), found.pixel_array


def seg_grid(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    # highdicom counts (slice, row, column).
    return volume.affine[:, [2, 1, 0, 3]], volume.array[0]


GRIDS: dict[str, Callable[[Path], tuple[NDArray[np.float64], NDArray[np.uint8]]]] = {
    "itksnap/{}.nii.gz": nifti_grid,
    "slicer/{}.seg.nrrd": pynrrd_grid,
    "slicer/{}.seg.nrrd#slicerio": slicerio_grid,
    "dicom/{}.dcm": dicom_grid,
    "dicom/{}.seg.dcm": seg_grid,
}


@pytest.mark.parametrize("pattern", GRIDS)
def test_a_corner_pixel_lies_at_the_same_place_everywhere(tmp_path: Path, pattern: str) -> None:
    write(tmp_path)
    wanted, image = nifti_grid(tmp_path / "nifti" / f"{NAME}.nii.gz")
    found, pixels = GRIDS[pattern](tmp_path / pattern.format(NAME).partition("#")[0])
    assert pixels.shape == image.shape == SHAPE
    for row, column in ((0, 0), (0, SHAPE[1] - 1), (SHAPE[0] - 1, 0)):
        assert np.allclose(found @ [column, row, 0, 1], wanted @ [column, row, 0, 1])
    assert np.allclose(wanted @ [SHAPE[1] - 1, 0, 0, 1], [27, 0, 0, 1])  # 9 columns of 3 mm towards the left
    assert np.allclose(wanted @ [0, SHAPE[0] - 1, 0, 1], [0, 22, 0, 1])  # 11 rows of 2 mm towards the back


@pytest.mark.parametrize("pattern", [name for name in GRIDS if name != "dicom/{}.dcm"])
def test_templates_are_empty(tmp_path: Path, pattern: str) -> None:
    write(tmp_path)
    _, pixels = GRIDS[pattern](tmp_path / pattern.format(NAME).partition("#")[0])
    assert not pixels.any()


def test_empty_label_has_the_very_header_of_its_picture(tmp_path: Path) -> None:
    write(tmp_path)
    image, label = (gzip.decompress((tmp_path / name / f"{NAME}.nii.gz").read_bytes()) for name in ("nifti", "itksnap"))
    assert image[:352] == label[:352]
    assert image[352:] != label[352:]


def test_itksnap_labels_have_ids_colours_and_names(tmp_path: Path) -> None:
    write(tmp_path, AWKWARD)
    lines = (tmp_path / "itksnap" / "labels.txt").read_text().splitlines()
    rows = [line.split(maxsplit=7) for line in lines if not line.startswith("#")]
    assert [[int(value) for value in row[:4]] for row in rows] == [[label.id, *label.colour] for label in AWKWARD]
    assert [row[7] for row in rows] == ['"Clear Label"', "\"tumour 'core' <1> & edge\"", '"Läsion 肝"', r'"left\right"']


def test_slicer_segments_have_names_colours_and_values(tmp_path: Path) -> None:
    write(tmp_path)
    segments = slicerio.read_segmentation(str(tmp_path / "slicer" / f"{NAME}.seg.nrrd"))["segments"]
    assert [(found["name"], found["labelValue"], found["layer"]) for found in segments] == [
        ("liver", 1, 0),
        ("lesion", 2, 0),
    ]
    for found, label in zip(segments, LABELS[1:], strict=True):
        assert np.allclose(np.array(found["color"]) * 255, label.colour, atol=0.01)
        assert found["extent"] == [0, SHAPE[1] - 1, 0, SHAPE[0] - 1, 0, 0]
        assert found["status"] == "notstarted"


def test_slicer_names_survive_backslash_and_quotes(tmp_path: Path) -> None:
    labels = label_schema(('a "b" <c>', r"left\right"))
    write(tmp_path, labels)
    segments = slicerio.read_segmentation(str(tmp_path / "slicer" / f"{NAME}.seg.nrrd"))["segments"]
    # pynrrd leaves the escape of a backslash as it stands in the file.
    assert [found["name"].replace("\\\\", "\\") for found in segments] == [label.name for label in labels[1:]]


def test_reference_geometry_is_that_of_the_picture(tmp_path: Path) -> None:
    write(tmp_path)
    found = slicerio.read_segmentation(str(tmp_path / "slicer" / f"{NAME}.seg.nrrd"))
    numbers = found["conversionParameters"][0]["value"].rstrip(";").split(";")
    affine = nibabel.load(tmp_path / "nifti" / f"{NAME}.nii.gz").affine
    assert np.array_equal(np.array(numbers[:16], float).reshape(4, 4), affine)
    assert [int(value) for value in numbers[16:]] == [0, SHAPE[1] - 1, 0, SHAPE[0] - 1, 0, 0]


def test_dicom_images_show_the_picture_and_name_nobody(tmp_path: Path) -> None:
    write(tmp_path)
    found = [pydicom.dcmread(path) for path in sorted(tmp_path.glob("dicom/*[0-9].dcm"))]
    assert len(found) == 3
    for image, item in zip(found, pack_images(), strict=True):
        assert np.array_equal(image.pixel_array, item.image)
        assert (image.SyntheticData, image.ConversionType) == ("YES", "SYN")
        assert list(image.ImageType) == ["DERIVED", "SECONDARY", "SYNTHETIC"]
        assert image.SeriesDescription == item.image_id
        assert (str(image.PatientName), image.PatientBirthDate) == ("SYNTHETIC^NO PATIENT", "")
    assert len({image.StudyInstanceUID for image in found}) == 1
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        uids = {image[keyword].value for image in found}
        assert len(uids) == 3
        assert all(uid.is_valid for uid in uids)


def test_other_pixels_get_other_uids(tmp_path: Path) -> None:
    make_pack(tmp_path)
    before = pydicom.dcmread(tmp_path / "dicom" / f"{NAME}.dcm")
    images = pack_images()
    images[1].image[0, 0] ^= 1
    write_pack(tmp_path / "pack.parquet", images, LABELS, generator="f" * 32, truncation=0.7, sampler_seed=1)
    after = pydicom.dcmread(tmp_path / "dicom" / f"{NAME}.dcm")
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.FrameOfReferenceUID != before.FrameOfReferenceUID


def test_dicom_segmentation_refers_to_its_picture(tmp_path: Path) -> None:
    write(tmp_path, AWKWARD)
    image = pydicom.dcmread(tmp_path / "dicom" / f"{NAME}.dcm")
    seg = highdicom.seg.segread(tmp_path / "dicom" / f"{NAME}.seg.dcm")
    assert seg.segmentation_type == highdicom.seg.SegmentationTypeValues.BINARY
    described = [seg.get_segment_description(number) for number in seg.segment_numbers]
    assert [found.segment_label for found in described] == ['tumour "core" <1> & edge', "Läsion 肝", "left/right"]
    assert {found.segmented_property_type for found in described} == {codes.SCT.AnatomicalStructure}
    for found, label in zip(described, AWKWARD[1:], strict=True):
        colour = highdicom.color.CIELabColor.from_dicom_value(found.RecommendedDisplayCIELabValue).to_rgb()
        assert np.allclose(colour, label.colour, atol=2)
    assert [uid for _, _, uid in seg.get_source_image_uids()] == [image.SOPInstanceUID]
    assert seg.FrameOfReferenceUID == image.FrameOfReferenceUID
    assert (seg.StudyInstanceUID, seg.PatientID) == (image.StudyInstanceUID, "SYNTHETIC")
    assert seg.SyntheticData == "YES"


def test_dicom_holds_no_time_of_writing(tmp_path: Path) -> None:
    write(tmp_path)
    today = time.strftime("%Y%m%d").encode()
    for path in tmp_path.glob("dicom/*.dcm"):
        assert today not in path.read_bytes()
        assert "ContributingEquipmentSequence" not in pydicom.dcmread(path)


def test_label_studio_tasks_point_to_the_pictures(tmp_path: Path) -> None:
    write(tmp_path)
    tasks = json.loads((tmp_path / "label_studio" / "tasks.json").read_text())
    assert [task["data"]["image_id"] for task in tasks] == [item.image_id for item in pack_images()]
    for task in tasks:
        address = urlparse(task["data"]["image"])
        assert address.path == "/data/local-files/"
        assert (tmp_path / parse_qs(address.query)["d"][0]).is_file()


def test_label_studio_draws_every_label_with_every_control(tmp_path: Path) -> None:
    write(tmp_path, AWKWARD)
    view = ElementTree.parse(tmp_path / "label_studio" / "config.xml").getroot()  # noqa: S314 - written by this test
    assert view.tag == "View"
    image = view.find("Image")
    assert image is not None
    assert image.attrib["value"] == "$image"
    wanted = [(label.name, hex_colour(label)) for label in (*AWKWARD[1:], AWKWARD[0])]
    for tag in ("BrushLabels", "PolygonLabels", "EllipseLabels", "RectangleLabels"):
        control = view.find(tag)
        assert control is not None
        assert control.attrib["toName"] == image.attrib["name"]
        assert [(label.attrib["value"], label.attrib["background"]) for label in control] == wanted


def test_cvat_labels_are_what_its_constructor_takes(tmp_path: Path) -> None:
    write(tmp_path, AWKWARD)
    labels = json.loads((tmp_path / "cvat" / "labels.json").read_text())
    assert labels == [
        {"name": label.name, "color": hex_colour(label), "type": "any", "attributes": []}
        for label in (*AWKWARD[1:], AWKWARD[0])
    ]


def test_labelme_files_find_their_pictures(tmp_path: Path) -> None:
    write(tmp_path, AWKWARD)
    folder = tmp_path / "labelme"
    assert (folder / "labels.txt").read_text().splitlines() == [*(label.name for label in AWKWARD[1:]), "background"]
    colours = yaml.safe_load((folder / "colours.yaml").read_text())
    assert colours["label_colors"] == {label.name: list(label.colour) for label in AWKWARD}
    found = sorted(folder.glob("*.json"))
    assert len(found) == 3
    for path in found:
        annotation = json.loads(path.read_text())
        assert (annotation["shapes"], annotation["imageData"]) == ([], None)
        assert (folder / annotation["imagePath"]).resolve() == tmp_path / "images" / f"{path.stem}.png"
        assert (annotation["imageHeight"], annotation["imageWidth"]) == SHAPE


def test_every_file_says_that_it_is_synthetic(tmp_path: Path) -> None:
    path = write(tmp_path)
    silent = set()
    for file in pack_files(path):
        data = file.read_bytes()
        data = gzip.decompress(data) if file.suffix == ".gz" else data
        if b"synthetic" not in data.lower():
            silent.add(str(file.relative_to(tmp_path)))
    assert silent == BARE_LISTS


def test_same_material_same_bytes_from_every_packer(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    assert {path.parent.name for path in tool_files(one.parent)} == {packer.folder for packer in PACKERS} | {"one"}
    for first, second in zip(tool_files(one.parent), tool_files(two.parent), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_new_pack_takes_away_old_files_but_not_those_of_others(tmp_path: Path) -> None:
    write(tmp_path, count=3)
    foreign = tmp_path / "labelme" / "notes.json"
    foreign.write_text("mine")
    write(tmp_path, count=2)
    assert not list(tmp_path.rglob("*000002*"))
    assert foreign.read_text() == "mine"
    assert len(list(tmp_path.glob("dicom/*"))) == 4


def test_what_was_painted_over_a_template_stops_a_new_pack(tmp_path: Path) -> None:
    write(tmp_path)
    painted = tmp_path / "labelme" / "main_normal_000002.json"
    painted.write_text('{"shapes": ["painted"]}')
    for count in (2, 3):  # 000002 would be taken away, or replaced
        with pytest.raises(AnnotationError, match=r"000002.json: changed since the pack was written, .*move it to"):
            write(tmp_path, count=count)
        assert painted.read_text() == '{"shapes": ["painted"]}'
        assert (tmp_path / "images" / "main_normal_000002.png").is_file()
    painted.rename(tmp_path / "masks" / painted.name)
    write(tmp_path, count=2)


def test_a_pack_cut_off_half_way_can_be_written_again(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / CONTENTS_FILE).unlink()
    write(tmp_path)
    (tmp_path / CONTENTS_FILE).unlink()
    (tmp_path / "slicer" / f"{NAME}.seg.nrrd").write_bytes(b"painted")
    with pytest.raises(AnnotationError, match=rf"{NAME}.seg.nrrd: changed since"):
        write(tmp_path)


@pytest.mark.parametrize("name", ["../outside.txt", "images/a.png", "labelme/../../outside.txt", "labelme/..", "x"])
def test_a_list_of_contents_cannot_reach_other_files(tmp_path: Path, name: str) -> None:
    write(tmp_path / "pack")
    outside = tmp_path / "outside.txt"
    outside.write_text("kept")
    (tmp_path / "pack" / CONTENTS_FILE).write_text(json.dumps({name: "0" * 32}))
    with pytest.raises(AnnotationError, match=r"contents.json: lists '.*', which is no file of a pack"):
        write(tmp_path / "pack")
    assert outside.read_text() == "kept"


def test_a_damaged_list_of_contents_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / CONTENTS_FILE).write_text("[1")
    with pytest.raises(AnnotationError, match=r"contents.json: not a readable list of files"):
        write(tmp_path)


def test_names_longer_than_dicom_allows_are_cut_there_and_nowhere_else(tmp_path: Path) -> None:
    name = "anatomy-" * 12
    write(tmp_path, label_schema((name,)), count=1)
    seg = highdicom.seg.segread(next(tmp_path.glob("dicom/*.seg.dcm")))
    assert seg.get_segment_description(1).segment_label == name[:64]
    assert json.loads((tmp_path / "cvat" / "labels.json").read_text())[0]["name"] == name
