"""What Snakemake makes again when masks come back, are corrected, or the label schema grows: never a painted pack.

Stages are stood in for by a command that makes the files it is told to, so that the graph is tried with its memory.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflow.runs import TINY, Folder, rules_in

pytestmark = pytest.mark.slow

MAKES_ITS_FILES = """#!/bin/sh
for word in "$@"; do
    case "$word" in results/*.*) mkdir -p "${word%/*}"; [ -e "$word" ] || date +%s.%N > "$word";; esac
done
"""
ANNOTATION = {"source": "folder", "count": 8, "further_rounds": [4], "candidates_per_class": 16}
STRUCTURES = ["liver", "spleen", "kidneys", "aorta", "spine", "lesion"]
TARGETS = ("annotate", "labels", "sample")
HEAD_ALONE = {"annotate_import", "annotate_gather", "labels_head", "annotate", "labels"}
CHOICE_OF_THE_SECOND = {"annotate_gather_until", "labels_head_until", "annotate_pack"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A study in two rounds: the first is painted and taught a head, the second went out."""
    path = tmp_path_factory.mktemp("rounds")
    command = path / "bin" / "radgen"
    command.parent.mkdir()
    command.write_text(MAKES_ITS_FILES)
    command.chmod(0o755)
    folder = Folder(path, path / "study.yaml", programs=command.parent)
    configure(folder)
    paint(folder, "round-01", "a first try")
    made = run(folder)
    assert made >= HEAD_ALONE | CHOICE_OF_THE_SECOND | {"gan_train", "sample_source"}
    return folder


def configure(folder: Folder, **changes: Any) -> None:
    data = yaml.safe_load(TINY.read_text()) | {"annotation": ANNOTATION} | changes
    folder.configuration.write_text(yaml.safe_dump(data))


def pack(folder: Folder, name: str) -> Path:
    return folder.path / "results/tiny/annotation/main" / name / "pack"


def paint(folder: Folder, name: str, words: str) -> None:
    mask = pack(folder, name) / "masks" / "one.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    mask.write_text(words)
    os.utime(mask, (time.time() + 1,) * 2)  # surely later than what was made of the mask before


def run(folder: Folder) -> set[str]:
    done = folder.snakemake(*TARGETS)
    assert done.returncode == 0, done.stdout + done.stderr
    return rules_in(done.stdout + done.stderr)


def test_two_rounds_are_painted_and_nothing_is_chosen_again(folder: Folder) -> None:
    paint(folder, "round-01", "a second try")
    # The second round is not painted yet: what the head is unsure of may change, its choice with it.
    assert folder.listed(*TARGETS) == HEAD_ALONE | CHOICE_OF_THE_SECOND
    paint(folder, "round-02", "a first try")
    assert folder.listed(*TARGETS) == HEAD_ALONE
    run(folder)
    assert folder.listed(*TARGETS) == set()


def test_a_corrected_mask_teaches_the_head_alone(folder: Folder) -> None:
    paint(folder, "round-01", "corrected")
    assert folder.listed(*TARGETS) == HEAD_ALONE
    run(folder)
    assert folder.listed(*TARGETS) == set()


def test_a_longer_schema_makes_no_new_pack(folder: Folder) -> None:
    configure(folder, structures={"names": [*STRUCTURES, "stomach"]})
    listed = folder.listed(*TARGETS)
    configure(folder)
    assert listed >= HEAD_ALONE
    assert not listed & CHOICE_OF_THE_SECOND


def test_a_further_round_leaves_the_rounds_before_alone(folder: Folder) -> None:
    configure(folder, annotation=ANNOTATION | {"further_rounds": [4, 4]})
    listed = folder.listed(*TARGETS)
    configure(folder)
    assert listed == CHOICE_OF_THE_SECOND | {"annotate"}  # here of the third


def test_a_new_generator_reaches_the_refusal_and_no_painted_pack(folder: Folder) -> None:
    listed = folder.listed(*TARGETS, "-R", "gan_train")
    assert {"gan_train", "sample_source", "annotate_gather"} <= listed
    assert "annotate_pack" not in listed


def test_a_pack_whose_masks_are_moved_away_is_made_again(folder: Folder) -> None:
    masks = pack(folder, "round-02") / "masks"
    masks.rename(folder.path / "kept")
    listed = folder.listed(*TARGETS)
    (folder.path / "kept").rename(masks)
    assert "annotate_pack" in listed
