"""Pictures: every pixel as it is stored, or a refusal that says why not."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort import pictures
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.refusal import Reason, RefusalError
from radgen.cohort.scan import scan_file
from radgen.imaging.colour import grey_of, luminance
from radgen.imaging.volume import canonical
from tests.cohort.toys import picture, write_picture

GREY16 = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1800
COLOUR = np.random.default_rng(4).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def refusal_of(path: Path) -> tuple[Reason, str]:
    scanned = scan_file(path.parent, path.name, "")
    assert scanned.refusal is not None
    return scanned.refusal[0], scanned.refusal[1]


def read(path: Path) -> NDArray[Any]:
    """The only page of a picture, whose size the header must have told."""
    header = scan_file(path.parent, path.name, "").header
    assert isinstance(header, VolumeHeader)
    volume = pictures.read_volume(path)
    assert header.size == (volume.array.shape[:3], None)
    np.testing.assert_array_equal(canonical(volume)[0].array, volume.array)
    return volume.array[0]


def png(depth: int, kind: int, rows: list[bytes], extra: bytes = b"") -> bytes:
    """A PNG file of 8 columns put together by hand: what Pillow reads but does not write."""
    size = struct.pack(">IIBBBBB", 8, len(rows), depth, kind, 0, 0, 0)
    parts = (part(b"IHDR", size), extra, part(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + part(b"IEND", b"")


def part(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("pixels", [picture(3), COLOUR], ids=["grey", "colour"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str, pixels: NDArray[np.uint8]) -> None:
    found = read(write_picture(tmp_path / f"a.{suffix}", pixels))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize(
    ("dtype", "order", "expected"),
    [("u1", "<", "u1"), ("u2", "<", "u2"), ("u2", ">", "u2"), ("f4", ">", "f4"), ("i4", "<", "u2"), ("i2", ">", "u2")],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_files_of_every_order_and_width(
    tmp_path: Path, dtype: str, order: Any, expected: str, compression: str | None
) -> None:
    pixels = (GREY16 // 300).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order, compression=compression)
    if compression and order == ">" and dtype != "u2":
        assert "compressed big-endian TIFF" in refusal_of(tmp_path / "a.tif")[1]
        return
    found = read(tmp_path / "a.tif")
    assert found.dtype == np.dtype(expected)
    np.testing.assert_array_equal(found, pixels)


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    found = read(write_picture(tmp_path / "a.png", GREY16))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, GREY16)


def test_luminance_is_that_of_pillow_and_leaves_grey_as_it_is() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    np.testing.assert_array_equal(luminance(colours), np.asarray(Image.fromarray(colours).convert("L")))
    greys = np.repeat(np.arange(65536, dtype=np.uint16)[:, np.newaxis], 3, axis=1)
    np.testing.assert_array_equal(luminance(greys), greys[:, 0])
    np.testing.assert_array_equal(grey_of(colours[np.newaxis])[0], luminance(colours))


def test_palettes_show_their_colours_and_greys(tmp_path: Path) -> None:
    indices = picture(1) % 4
    palette = Image.fromarray(indices, mode="P")
    colours = np.array([[0, 0, 0], [200, 0, 0], [0, 90, 0], [1, 2, 3]], dtype=np.uint8)
    palette.putpalette(colours.ravel().tolist())
    palette.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png"), colours[indices])
    palette.putpalette(np.repeat([[9], [3], [250], [77]], 3, axis=1).ravel().tolist())
    palette.save(tmp_path / "b.png")
    np.testing.assert_array_equal(read(tmp_path / "b.png"), np.array([9, 3, 250, 77])[indices])
    np.testing.assert_array_equal(pictures.read_stored(tmp_path / "a.png"), indices)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_dropped_only_where_nothing_is_transparent(tmp_path: Path, mode: str) -> None:
    whole = Image.fromarray(COLOUR).convert(mode)
    whole.save(tmp_path / "a.png", **({"transparency": 256 - 1} if mode == "P" else {}))
    expected = {"RGBA": COLOUR, "LA": luminance(COLOUR), "P": np.asarray(whole.convert("RGB"))}[mode]
    np.testing.assert_array_equal(read(tmp_path / "a.png"), expected)
    clear = whole.convert("RGBA") if mode == "P" else whole.copy()
    clear.putalpha(Image.fromarray(np.where(np.arange(35).reshape(5, 7) < 3, 7, 255).astype(np.uint8)))
    clear.save(tmp_path / "b.png")
    with pytest.raises(RefusalError, match="3 of 35 pixels are transparent"):
        pictures.read_volume(tmp_path / "b.png")


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_an_orientation_tag_is_obeyed_exactly(tmp_path: Path, turn: int, suffix: str) -> None:
    tag = Image.Exif()
    tag[pictures.ORIENTATION] = turn
    flat = np.repeat(np.repeat(picture(2, 3)[:, :2], 16, axis=0), 16, axis=1)  # blocks, which JPEG hardly changes
    Image.fromarray(flat).save(tmp_path / f"a.{suffix}", exif=tag, **({"quality": 100} if suffix == "jpg" else {}))
    turned = {
        1: flat, 2: flat[:, ::-1], 3: flat[::-1, ::-1], 4: flat[::-1], 5: flat.T, 6: flat[::-1].T,
        7: flat[::-1, ::-1].T, 8: flat[:, ::-1].T,
    }[turn]  # fmt: skip
    if suffix == "tif" and turn > 4:
        assert f"stored sideways (orientation {turn})" in refusal_of(tmp_path / "a.tif")[1]
        return
    np.testing.assert_allclose(read(tmp_path / f"a.{suffix}").astype(int), turned, atol=2 if suffix == "jpg" else 0)


def test_an_orientation_behind_the_pixels_is_seen_in_the_header(tmp_path: Path) -> None:
    tag = Image.Exif()
    tag[pictures.ORIENTATION] = 6
    data = png(8, 0, [bytes(range(8)), bytes(8)])
    (tmp_path / "a.png").write_bytes(data[:-12] + part(b"eXIf", tag.tobytes()[6:]) + data[-12:])
    assert read(tmp_path / "a.png").shape == (8, 2)


def test_the_pages_of_a_tiff_file_are_its_slices(tmp_path: Path) -> None:
    pages = np.stack([picture(number) for number in range(4)])
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    header = scan_file(tmp_path, "a.tif", "").header
    assert isinstance(header, VolumeHeader)
    assert header.size == ((4, 20, 20), None)
    np.testing.assert_array_equal(pictures.read_volume(tmp_path / "a.tif").array, pages)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(pages[0])
        file.write(pages[0, :10])
    reason, text = refusal_of(tmp_path / "b.tif")
    assert reason == Reason.MIXED_SIZE
    assert "page 2 of 2 has 10x20 pixels (L) and the first 20x20 (L)" in text


def test_pictures_that_would_be_changed_are_refused(tmp_path: Path) -> None:
    deep = np.arange(105, dtype=np.uint16).reshape(5, 7, 3)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    tifffile.imwrite(
        tmp_path / "planes.tif", np.moveaxis(deep, 2, 0).copy(), photometric="rgb", planarconfig="separate"
    )
    (tmp_path / "deep.png").write_bytes(png(16, 2, [bytes(48)] * 2))
    (tmp_path / "veiled.png").write_bytes(png(16, 4, [bytes(32)] * 2))
    for name in ("deep.tif", "planes.tif", "deep.png", "veiled.png"):
        reason, text = refusal_of(tmp_path / name)
        assert reason == Reason.COLOUR, name
        assert "more than 8 bits per channel" in text
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "print.jpg")
    assert "colours stored as CMYK" in refusal_of(tmp_path / "print.jpg")[1]
    tifffile.imwrite(tmp_path / "signed.tif", np.zeros((4, 4), np.int8))
    assert "a TIFF file of 8 bits (sample format 2)" in refusal_of(tmp_path / "signed.tif")[1]
    tifffile.imwrite(tmp_path / "below.tif", np.array([[-3, 70000]], np.int32))
    with pytest.raises(RefusalError, match="grey values from -3 to 70000"):
        pictures.read_volume(tmp_path / "below.tif")
    frames = [Image.fromarray(picture(number)) for number in range(3)]
    frames[0].save(tmp_path / "moving.png", save_all=True, append_images=frames[1:])
    assert "an animation of 3 pictures" in refusal_of(tmp_path / "moving.png")[1]


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path) -> None:
    for side in (9_500, 30_000):
        data = png(8, 0, [bytes(8)]).replace(struct.pack(">II", 8, 1), struct.pack(">II", side, side))
        size = data.index(b"IHDR")
        checked = data[: size + 17] + struct.pack(">I", zlib.crc32(data[size : size + 17])) + data[size + 21 :]
        (tmp_path / "a.png").write_bytes(checked)
        reason, text = refusal_of(tmp_path / "a.png")
        assert reason == Reason.TOO_LARGE
        assert str(pictures.MAX_PIXELS) in text


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_picture_is_noticed(tmp_path: Path, suffix: str) -> None:
    path = write_picture(tmp_path / f"a.{suffix}", picture(1, 64))
    assert scan_file(tmp_path, path.name, "").refusal is None
    path.write_bytes(path.read_bytes()[:-300])
    assert refusal_of(path)[0] == Reason.TRUNCATED


def test_a_flipped_bit_of_a_png_file_never_gives_other_pixels(tmp_path: Path) -> None:
    whole = write_picture(tmp_path / "a.png", picture(5, 64)).read_bytes()
    for bit in np.random.default_rng(6).integers(8 * 8, 8 * len(whole), 80).tolist():
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        (tmp_path / "b.png").write_bytes(data)
        try:
            np.testing.assert_array_equal(pictures.read_volume(tmp_path / "b.png").array[0], picture(5, 64))
        except RefusalError:
            continue
