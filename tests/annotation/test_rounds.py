"""Rounds are joined when they belong together, and refused by name when they do not."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from radgen.annotation.pack import write_pack
from radgen.annotation.rounds import Drawing, choice_of, drawing_of, join_rounds, round_of
from radgen.errors import AnnotationError
from tests.annotation.toys import LABELS, pack_images

GENERATOR = "f" * 32


def make_round(
    folder: Path, name: str, indices: range, generator: str = GENERATOR, seed: int = 1, truncation: float = 0.7
) -> Path:
    path = folder / name / "pack" / "pack.parquet"
    images = pack_images(10)[indices.start : indices.stop]
    write_pack(path, images, LABELS, generator=generator, truncation=truncation, sampler_seed=seed, round_name=name)
    return path


def test_rows_of_all_rounds_say_which_round_and_why(tmp_path: Path) -> None:
    packs = [make_round(tmp_path, "round-01", range(4)), make_round(tmp_path, "round-02", range(4, 6))]
    rows = join_rounds(packs, GENERATOR)
    assert rows.column("round").to_pylist() == ["round-01"] * 4 + ["round-02"] * 2
    assert set(rows.column("reason").to_pylist()) == {"coverage"}
    assert drawing_of(rows) == Drawing(seed=1, truncation=0.7)
    assert choice_of(rows) == {0: [(index, "coverage") for index in range(6)]}


def test_latents_of_another_generator_are_refused_with_round_digests_and_remedy(tmp_path: Path) -> None:
    packs = [make_round(tmp_path, "round-01", range(4)), make_round(tmp_path, "round-02", range(4, 6), generator="old")]
    message = (
        r"round-02/pack/pack.parquet: the images of round-02 are of generator old, but the generator is now f{32}; "
        r".* bring that generator back, or move the folder .*round-02/pack/masks away and run again for a new pack"
    )
    with pytest.raises(AnnotationError, match=message):
        join_rounds(packs, GENERATOR)


@pytest.mark.parametrize("change", [{"seed": 5}, {"truncation": 0.5}])
def test_rounds_drawn_otherwise_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    packs = [make_round(tmp_path, "round-01", range(4)), make_round(tmp_path, "round-02", range(4, 6), **change)]
    with pytest.raises(
        AnnotationError, match=r"round-02 is drawn with seed .*, but round-01 with seed 1 and truncation 0\.7"
    ):
        join_rounds(packs, GENERATOR)


def test_an_image_of_two_rounds_is_refused(tmp_path: Path) -> None:
    packs = [make_round(tmp_path, "round-01", range(4)), make_round(tmp_path, "round-02", range(3, 6))]
    with pytest.raises(AnnotationError, match="main_normal_000003 is in round-01 and in round-02"):
        join_rounds(packs, GENERATOR)


def test_a_pack_of_before_there_were_rounds_is_the_first_round(tmp_path: Path) -> None:
    path = make_round(tmp_path, "round-01", range(4))
    pq.write_table(pq.read_table(path).drop_columns(["round", "reason"]), path)
    rows = join_rounds([path, make_round(tmp_path, "round-02", range(4, 6))], GENERATOR)
    assert round_of(rows) == "round-01"
    assert {reason for _, reason in choice_of(rows)[0]} == {"coverage"}
