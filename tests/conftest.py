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


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their length: packed bytes may hold the clock, and processes must agree on the names of tests."""
    return f"{argname} of {len(val)} bytes" if isinstance(val, bytes) else None


# Files that take longest: two processes that share the files end together when these come first.
LONGEST = ("workflow", "slurm", "fuzz", "gan", "benchmark")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: min((place[part] for part in item.path.parts if part in place), default=len(LONGEST)))
