"""Masks come back exactly in every form, and each fault is named with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from radgen.annotation.check import check_labels, collect
from radgen.annotation.pack import Pack, read_pack
from radgen.annotation.pictures import write_nifti
from radgen.annotation.result import write_annotation
from radgen.annotation.schema import palette
from radgen.annotation.waiting import annotator_of, mask_files, masks_present
from radgen.errors import AnnotationError
from radgen.imageset.core import ImageSet
from tests.annotation.toys import LABELS, SHAPE, make_pack, pack_images, save_indexed, toy_mask

NAME = "main_normal_000001"


def collect_masks(folder: Path, pack: Pack) -> dict[str, np.ndarray]:
    return collect(folder, pack).masks


def _nifti_as(path: Path, mask: np.ndarray, turn: Callable[[nibabel.Nifti1Image], nibabel.Nifti1Image]) -> None:
    draft = path.parent.parent / "draft.nii.gz"
    write_nifti(draft, mask, (1.0, 1.0))
    nibabel.save(turn(nibabel.load(draft)), path)


def _canonical(picture: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    return nibabel.as_closest_canonical(picture)


def _swapped(picture: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    order = nibabel.orientations.axcodes2ornt(("P", "S", "R"))
    start = nibabel.io_orientation(picture.affine)
    return picture.as_reoriented(nibabel.orientations.ornt_transform(start, order))


def _as_float(picture: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image(np.asarray(picture.dataobj).astype(np.float64), picture.affine)


def _flat(picture: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image(np.asarray(picture.dataobj)[:, :, 0], picture.affine)


@pytest.mark.parametrize(
    "save",
    [
        lambda folder, mask: save_indexed(folder / f"{NAME}.png", mask),
        lambda folder, mask: Image.fromarray(mask).save(folder / f"{NAME}.PNG"),
        lambda folder, mask: Image.fromarray(mask.astype(np.uint16)).save(folder / f"{NAME}.png"),
        lambda folder, mask: write_nifti(folder / f"{NAME}.nii.gz", mask, (1.0, 1.0)),
        lambda folder, mask: _nifti_as(folder / f"{NAME}.nii", mask, lambda picture: picture),
        lambda folder, mask: _nifti_as(folder / f"{NAME}.nii.gz", mask, _canonical),
        lambda folder, mask: _nifti_as(folder / f"{NAME}.nii.gz", mask, _swapped),
        lambda folder, mask: _nifti_as(folder / f"{NAME}.nii.gz", mask, _as_float),
        lambda folder, mask: _nifti_as(folder / f"{NAME}.nii.gz", mask, _flat),
    ],
    ids=["indexed", "grey", "16 bits", "nifti", "unzipped", "flipped axes", "swapped axes", "float", "two dimensions"],
)
def test_masks_come_back_exactly(tmp_path: Path, save: Callable[[Path, np.ndarray], None]) -> None:
    pack = read_pack(make_pack(tmp_path))
    mask = toy_mask()
    save(tmp_path / "masks", mask)
    found = collect_masks(tmp_path, pack)
    assert list(found) == [NAME]
    assert found[NAME].dtype == np.uint8
    assert np.array_equal(found[NAME], mask)


def _grey_with_alpha(folder: Path) -> None:
    Image.new("LA", (SHAPE[1], SHAPE[0])).save(folder / f"{NAME}.png")


def _unknown_ids(folder: Path) -> None:
    mask = toy_mask()
    mask[0, :2] = (255, 7)
    Image.fromarray(mask).save(folder / f"{NAME}.png")


def _wrong_size(folder: Path) -> None:
    Image.fromarray(np.zeros((24, 20), np.uint8)).save(folder / f"{NAME}.png")


def _wrong_size_nifti(folder: Path) -> None:
    write_nifti(folder / f"{NAME}.nii.gz", np.zeros((24, 20), np.uint8), (1.0, 1.0))


def _moved_nifti(folder: Path) -> None:
    _nifti_as(
        folder / f"{NAME}.nii.gz",
        toy_mask(),
        lambda picture: nibabel.Nifti1Image(
            np.asarray(picture.dataobj), picture.affine + np.array([[0, 0, 0, 3.0]] + [[0] * 4] * 3)
        ),
    )


def _lost_header(folder: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(toy_mask().T[:, :, None], np.eye(4)), folder / f"{NAME}.nii.gz")


def _fractions(folder: Path) -> None:
    _nifti_as(
        folder / f"{NAME}.nii.gz",
        toy_mask(),
        lambda picture: nibabel.Nifti1Image(np.asarray(picture.dataobj) + 0.5, picture.affine),
    )


def _other_palette(folder: Path) -> None:
    colours = palette(LABELS)
    colours[3:9] = colours[6:9] + colours[3:6]
    save_indexed(folder / f"{NAME}.png", toy_mask(), colours)


def _twice(folder: Path) -> None:
    save_indexed(folder / f"{NAME}.png", toy_mask())
    write_nifti(folder / f"{NAME}.nii.gz", toy_mask(), (1.0, 1.0))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: save_indexed(folder / "somebody.png", toy_mask()), "no image of this pack is called somebody"),
        (
            _grey_with_alpha,
            "is a LA picture, but a mask holds label ids or the colours of labels.json; save it as inde",
        ),
        (_unknown_ids, r"unknown label ids 7, 255; labels.json knows 0, 1, 2"),
        (_wrong_size, "is 24 rows x 20 columns there, but 12 x 10 in the pack; masks are never resized"),
        (_wrong_size_nifti, "is 20 x 24 x 1 voxels, but its image is 10 x 12 x 1; masks are never resized"),
        (_moved_nifti, r"its header places it elsewhere than its image \(origin off by \[-3.0, 0.0, 0.0\] voxels"),
        (
            _lost_header,
            r"header places it elsewhere .* save the mask on the grid of nifti/main_normal_000001.nii.gz",
        ),
        (_fractions, r"holds values that are not whole numbers, such as \d\.5; save label ids"),
        (_other_palette, r"pixel value 1 is shown in the colour of lesion \(id 2\), so the palette was re-ordered"),
        (_twice, "a second mask for main_normal_000001; keep one of them"),
        (lambda folder: (folder / f"{NAME}.png").write_bytes(b"PNG"), "not a readable PNG .*; save it again"),
        (
            lambda folder: (folder / f"{NAME}.nii.gz").write_bytes(b"x" * 400),
            "not a readable NIfTI file .*; save it again",
        ),
    ],
)
def test_each_fault_is_named(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    pack = read_pack(make_pack(tmp_path))
    spoil(tmp_path / "masks")
    with pytest.raises(AnnotationError, match=message) as caught:
        collect_masks(tmp_path, pack)
    assert "masks cannot be used" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    _grey_with_alpha(tmp_path / "masks")
    save_indexed(tmp_path / "masks" / "other.png", toy_mask())
    save_indexed(tmp_path / "masks" / "main_normal_000000.png", toy_mask())
    with pytest.raises(AnnotationError, match=r"2 of 3 masks cannot be used: main_normal_000001.*; other.png"):
        collect_masks(tmp_path, pack)


def test_masks_of_another_generator_are_refused(tmp_path: Path) -> None:
    make_pack(tmp_path, generator="old")
    save_indexed(tmp_path / "masks" / f"{NAME}.png", toy_mask())
    pack = read_pack(make_pack(tmp_path, generator="new"))
    with pytest.raises(AnnotationError, match="painted for images of generator old, but this pack is of generator new"):
        collect_masks(tmp_path, pack)
    (tmp_path / "masks" / "generator.json").unlink()
    with pytest.raises(AnnotationError, match="it is not known for which generator these masks were painted"):
        collect_masks(tmp_path, pack)


def test_masks_are_awaited_until_one_is_there(tmp_path: Path) -> None:
    assert not masks_present(tmp_path / "nowhere")
    pack = read_pack(make_pack(tmp_path))
    (tmp_path / "masks" / ".hidden.png").write_bytes(b"")
    (tmp_path / "masks" / "notes.txt").write_text("soon")
    assert not masks_present(tmp_path)
    with pytest.raises(AnnotationError, match=r"masks: no masks yet; paint the images of .*images as its README"):
        collect_masks(tmp_path, pack)
    save_indexed(tmp_path / "masks" / f"{NAME}.png", toy_mask())
    assert masks_present(tmp_path)
    assert [path.name for path in mask_files(tmp_path)] == [f"{NAME}.png"]


def test_exports_and_folders_of_annotators_count_and_what_tools_leave_beside_does_not(tmp_path: Path) -> None:
    make_pack(tmp_path)
    masks = tmp_path / "masks"
    names = ("a.zip", "b.json", "anna/c.dcm", "anna/SegmentationClass/d.png", "e.seg.nrrd", "f.XML")
    others = ("generator.json", "labels.json", "anna/generator.json", "anna/.d.png", "__MACOSX/e.png", "seconds.csv")
    for name in (*names, *others, "anna/SegmentationObject/d.png"):
        (masks / name).parent.mkdir(parents=True, exist_ok=True)
        (masks / name).touch()
    found = mask_files(tmp_path)
    assert {path.relative_to(masks).as_posix() for path in found} == set(names)
    assert {path.name: annotator_of(path, tmp_path) for path in found} == {
        "a.zip": "",
        "b.json": "",
        "c.dcm": "anna",
        "d.png": "anna",
        "e.seg.nrrd": "",
        "f.XML": "",
    }


def test_files_of_no_format_are_named_with_those_that_are_read(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    (tmp_path / "masks" / "export.json").write_text('{"half": ')
    with pytest.raises(
        AnnotationError, match=r"export.json: is in none of the formats that are read \(.*DICOM SEG\), or"
    ):
        collect_masks(tmp_path, pack)


def test_labels_of_pack_and_study_must_agree(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    assert check_labels(pack, ("liver", "lesion")) == pack
    with pytest.raises(AnnotationError, match="names liver, lesion, but the study's structures are liver, spleen"):
        check_labels(pack, ("liver", "spleen"))
    with pytest.raises(AnnotationError, match="names liver, lesion, but the study's structures are liver; keep the fi"):
        check_labels(pack, ("liver",))
    with pytest.raises(AnnotationError, match="keep the first ones as they were and add new ones at the end"):
        check_labels(pack, ("spleen", "liver", "lesion"))


def test_a_structure_added_at_the_end_may_be_painted_on_the_old_pack(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path))
    mask = toy_mask()
    mask[0, 0] = 3
    Image.fromarray(mask).save(tmp_path / "masks" / f"{NAME}.png")
    with pytest.raises(AnnotationError, match="unknown label ids 3"):
        collect_masks(tmp_path, pack)
    grown = check_labels(pack, ("liver", "lesion", "spleen"), ("#010203", "#040506", "#070809"))
    assert grown.labels[:3] == pack.labels  # colours of masks that are painted already stay
    assert (grown.labels[3].id, grown.labels[3].name, grown.labels[3].colour) == (3, "spleen", (7, 8, 9))
    assert np.array_equal(collect_masks(tmp_path, grown)[NAME], mask)


def test_result_is_an_image_set_of_the_painted_images(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path / "pack"))
    masks = {item.image_id: toy_mask(number) for number, item in enumerate(pack_images()) if number != 1}
    write_annotation(tmp_path / "index.parquet", pack, masks, source="main")
    images = ImageSet(tmp_path / "index.parquet")
    assert images.column("image_id").tolist() == ["main_normal_000000", "main_normal_000002"]
    assert set(images.column("checkpoint")) == {"f" * 32}
    assert set(images.column("split")) == {"synthetic"}
    assert images.column("seed").tolist() == [100, 102]
    for place, image_id in enumerate(masks):
        assert np.array_equal(images.images([place])[0, 0], pack.image(image_id))
        assert np.array_equal(images.masks([place])[0], masks[image_id])
