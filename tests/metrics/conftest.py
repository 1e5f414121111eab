"""Fixtures of the metrics room: a toy study with a trained judge."""

from __future__ import annotations

import pytest

from tests.features.toys import JudgedStudy, run_judge, write_toy


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> JudgedStudy:
    root = tmp_path_factory.mktemp("judged")
    return run_judge(root, write_toy(root / "slices"))
