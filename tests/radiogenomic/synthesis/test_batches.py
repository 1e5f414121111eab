"""Batches: a function of the position alone, other patients are others, backgrounds are the patient's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.radiogenomic.expression import load_expression
from radgen.radiogenomic.synthesis.batches import (
    BACKGROUND,
    IMAGE,
    MASK,
    OTHER_IMAGE,
    OTHER_MASK,
    PairedPatches,
    turned,
)
from tests.radiogenomic.synthesis import toys


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    toys.write_sets(folder)
    return folder


def batches(study: Path, *, turn: bool = False, kept: float = 1.0, without: str = "p1") -> PairedPatches:
    nodules = ImageSet(study / "nodules" / "index.parquet")
    healthy = ImageSet(study / "nodules" / "backgrounds" / "index.parquet")
    rows = nodules.rows_where(split="train")
    rows = rows[nodules.column("patient")[rows] != without]
    expression = load_expression(study / "rna" / "rna.parquet")
    healthy_rows = healthy.rows_where(split="train")
    return PairedPatches(nodules, rows, healthy, healthy_rows, expression, seed=3, turn=turn, kept=kept)


def test_a_batch_is_made_of_its_parts_and_of_its_position_alone(study: Path) -> None:
    pixels, rows = batches(study, turn=True).batch(40, 8)
    again = batches(study, turn=True, kept=0.0)
    first, second = again.batch(40, 3), again.batch(43, 5)
    assert torch.equal(pixels, torch.cat([first[0], second[0]]))
    assert torch.equal(rows, torch.cat([first[1], second[1]]))


def test_each_epoch_shows_every_patch_once_beside_another_patients(study: Path) -> None:
    lesson = batches(study)
    nodules = ImageSet(study / "nodules" / "index.parquet")
    healthy = ImageSet(study / "nodules" / "backgrounds" / "index.parquet")
    expression = load_expression(study / "rna" / "rna.parquet")
    owner_of = {
        image.tobytes(): who for image, who in zip(nodules.images(range(16)), nodules.column("patient"), strict=True)
    }
    ground_of = {
        image.tobytes(): who for image, who in zip(healthy.images(range(14)), healthy.column("patient"), strict=True)
    }
    pixels, rows = lesson.batch(len(lesson), len(lesson))
    seen = set()
    for patch, row in zip(pixels.numpy(), rows.tolist(), strict=True):
        own = expression.patients[row]
        assert owner_of[patch[IMAGE : IMAGE + 1].tobytes()] == own
        assert owner_of[patch[OTHER_IMAGE : OTHER_IMAGE + 1].tobytes()] not in (own, "p1", "p6", "p7")
        behind = ground_of[patch[BACKGROUND : BACKGROUND + 1].tobytes()]
        assert behind == own or own == "p0"
        assert patch[MASK].max() == patch[OTHER_MASK].max() == 255
        seen.add(patch[IMAGE].tobytes())
    assert len(seen) == len(lesson) == 10
    assert lesson.without_background == 1


def test_other_patients_are_drawn_by_patient(study: Path) -> None:
    """Who is shown with many patches is another patient no more often: here p2 has one patch, the others two."""
    nodules = ImageSet(study / "nodules" / "index.parquet")
    healthy = ImageSet(study / "nodules" / "backgrounds" / "index.parquet")
    rows = nodules.rows_where(patient=["p0", "p2", "p3"])[[0, 1, 2, 4, 5]]
    expression = load_expression(study / "rna" / "rna.parquet")
    lesson = PairedPatches(nodules, rows, healthy, np.array([0]), expression, seed=1, turn=False)
    pixels, shown = lesson.batch(0, 400)
    lonely = nodules.images(nodules.rows_where(patient="p2")[:1])[0, 0]
    taken = [np.array_equal(patch[OTHER_IMAGE], lonely) for patch in pixels.numpy()]
    beside = np.array([expression.patients[row] != "p2" for row in shown.tolist()])
    # Half of the time where either of two others may come; by patch it would be a third.
    assert 0.42 < np.array(taken)[beside].mean() < 0.58


def test_the_eight_turns_differ_and_keep_image_and_mask_together() -> None:
    patch = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    turns = [turned(patch, turn) for turn in range(8)]
    assert len({turn.tobytes() for turn in turns}) == 8
    assert all(np.array_equal(turn[1], turn[0] + 9) for turn in turns)
    assert np.array_equal(turns[0], patch)


def test_patients_without_rna_and_a_lonely_patient_are_refused(study: Path) -> None:
    with pytest.raises(CohortError, match="1 of 6 patients asked for have no RNA"):
        batches(study, without="nobody")
    nodules = ImageSet(study / "nodules" / "index.parquet")
    healthy = ImageSet(study / "nodules" / "backgrounds" / "index.parquet")
    expression = load_expression(study / "rna" / "rna.parquet")
    with pytest.raises(CohortError, match="1 patients with patches and RNA and 2 healthy backgrounds"):
        PairedPatches(nodules, np.array([0, 1]), healthy, np.array([0, 1]), expression, seed=1, turn=False)
