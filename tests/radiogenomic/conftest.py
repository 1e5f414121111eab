"""The small radiogenomic study, made once."""

from __future__ import annotations

import pytest

from tests.radiogenomic.nodule_study import NoduleStudy


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> NoduleStudy:
    """Archive, patches and clinical table; read only."""
    made = NoduleStudy(tmp_path_factory.mktemp("nodules"), "nsclc_radiogenomics", cohort={"val": 0.15, "test": 0.3})
    made.write_phantom()
    made.cut()
    made.read_clinical()
    return made
