"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real data sets; tests that need it are skipped where it is absent."""
    root = Path(os.environ.get("RADGEN_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"real data sets are not at {root}; set RADGEN_TEST_DATA to their folder")
    return root
