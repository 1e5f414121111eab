"""Samples of one modality are compared with real images of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.metrics.score import real_side
from tests.semantic import study


def test_samples_of_a_modality_meet_real_images_of_it_alone(tmp_path: Path) -> None:
    images = ImageSet(study.write_images(tmp_path, modalities=("CT", "MR")))
    train = images.rows_where(split="train")
    seen = frozenset({"train-patient-0", "train-patient-1"})
    both = real_side(images, train, seen, study.CLASSES)
    mr = real_side(images, train, seen, study.CLASSES, frozenset({"MR"}))
    for rows, all_rows in ((mr.held_out, both.held_out), (mr.unseen, both.unseen)):
        assert set(images.column("modality")[rows]) == {"MR"}
        assert 2 * len(rows) == len(all_rows)
    assert np.array_equal(mr.training, both.training)
    with pytest.raises(CohortError, match="0 held-out images and 0 training images unseen by the judge"):
        real_side(images, train, seen, study.CLASSES, frozenset({"US"}))
