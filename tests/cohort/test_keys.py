"""The patient key: private archives need one, it is recognised by its fingerprint, and a changed one stops the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from radgen.cohort.keys import fingerprint, hashed_id, load_key, patient_key, remember_fingerprint
from radgen.errors import PatientKeyError


def test_pseudonyms_depend_on_key_kind_and_name() -> None:
    names = {patient_key(key, name) for key in (b"one", b"two") for name in ("a", "b")}
    names |= {hashed_id(key, kind, "a") for key in (b"one", b"two") for kind in ("study", "series", "file")}
    assert len(names) == 10
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names)
    assert re.fullmatch("[0-9a-f]{12}", fingerprint(b"one"))


def test_a_private_archive_needs_a_key_and_is_told_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RADGEN_PATIENT_KEY", raising=False)
    with pytest.raises(PatientKeyError, match=r"no patient key.*head -c 32 /dev/urandom"):
        load_key(None, None)


def test_keys_are_read_without_their_newline(tmp_path: Path) -> None:
    path = tmp_path / "patient.key"
    path.write_bytes(b"0123456789abcdef\n")
    assert load_key(None, path) == b"0123456789abcdef"
    assert load_key("public", None) == b"public"


def test_two_keys_short_keys_and_lost_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "patient.key"
    with pytest.raises(PatientKeyError, match=r"patient\.key: the patient key cannot be read \(No such file"):
        load_key(None, path)
    path.write_bytes(b"short")
    with pytest.raises(PatientKeyError, match="needs 16 bytes and this one has 5"):
        load_key(None, path)
    with pytest.raises(PatientKeyError, match="both given"):
        load_key("public", path)


def test_a_changed_key_stops_the_run_and_names_both_fingerprints(tmp_path: Path) -> None:
    one, two = fingerprint(b"one"), fingerprint(b"two")
    remember_fingerprint((tmp_path,), one)
    remember_fingerprint((tmp_path,), one, one)
    with pytest.raises(PatientKeyError, match=rf"fingerprint {two} now, {one} remembered"):
        remember_fingerprint((tmp_path,), two)
    with pytest.raises(PatientKeyError, match=rf"fingerprint {one} now, {two} configured"):
        remember_fingerprint((tmp_path,), one, two)


def test_a_fingerprint_outlives_either_folder(tmp_path: Path) -> None:
    folders = (tmp_path / "private", tmp_path / "work")
    one, two = fingerprint(b"one"), fingerprint(b"two")
    for lost in folders:
        remember_fingerprint(folders, one)
        (lost / "patient-key.json").unlink()
        with pytest.raises(PatientKeyError, match=rf"{one} remembered.* deleting .*private/.* and .*work/patient-key"):
            remember_fingerprint(folders, two)
    for folder in folders:
        (folder / "patient-key.json").unlink(missing_ok=True)
    remember_fingerprint(folders, two)


def test_a_key_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADGEN_PATIENT_KEY", "0123456789abcdef\n")
    assert load_key(None, None) == b"0123456789abcdef"
    assert load_key("public", None) == b"public"
    path = tmp_path / "patient.key"
    path.write_bytes(b"fedcba9876543210")
    assert load_key(None, path) == b"fedcba9876543210"
    monkeypatch.setenv("RADGEN_PATIENT_KEY", "short")
    with pytest.raises(PatientKeyError, match="RADGEN_PATIENT_KEY: a patient key needs 16 bytes and this one has 5"):
        load_key(None, None)
