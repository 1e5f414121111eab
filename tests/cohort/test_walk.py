"""An archive's tree is never trusted: nothing outside is read, nothing inside is read twice, nothing odd is opened."""

from __future__ import annotations

import os
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from radgen.cohort import scan
from radgen.cohort.scan import scan_file
from radgen.cohort.walk import walk
from tests.cohort.toys import inventory_of, reasons_by_path, stored_volume, write_nifti, write_picture, write_series


def refused(archive: Path) -> dict[str, str]:
    return {item.path: str(item.refusal[0]) for item in walk(archive) if item.refusal is not None}


def test_links_are_never_followed_out_and_what_is_inside_is_read_once(tmp_path: Path) -> None:
    archive, other = tmp_path / "archive", tmp_path / "other"
    write_series(archive / "a", stored_volume(), series="mine")
    write_series(other / "b", stored_volume(3), series="not mine")
    (archive / "a" / "loop").symlink_to(archive)
    (archive / "again").symlink_to("a/0.bin")
    (archive / "out").symlink_to(other, target_is_directory=True)
    (archive / "hop").symlink_to(archive / "out")
    (archive / "file").symlink_to(other / "b" / "0.bin")
    (archive / "gone").symlink_to("nothing")
    (archive / "self").symlink_to("self")
    found = inventory_of(archive)
    assert [row["n_slices"] for row in found.index] == [4]
    reasons = reasons_by_path(found)
    assert reasons == {
        "a/loop": "duplicate",
        "again": "duplicate",
        "out": "outside-link",
        "hop": "outside-link",
        "file": "outside-link",
        "gone": "unreadable",
        "self": "unreadable",
    }
    assert {row["reason"] for row in found.rejects if row["refused"]} == {"outside-link", "unreadable"}


def test_an_archive_may_itself_be_named_by_a_link(tmp_path: Path) -> None:
    write_series(tmp_path / "archive", stored_volume())
    (tmp_path / "link").symlink_to("archive")
    assert len(inventory_of(tmp_path / "link").index) == 1


def test_links_into_a_hidden_store_are_the_files_own_place(tmp_path: Path) -> None:
    write_nifti(tmp_path / ".git" / "annex" / "x.nii", stored_volume())
    (tmp_path / "sub-1.nii").symlink_to(".git/annex/x.nii")
    (tmp_path / "sub-2.nii").symlink_to(".git/annex/x.nii")
    assert refused(tmp_path) == {"sub-2.nii": "duplicate"}
    assert scan_file(tmp_path, "sub-1.nii", "").refusal is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume())
    os.mkfifo(tmp_path / "pipe.dcm")
    with socket.socket(socket.AF_UNIX) as server, inside(tmp_path):
        server.bind("socket.dcm")
        found = inventory_of(tmp_path)
    assert reasons_by_path(found) == {"pipe.dcm": "foreign", "socket.dcm": "foreign"}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def test_a_tree_deeper_than_the_stack_is_walked(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume())
    with inside(tmp_path):
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        write_picture(Path("p.png"), np.zeros((4, 4), np.uint8))
        for _ in range(1500):
            os.chdir("..")
        found = inventory_of(tmp_path)
        reasons = reasons_by_path(found)
        # Deleting without recursion either.
        for _ in range(1500):
            os.chdir("d")
        (Path("p.png")).unlink()
        for _ in range(1500):
            os.chdir("..")
            Path("d").rmdir()
    assert len(found.index) == 1
    assert set(reasons.values()) <= {"unreadable", "side-file"}
    assert len(reasons) == 1


def test_a_locked_folder_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "a", stored_volume())
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def deny(folder: str) -> object:
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", deny)
    found = inventory_of(tmp_path)
    assert reasons_by_path(found) == {"locked": "unreadable"}
    assert found.rejects[0]["sentence"] == "the folder cannot be read (Permission denied); what it holds is not used"


def test_names_hold_anything_but_bytes_that_are_no_text(tmp_path: Path) -> None:
    for name in ("two\nlines", "\x1b[31mred", "tab\t", "\u202etfel", "'; DROP TABLE", "%s{0}$HOME", "-rf"):
        write_series(tmp_path / name, stored_volume(2), series=name, PatientID=name.encode().hex()[:20])
    latin = tmp_path / os.fsdecode(b"M\xfcller")
    latin.mkdir()
    (latin / "scan.nii").write_bytes(b"x")
    found = inventory_of(tmp_path)
    assert len(found.index) == 7
    assert reasons_by_path(found) == {"M\\xfcller/scan.nii": "unreadable"}
    assert "rename" in found.rejects[0]["sentence"]


def test_packed_archives_are_set_aside_unopened(tmp_path: Path) -> None:
    write_series(tmp_path / "a", stored_volume())
    inner = tmp_path / "a" / "0.bin"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.write(inner, "../../escape.dcm")
    for name, mode in (("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tbz", "w:bz2"), ("x.txz", "w:xz")):
        with tarfile.open(tmp_path / name, mode) as tar:  # type: ignore[call-overload]
            tar.add(inner, "../../escape.dcm")
    found = inventory_of(tmp_path)
    assert len(found.index) == 1
    assert set(reasons_by_path(found).values()) == {"packed"}
    assert len(found.rejects) == 5
    assert not any(row["refused"] for row in found.rejects)


def test_a_header_that_promises_too_much_is_refused_unread(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", stored_volume(4, 6, 5))
    write_series(tmp_path / "b", stored_volume(1, 6, 5))
    write_picture(tmp_path / "c.png", np.zeros((6, 5), np.uint8))
    for name, voxels in (("a.nii", 120), ("b/0.bin", 30), ("c.png", 30)):
        assert scan_file(tmp_path, name, "", voxels).refusal is None
        refusal = scan_file(tmp_path, name, "", voxels - 1).refusal
        assert refusal is not None
        assert refusal[0] == "too-large"
        assert f"promises {voxels} voxels where {voxels - 1} are the most" in refusal[1]
    found = inventory_of(tmp_path, max_gigavoxels=100e-9, patient_from="tag")
    assert reasons_by_path(found)["a.nii"] == "too-large"


def test_rows_do_not_depend_on_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        write_series(tmp_path / str(number), stored_volume(2), series=str(number))
    (tmp_path / "out").symlink_to("/")
    alone = scan.scan_archive(tmp_path, "", 1)
    monkeypatch.setattr(scan, "FILES_PER_TASK", 1)
    assert scan.scan_archive(tmp_path, "", 2) == alone


def test_one_damaged_slice_costs_itself_and_its_row_is_blamed(tmp_path: Path) -> None:
    """Without its first slice a series is three slices; a gap in its middle is a fault of geometry, by policy."""
    edge = write_series(tmp_path / "edge", stored_volume(), series="edge")
    middle = write_series(tmp_path / "middle", stored_volume(), series="middle")
    for path in (edge[0], middle[1]):
        path.write_bytes(path.read_bytes()[:-20])
    found = inventory_of(tmp_path)
    reasons = reasons_by_path(found)
    assert [row["n_slices"] for row in found.index] == [3]
    assert {path: reason for path, reason in reasons.items() if reason == "truncated"} == {
        "edge/0.bin": "truncated",
        "middle/1.bin": "truncated",
    }
    assert set(reasons) == {"edge/0.bin", *(f"middle/{number}.bin" for number in range(4))}
