"""Zip archives of masks are read, and hostile, damaged and nested ones are refused before they can do harm."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radgen.annotation import archive
from radgen.annotation.archive import unpacked
from radgen.annotation.check import collect, gather
from radgen.annotation.pack import read_pack
from radgen.errors import AnnotationError
from tests.annotation.toys import make_pack, toy_mask

NAME = "main_normal_000001"


def png() -> bytes:
    stream = BytesIO()
    Image.fromarray(toy_mask()).save(stream, "PNG")
    return stream.getvalue()


def packed(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_masks_in_an_archive_come_back(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path / "pack"))
    members = {
        f"export/{NAME}.png": png(),
        "export/": b"",
        f"__MACOSX/export/._{NAME}.png": b"x",
        f"SegmentationObject/{NAME}.png": b"objects, not labels",
        "labelmap.txt": b"x",
    }
    packed(tmp_path / "pack" / "masks" / "export.zip", **members)
    assert np.array_equal(collect(pack.folder, pack).masks[NAME], toy_mask())


def test_one_bad_member_is_named_with_its_archive(tmp_path: Path) -> None:
    pack = read_pack(make_pack(tmp_path / "pack"))
    members = {f"{NAME}.png": png(), "somebody.png": png(), "main_normal_000002.png": png()[:60]}
    packed(pack.folder / "masks" / "export.zip", **members)
    found = gather(pack.folder, pack, "label")
    assert [item.image_id for item in found.painted] == [NAME]
    assert found.problems[0].startswith("export.zip: main_normal_000002.png: not a readable PNG")
    assert found.problems[1].startswith("export.zip: somebody.png: no image of this pack is called somebody")


def _escaping(path: Path) -> None:
    packed(path, **{"../../evil.png": png()})


def _absolute(path: Path) -> None:
    packed(path, **{"/tmp/evil.png": png()})  # noqa: S108 - that is the attack


def _backslash(path: Path) -> None:
    packed(path, **{"a\\..\\evil.png": png()})


def _drive(path: Path) -> None:
    packed(path, **{"C:evil.png": png()})


def _link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        member = zipfile.ZipInfo(f"{NAME}.png")
        member.create_system = 3
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(member, "/etc/passwd")


def _twice(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.png", png())
        file.writestr("A.png", png())


def _bomb(path: Path) -> None:
    packed(path, **{f"{NAME}.nii": bytes(40 << 20)})


def _nested(path: Path) -> None:
    packed(path, **{"more.zip": png()})


def _nested_in_disguise(path: Path) -> None:
    inner = packed(path.parent.parent / "inner", **{"a.png": png()})
    packed(path, **{f"{NAME}.png": inner.read_bytes()})


def _encrypted(path: Path) -> None:
    packed(path, **{f"{NAME}.png": png()})
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 8
    data[at : at + 2] = struct.pack("<H", 1)
    path.write_bytes(data)


def _half_written(path: Path) -> None:
    packed(path, **{f"{NAME}.png": png()})
    path.write_bytes(path.read_bytes()[:-40])


def _flipped(path: Path) -> None:
    packed(path, **{f"{NAME}.png": png()})
    data = bytearray(path.read_bytes())
    data[30 + len(f"{NAME}.png") + 50] ^= 0xFF
    path.write_bytes(data)


def _file_below_a_file(path: Path) -> None:
    packed(path, **{"a.png": png(), "a.png/b.png": png()})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_escaping, r"'../../evil.png' leads out of the archive or is no plain name; pack the folder"),
        (_absolute, r"'/tmp/evil.png' leads out of the archive"),
        (_backslash, r"leads out of the archive"),
        (_drive, r"'C:evil.png' leads out of the archive"),
        (_link, r"is a link or a device, not a file; pack plain files"),
        (_twice, r"holds 'A.png' twice; which one is meant is unknown"),
        (_bomb, r"unpacks to 41943040 bytes from \d+, more than 200 times; no masks are packed so"),
        (_nested, r"'more.zip' is an archive in an archive; unpack it first"),
        (_nested_in_disguise, r"is an archive in an archive; unpack it first"),
        (_encrypted, r"is encrypted; pack it without a password"),
        (_half_written, r"not a whole zip archive \(.*\); if it is still being copied, wait, else save it again"),
        (_flipped, r"not a whole zip archive|cannot be unpacked"),
        (_file_below_a_file, r"'a.png/b.png' cannot be unpacked"),
        (lambda path: packed(path, **{"notes.txt": b"x"}), r"holds no masks in a format that is read"),
    ],
)
def test_hostile_and_damaged_archives_are_refused(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    pack = read_pack(make_pack(tmp_path / "pack"))
    before = sorted(tmp_path.rglob("*"))
    make(pack.folder / "masks" / "export.zip")
    with pytest.raises(AnnotationError, match=rf"1 of 1 masks cannot be used: export.zip: .*({message})"):
        collect(pack.folder, pack)
    made = {path.name for path in set(tmp_path.rglob("*")) - set(before)}
    assert made <= {"export.zip", "inner"}


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("MOST_MEMBERS", r"holds 3 files, more than the 2 that"),
        ("MOST_BYTES", r"unpacks to \d+ bytes, more than the 2"),
    ],
)
def test_large_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str) -> None:
    monkeypatch.setattr(archive, limit, 2)
    path = packed(tmp_path / "a.zip", **{f"{number}.png": png() for number in range(3)})
    with pytest.raises(AnnotationError, match=message), unpacked(path):
        pass


def test_what_was_unpacked_is_gone_afterwards(tmp_path: Path) -> None:
    with unpacked(packed(tmp_path / "a.zip", **{"b/c.png": png()})) as folder:
        assert (folder / "b" / "c.png").read_bytes() == png()
    assert not folder.exists()


def test_lies_about_sizes_are_noticed(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", **{"a.png": bytes(1 << 20)})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=r"a\.zip: not a whole zip archive"), unpacked(path):
        pass
