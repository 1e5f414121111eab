"""Read a mutant as production does, and judge what came of it; the rules are in the package's docstring."""

from __future__ import annotations

import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings, Roots
from radgen.cohort.inventory import look_through
from radgen.cohort.readers import read_mask, read_series
from radgen.cohort.refusal import RefusalError
from radgen.cohort.settings import InventorySettings
from radgen.errors import InputError
from tests.fuzz.seeds import ALL, FORMATS, STRUCTURES, Format


@dataclass(frozen=True, eq=False)
class Reading:
    """What came of a file: a volume, a refusal, or an exception that should not be."""

    array: NDArray[Any] | None = None
    affine: NDArray[np.float64] | None = None
    refused: str = ""
    raised: str = ""


def read_file(name: str, data: bytes, *, scan_only: bool = False) -> Reading:
    """Put changed bytes in the place of the good file, and read the archive."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = FORMATS[name].make(Path(folder))
        path.write_bytes(data)
        try:
            return _read(Path(folder), path, is_mask=FORMATS[name].mask, scan_only=scan_only)
        except (RefusalError, OSError) as error:
            return Reading(refused=f"{getattr(error, 'reason', 'unreadable')}: {error}")
        except InputError as error:
            is_label = FORMATS[name].mask and "unknown labels" in str(error)
            return Reading(refused=f"label: {error}") if is_label else Reading(raised=traceback.format_exc())
        except Exception:  # noqa: BLE001 - the finding
            return Reading(raised=traceback.format_exc())


def _read(folder: Path, path: Path, *, is_mask: bool, scan_only: bool) -> Reading:
    roots = Roots({"": folder})
    files, candidates, refused = look_through(roots, InventorySettings(), {"": ArchiveSettings()})
    mine = [item for item in refused if item.path == path.name]
    if mine:
        assert mine[0].sentence, "a refusal without a sentence"
        return Reading(refused=f"{mine[0].reason}: {mine[0].sentence}")
    assert len(files) == len(list(folder.iterdir())), "a file without a trace"
    users = [item for item in candidates if path.name in (item.masks if is_mask else item.paths)]
    if scan_only:
        return Reading()
    if is_mask and any(path.name in item.paths for item in candidates):
        return Reading(refused="image: the changed file says that it is no mask")
    assert len(users) == 1, f"{len(users)} series use the file, which is not refused"
    candidate = users[0]
    paths = {name: folder / name for name in (*candidate.paths, *candidate.masks)}
    row = {
        "format": candidate.format,
        "file_ids": list(candidate.paths),
        "repeat": candidate.repeat,
        "mask_ids": list(candidate.masks),
        "mask_kind": candidate.mask_kind,
        "mask_labels": [],
    }
    volume = read_series(row, paths)
    if is_mask:
        mask = read_mask(row, paths, STRUCTURES, volume)
        assert mask is not None
        volume = mask
    return Reading(np.ascontiguousarray(volume.array), volume.affine)


def judge(form: Format, good: bytes, changed: bytes, expected: Reading, found: Reading, *, overwritten: bool) -> str:
    """Return what is wrong with how a mutant was read; empty where nothing is."""
    if found.raised:
        return f"raised {found.raised}"
    if found.refused:
        return ""
    differing = _differences(expected, found)
    if not differing:
        return ""
    said = explained(form, good, changed)
    if not differing <= said:
        return f"silently other {', '.join(sorted(differing - said))}"
    start = form.header_end(good)
    body_only = form.raw and overwritten and good[:start] == changed[:start]
    if body_only and expected.array is not None and found.array is not None:
        bytes_changed = sum(one != two for one, two in zip(good, changed, strict=True))
        voxels_changed = int(np.sum(expected.array != found.array))
        if voxels_changed > bytes_changed:
            return f"{voxels_changed} voxels changed by {bytes_changed} bytes"
    return ""


def explained(form: Format, good: bytes, changed: bytes) -> frozenset[str]:
    """Return what the changed bytes say differently, and what follows from it."""
    if form.explain is None:
        return frozenset()
    said = form.explain(good, changed)
    if "shape" in said:
        return ALL
    return said | {"values"} if "geometry" in said else said


def _differences(expected: Reading, found: Reading) -> frozenset[str]:
    if expected.array is None or found.array is None or expected.affine is None or found.affine is None:
        return ALL
    if expected.array.shape != found.array.shape:
        return ALL
    differing = set()
    if not np.allclose(expected.affine, found.affine, rtol=0, atol=1e-9, equal_nan=True):
        differing.add("geometry")
    if expected.array.dtype != found.array.dtype or not np.array_equal(expected.array, found.array):
        differing.add("values")
    return frozenset(differing)
