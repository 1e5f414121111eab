"""Fixtures of the safety room: phantom people, one audit of a set with planted copies and one of a set without."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.imageset.core import ImageSet
from radgen.provenance import read_manifest
from radgen.safety.audit import Audit, Auditor
from radgen.safety.networks import Network
from radgen.safety.settings import ReleaseSettings
from radgen.safety.sides import sides_of
from tests.features.toys import JudgedStudy, run_judge, write_toy
from tests.safety.phantoms import pixel_features, write_real, write_synthetic

SETTINGS = ReleaseSettings(planted=40)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of the real set."""
    return write_real(tmp_path_factory.mktemp("people") / "slices")


@pytest.fixture(scope="session")
def audit(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The audit of strangers with planted copies among them."""
    index = write_synthetic(tmp_path_factory.mktemp("planted") / "samples", planted=True)
    real = ImageSet(people)
    sides = sides_of(real, [read_manifest(index.parent / "manifest.json")])
    return Auditor(ImageSet(index), real, sides, [Network("coarse", pixel_features)], SETTINGS).run()


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> JudgedStudy:
    root = tmp_path_factory.mktemp("judged")
    return run_judge(root, write_toy(root / "slices"))
