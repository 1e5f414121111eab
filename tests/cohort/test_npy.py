"""NumPy files: the numbers as they are stored, and nothing executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radgen.cohort import npy
from radgen.cohort.headers import VolumeHeader
from radgen.cohort.readers import read_series
from radgen.cohort.refusal import Reason
from radgen.cohort.scan import scan_file
from radgen.imaging.volume import canonical
from tests.cohort.toys import inventory_of


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["u1", "i1", "u2", "i2", "i4", "u8", "f2", "f4", "f8"]),
    st.sampled_from("<>"),
    st.sampled_from("CF"),
)
def test_what_is_written_is_read(tmp_path: Path, kind: str, byte_order: str, order: Any) -> None:
    values = np.random.default_rng(0).integers(0, 99, (3, 4, 5)).astype(byte_order + kind, order=order)
    np.save(tmp_path / "a.npy", values)
    header = scan_file(tmp_path, "a.npy", "").header
    assert isinstance(header, VolumeHeader)
    assert (header.format, header.size) == ("npy", ((3, 4, 5), None))
    volume = read_series({"format": "npy", "file_ids": ["a"], "repeat": 0}, {"a": tmp_path / "a.npy"})
    assert volume.array.dtype == np.dtype("f4" if kind.startswith("f") else kind)
    np.testing.assert_array_equal(volume.array, values)
    np.testing.assert_array_equal(canonical(volume)[0].array, values)


def test_colours_are_a_last_axis_of_three(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_array_equal(npy.read_volume(tmp_path / "a.npy").array, values)


class Trap:
    """Would leave a trace if it were unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    trap = np.empty((1, 1, 1), dtype=object)
    trap[0, 0, 0] = Trap(tmp_path / "trace")
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap(tmp_path / "trace")))
    for name in ("a.npy", "b.npy"):
        assert scan_file(tmp_path, name, "").refusal is not None
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("old", "new", "reason", "words"),
    [
        ("(3, 4, 5), ", "(3, 4, 500000000000), ", Reason.TRUNCATED, "bytes where 12000000000128 are promised"),
        ("(3, 4, 5), ", "(3, 20), ", Reason.UNDECODABLE, "shape (3, 20)"),
        ("(3, 4, 5), ", "(-3, 4, -5), ", Reason.UNDECODABLE, "shape (-3, 4, -5)"),
        ("'<i2'", "'<c8'", Reason.UNDECODABLE, "a NumPy array of complex64"),
        ("'<i2'", "'|O'", Reason.UNDECODABLE, "a NumPy array of object"),
        ("'<i2'", "exit()", Reason.FOREIGN, "not a NumPy array (ValueError)"),
    ],
)
def test_headers_that_are_refused(tmp_path: Path, old: str, new: str, reason: Reason, words: str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 4, 5), np.int16))
    data = path.read_bytes()
    changed = data[10:128].decode().rstrip().replace(old, new).ljust(117) + "\n"
    path.write_bytes(data[:10] + changed.encode() + data[128:])
    assert scan_file(tmp_path, "a.npy", "").refusal is not None
    found = scan_file(tmp_path, "a.npy", "").refusal
    assert found is not None
    assert found[0] == reason
    assert words in found[1]


def test_a_truncated_array_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 4, 5)))
    path.write_bytes(path.read_bytes()[:-1])
    found = scan_file(tmp_path, "a.npy", "").refusal
    assert found is not None
    assert found[0] == Reason.TRUNCATED


def test_arrays_are_series_without_millimetres(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        (tmp_path / patient).mkdir()
        np.save(tmp_path / patient / "knee.npy", np.zeros((3, 4, 5), np.uint8))
    rows = inventory_of(tmp_path, patient_from="regex", patient_regex="(p.)", modality="MR").index
    assert [(row["format"], row["n_slices"], row["spacing_slice_mm"]) for row in rows] == [("npy", 3, None)] * 2
