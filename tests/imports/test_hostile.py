"""Folders from anywhere: each thing that is wrong ends in one sentence, and nothing is written."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from radgen.errors import ConfigError, RadgenError
from radgen.export.examples import ExportSet
from radgen.export.placed import Options
from radgen.export.run import export
from radgen.stages.import_images import run
from tests.export.toys import write_slices
from tests.imports.test_import import folder_of, painted, picture, save

AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])


def _bomb(path: Path) -> None:
    """A PNG of a few kilobytes that promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def _gzip_bomb(path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 1), dtype=np.uint8), AFFINE)
    image.header["dim"][1:4] = (4000, 4000, 1)
    image.header["vox_offset"] = 352
    image.header["magic"] = b"n+1"
    image.set_sform(AFFINE, 1)
    path.write_bytes(gzip.compress(bytes(image.header.binaryblock) + b"\0" * 4 + b"\0" * 200_000_000, 9))


def _nifti(path: Path, shape: tuple[int, ...], dtype: type = np.uint8) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, dtype=dtype), AFFINE), path)


def _pages(path: Path) -> None:
    pages = [Image.fromarray(picture(number)[0]) for number in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def _transparent(path: Path) -> None:
    Image.fromarray(np.zeros((12, 17, 4), dtype=np.uint8)).save(path)


FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "other size": (lambda d: save(d / "d.png", picture(0)[0][:, :9]), r"d.png: 12 x 9 pixels, but .*a.png has 12 x 17"),
    "no image": (lambda d: (d / "d.png").write_text("hello"), "d.png: the picture is damaged"),
    "empty": (lambda d: (d / "d.png").write_bytes(b""), "d.png: the picture is damaged"),
    "cut": (lambda d: (d / "d.png").write_bytes((d / "a.png").read_bytes()[:-30]), "d.png: .* damaged"),
    "text": (lambda d: (d / "notes.txt").write_text("x"), "notes.txt is neither a picture nor NIfTI by its ending"),
    "bomb": (lambda d: _bomb(d / "d.png"), "d.png: a picture of more than 89478485 pixels"),
    "gzip bomb": (
        lambda d: _gzip_bomb(d / "d.nii.gz"),
        "d.nii.gz: the compressed data go on after the 16000352 bytes",
    ),
    "huge": (lambda d: _nifti(d / "d.nii.gz", (5000, 3, 1)), r"d.nii.gz: an image of 5000 x 3 x 1; 4096 on a side"),
    "volume": (
        lambda d: _nifti(d / "d.nii.gz", (5, 4, 3)),
        r"d.nii.gz: a volume of 5 x 4 x 3 x 1; give each slice its",
    ),
    "pages": (lambda d: _pages(d / "d.tif"), "d.tif: a file of 2 pages; give each its own file"),
    "transparent": (lambda d: _transparent(d / "d.png"), "204 of 204 pixels are transparent"),
    "link out": (lambda d: (d / "d.png").symlink_to("/etc/hostname"), "d.png: a link that leads out of"),
    "link in": (lambda d: (d / "d.png").symlink_to(d / "a.png"), "d.png: a link to what the archive holds"),
    "dangling": (lambda d: (d / "d.png").symlink_to(d / "gone.png"), "d.png: a link to a file that is not there"),
    "twice": (lambda d: save(d / "a.bmp", picture(0)[0]), "a.bmp and a.png differ in their endings only"),
    "newline": (lambda d: (d / "new\nline.png").write_text("x"), r"new\\nline.png: the picture is damaged"),
    "mixed": (lambda d: save(d / "class" / "d.png", picture(0)[0]), "a.png lies in no sub-folder, but others do"),
    "float": (
        lambda d: nibabel.save(nibabel.Nifti1Image(np.full((17, 12, 1), np.nan), AFFINE), d / "d.nii"),
        "d.nii: the image holds values that are no numbers",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_an_unfit_file_among_images_ends_in_one_sentence(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path)
    change, says = FOLDERS[name]
    change(folder)
    with pytest.raises(RadgenError, match=says) as raised:
        run(pictures=folder, name="other", out=tmp_path / "set")
    assert "\n" not in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


MASKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda d: (d / "b.png").unlink(), "no mask b for the image of that name"),
    "too many": (lambda d: save(d / "z.png", painted(0)), "mask z has no image of that name"),
    "other size": (
        lambda d: save(d / "b.png", painted(0)[:, :9]),
        "b.png: the mask is 12 x 9, but its image is 12 x 17; masks are never resized",
    ),
    "colours": (lambda d: save(d / "b.png", picture(1, 3).transpose(1, 2, 0)), "b.png: a label map in colours"),
    "label": (lambda d: save(d / "b.png", painted(0) + 1), "b.png: holds label 3, but --structures names 2"),
    "jpeg": (
        lambda d: ((d / "b.png").unlink(), save(d / "b.jpg", painted(0))),
        "b.jpg: a JPEG file holds no exact label ids",
    ),
    "fractions": (
        lambda d: (
            (d / "b.png").unlink(),
            nibabel.save(nibabel.Nifti1Image(np.full((17, 12, 1), 0.5), AFFINE), d / "b.nii"),
        ),
        "b.nii: label values from 0.5 to 0.5; masks hold whole numbers",
    ),
    "damaged": (lambda d: (d / "b.png").write_bytes(b"x"), "b.png: the picture is damaged"),
}


@pytest.mark.parametrize("name", MASKS)
def test_an_unfit_mask_ends_in_one_sentence(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path)
    for number, stem in enumerate("abc"):
        save(tmp_path / "masks" / f"{stem}.png", painted(number))
    change, says = MASKS[name]
    change(tmp_path / "masks")
    with pytest.raises(RadgenError, match=says):
        run(pictures=folder, masks=tmp_path / "masks", name="other", out=tmp_path / "set", structures=("one", "two"))
    assert not (tmp_path / "set").exists()


def test_unnamed_labels_must_have_no_gap(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    for number, stem in enumerate("abc"):
        save(tmp_path / "masks" / f"{stem}.png", painted(number) * 2)
    with pytest.raises(RadgenError, match="masks hold labels up to 4, but none holds 1; name all of them"):
        run(pictures=folder, masks=tmp_path / "masks", name="other", out=tmp_path / "set")


def test_masks_inside_the_folder_of_images_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "masks").mkdir()
    with pytest.raises(RadgenError, match=r"masks lie inside .*, so they would be images too"):
        run(pictures=folder, masks=folder / "masks", name="other", out=tmp_path / "set")


@pytest.mark.parametrize("to", ["png", "nifti"])
def test_exported_real_images_do_not_come_back_as_synthetic(tmp_path: Path, to: str) -> None:
    export(ExportSet(write_slices(tmp_path / "real", 1)), to, tmp_path / "out", Options("toy"), real=True)
    with pytest.raises(RadgenError, match="the file says of itself that it shows a patient; only synthetic ones enter"):
        run(pictures=tmp_path / "out" / "images", name="other", out=tmp_path / "set")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"window": (1.0,)}, "--window 1: give two values, the lower"),
        ({"window": (2.0, 1.0)}, "--window 2 1: give two values, the lower"),
        ({"structures": ("liver",)}, "--structures liver: give --masks too"),
        ({"channels": "five"}, "--channels five: give one of auto, grey, colour"),
        ({"name": "Ünsafe/.."}, "--name 'Ünsafe/..': give small letters"),
        ({"class_names": ("a", "a")}, "--class-names a a: a name occurs twice"),
    ],
)
def test_impossible_options_are_refused(tmp_path: Path, given: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        run(**({"pictures": folder_of(tmp_path), "name": "other", "out": tmp_path / "set"} | given))  # type: ignore[arg-type]


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(RadgenError, match="images: no image in it; name the folder of the images"):
        run(pictures=tmp_path / "images", name="other", out=tmp_path / "set")
    with pytest.raises(RadgenError, match="gone: no such folder"):
        run(pictures=tmp_path / "gone", name="other", out=tmp_path / "set")
