"""Fixtures of the features and metrics rooms."""

from __future__ import annotations

from pathlib import Path

import pytest

from radgen.imageset.core import ImageSet
from tests.features.toys import write_toy


@pytest.fixture(scope="session")
def toy_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("features") / "slices")


@pytest.fixture(scope="session")
def toy_images(toy_slices: Path) -> ImageSet:
    return ImageSet(toy_slices)
