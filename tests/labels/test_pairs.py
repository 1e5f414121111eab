"""Pairs: exactly the most uncertain are dropped, counts hold, and the number of jobs changes no byte."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from radgen.errors import CheckpointError, ConfigError, InputError
from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape, save_network
from radgen.gan.sampling import Sampler, load_sampler, parse_image_id
from radgen.imageset.core import ImageSet
from radgen.labels.drafts import DRAFT_SCHEMA, write_draft
from radgen.labels.head import HeadShape, LabelHeads
from radgen.labels.members import start_members
from radgen.labels.painting import Painter, load_classifier, paint
from radgen.labels.pairs import UNCERTAINTY_SCHEMA, Choice, choose, join_pairs, keep_certain
from radgen.labels.plan import PairsPlan
from radgen.labels.settings import PairsSettings
from tests.labels.toys import CLASSES, CPU, SIDE, SOURCE, save_generator_file


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return load_sampler(save_generator_file(tmp_path / "generator.safetensors"), seed=1, truncation=1.0, device=CPU)


def _heads(sampler: Sampler, members: int = 3) -> LabelHeads:
    shape = HeadShape(
        tuple(sampler.feature_channels.items()), CLASSES, ("background", "x", "y"), members, width=8, generator="g"
    )
    return start_members(shape, range(members)).eval()


def _plan(counts: Mapping[str, int], drop: float = 0.25, rows: int = 7) -> PairsPlan:
    return PairsPlan(counts, drop, SOURCE, "g", rows)


def _made(painter: Painter, plan: PairsPlan, index: Path, jobs: int = 1) -> tuple[pa.Table, list[Path], Choice]:
    drafts = [index.parent.with_name(f"{index.parent.name}-draft-{job}") for job in range(jobs)]
    for job, folder in enumerate(drafts):
        write_draft(painter, plan, folder, job, jobs)
    return join_pairs(drafts, plan, index)


def _classifier() -> FeatureNetwork:
    torch.manual_seed(3)
    shape = NetworkShape(1, SIDE, SIDE, dimension=4, width=4, class_names=CLASSES, has_classes=True)
    return FeatureNetwork(ConvEncoder(shape), "digest", CPU)


def test_exactly_the_most_uncertain_are_dropped(sampler: Sampler, tmp_path: Path) -> None:
    index = tmp_path / "pairs" / "index.parquet"
    table, _, _ = _made(Painter(sampler, _heads(sampler)), _plan({"plain": 20, "spotted": 9}), index)
    assert table.schema == UNCERTAINTY_SCHEMA
    for name, wanted, drawn in (("plain", 20, 27), ("spotted", 9, 12)):
        rows = [row for row in table.to_pylist() if row["class_name"] == name]
        kept = [row["expected_error"] for row in rows if row["kept"]]
        dropped = [row["expected_error"] for row in rows if not row["kept"]]
        assert (len(rows), len(kept)) == (drawn, wanted)
        assert max(kept) <= min(dropped)
        assert len(set(kept)) > 1
    assert ImageSet(index).column("image_id").tolist() == [row["image_id"] for row in table.to_pylist() if row["kept"]]
    reasons = {row["reason"] for row in table.to_pylist()}
    assert reasons == {
        None,
        "among the 7 most uncertain of 27 images of class plain",
        "among the 3 most uncertain of 12 images of class spotted",
    }


def test_every_pair_is_the_generators_image_and_the_ensembles_mask(sampler: Sampler, tmp_path: Path) -> None:
    heads, index = _heads(sampler), tmp_path / "pairs" / "index.parquet"
    table, _, _ = _made(Painter(sampler, heads), _plan({"plain": 18, "spotted": 3}), index)
    pairs = ImageSet(index)
    scores = {row["image_id"]: row["expected_error"] for row in table.to_pylist()}
    for place, name in enumerate(pairs.column("image_id")):
        _, class_name, number = parse_image_id(name, [SOURCE], CLASSES)
        class_id = CLASSES.index(class_name)
        block = sampler.block(class_id, number // 16, with_features=True)
        masks, uncertain = paint(heads, block.features, class_id)
        assert np.array_equal(pairs.images([place])[0], block.images[number % 16])
        assert np.array_equal(pairs.masks([place])[0], masks[number % 16])
        assert scores[name] == uncertain[number % 16]
        assert pairs.column("seed")[place] == block.seeds[number % 16]
        assert pairs.column("class_id")[place] == class_id
    assert set(pairs.column("split")) == {"synthetic"}
    assert set(pairs.column("checkpoint")) == {"g"}


def test_shards_change_nothing_but_themselves(sampler: Sampler, tmp_path: Path) -> None:
    heads, counts = _heads(sampler), {"plain": 10, "spotted": 5}
    small, large = tmp_path / "small" / "index.parquet", tmp_path / "large" / "index.parquet"
    first, files, _ = _made(Painter(sampler, heads), _plan(counts, rows=4), small)
    second, _, _ = _made(Painter(sampler, heads), _plan(counts, rows=100), large)
    assert first.equals(second)
    assert len(files) == 4 * 3
    assert all(path.is_file() for path in files)
    one, two = ImageSet(small), ImageSet(large)
    everything = np.arange(15)
    assert np.array_equal(one.images(everything), two.images(everything))
    assert np.array_equal(one.masks(everything), two.masks(everything))
    assert sorted(path.name for path in small.parent.iterdir()) == sorted(
        ["index.parquet", *(path.name for path in files)]
    )


def test_fewer_pairs_leave_no_old_shards(sampler: Sampler, tmp_path: Path) -> None:
    index = tmp_path / "pairs" / "index.parquet"
    _made(Painter(sampler, _heads(sampler)), _plan({"plain": 10, "spotted": 5}, rows=4), index)
    _made(Painter(sampler, _heads(sampler)), _plan({"plain": 0, "spotted": 3}, rows=4), index)
    assert len(ImageSet(index)) == 3
    assert len(list(index.parent.glob("shard-*.masks.arrow"))) == 1


def test_nothing_is_dropped_where_nothing_shall_be(sampler: Sampler, tmp_path: Path) -> None:
    index = tmp_path / "pairs" / "index.parquet"
    table, _, _ = _made(Painter(sampler, _heads(sampler)), _plan({"plain": 5, "spotted": 2}, drop=0.0), index)
    assert table.num_rows == 7
    assert all(table.column("kept").to_pylist())


def test_the_number_of_jobs_changes_no_byte(sampler: Sampler, tmp_path: Path) -> None:
    painter, plan = Painter(sampler, _heads(sampler), _classifier()), _plan({"plain": 70, "spotted": 33}, rows=40)
    one, _, first = _made(painter, plan, tmp_path / "one" / "index.parquet")
    four, _, second = _made(painter, plan, tmp_path / "four" / "index.parquet", jobs=4)
    nine, _, _ = _made(painter, plan, tmp_path / "nine" / "index.parquet", jobs=9)
    assert one.equals(four)
    assert one.equals(nine)
    assert first.outcomes == second.outcomes
    for path in (tmp_path / "one").iterdir():
        for other in ("four", "nine"):
            assert (tmp_path / other / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "one").iterdir())) == 1 + 3 * 3


def test_more_jobs_than_blocks_leave_some_without_work(sampler: Sampler, tmp_path: Path) -> None:
    painter, plan = Painter(sampler, _heads(sampler)), _plan({"plain": 3, "spotted": 3})
    table, _, _ = _made(painter, plan, tmp_path / "pairs" / "index.parquet", jobs=5)
    assert table.num_rows == 8
    assert len(ImageSet(tmp_path / "pairs" / "index.parquet")) == 6


def test_a_draft_left_out_or_swapped_is_refused(sampler: Sampler, tmp_path: Path) -> None:
    painter, plan = Painter(sampler, _heads(sampler)), _plan({"plain": 20, "spotted": 9})
    folders = [tmp_path / "0", tmp_path / "1"]
    for job, folder in enumerate(folders):
        write_draft(painter, plan, folder, job, 2)
    for wrong in (folders[:1], folders[::-1]):
        with pytest.raises(InputError, match=r"drafts hold \d+ pairs, but the plan draws 39"):
            join_pairs(wrong, plan, tmp_path / "pairs" / "index.parquet")
    (folders[1] / "scores.parquet").write_bytes(b"half")
    with pytest.raises(InputError, match=r"1: not a whole draft of pairs .* run pairs-draft of this job again"):
        join_pairs(folders, plan, tmp_path / "pairs" / "index.parquet")


def _scores(plain: list[float], seen: list[float | None]) -> pa.Table:
    rows = [
        {
            "image_id": f"toy_plain_{number:06d}",
            "class_id": 0,
            "expected_error": score,
            "class_probability": probability,
        }
        for number, (score, probability) in enumerate(zip(plain, seen, strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=DRAFT_SCHEMA)


def test_images_of_another_class_go_first_and_the_reason_says_so() -> None:
    plan = PairsPlan({"plain": 2}, 0.25, SOURCE, "g", 10, least_class_probability=0.5, spare_fraction=0.25)
    choice = choose(_scores([0.1, 0.2, 0.3, 0.4], [0.2, 0.9, 0.5, 0.8]), plan)
    assert choice.keep.tolist() == [False, True, True, False]
    assert choice.reasons == [
        "the encoder gives class plain a probability below 0.5",
        None,
        None,
        "among the 1 most uncertain of 3 images of class plain",
    ]
    outcome = choice.outcomes["plain"]
    assert (outcome.drawn, outcome.kept, outcome.other_class, outcome.uncertain) == (4, 2, 1, 1)
    assert outcome.threshold == 0.3


def test_too_many_of_another_class_leave_fewer_and_never_none() -> None:
    plan = PairsPlan({"plain": 3}, 0.0, SOURCE, "g", 10, least_class_probability=0.5, spare_fraction=0.25)
    outcome = choose(_scores([0.1, 0.2, 0.3, 0.4], [0.2, 0.9, 0.1, 0.8]), plan).outcomes["plain"]
    assert (outcome.wanted, outcome.kept, outcome.other_class) == (3, 2, 2)
    with pytest.raises(ConfigError, match=r"class plain a probability below 0.5 in all 4 images drawn"):
        choose(_scores([0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.1, 0.0]), plan)


def test_nobody_is_asked_without_a_threshold_or_a_class_head(tmp_path: Path) -> None:
    shape = NetworkShape(1, SIDE, SIDE, dimension=4, width=4, class_names=CLASSES)
    path = tmp_path / "encoder.safetensors"
    save_network(ConvEncoder(shape), path)
    assert load_classifier(path, CLASSES, PairsSettings(least_class_probability=0.5)) is None
    taught = NetworkShape(1, SIDE, SIDE, dimension=4, width=4, class_names=CLASSES, has_classes=True)
    save_network(ConvEncoder(taught), path)
    assert load_classifier(path, CLASSES, PairsSettings()) is None
    assert load_classifier(path, CLASSES, PairsSettings(least_class_probability=0.5)) is not None
    with pytest.raises(CheckpointError, match="knows the classes plain, spotted, but the generator makes one, two"):
        load_classifier(path, ("one", "two"), PairsSettings(least_class_probability=0.5))


def test_the_classifier_is_asked_for_the_intended_class(sampler: Sampler, tmp_path: Path) -> None:
    classifier = _classifier()
    painter, plan = Painter(sampler, _heads(sampler), classifier), _plan({"plain": 5, "spotted": 5})
    write_draft(painter, plan, tmp_path / "draft", 0, 1)
    rows = pq.read_table(tmp_path / "draft" / "scores.parquet").to_pylist()
    for class_id in (0, 1):
        found = [row["class_probability"] for row in rows if row["class_id"] == class_id]
        asked = classifier.class_probabilities(sampler.block(class_id, 0).images)[: len(found), class_id]
        assert np.array_equal(np.array(found, dtype=np.float32), asked)
        assert len(set(found)) > 1


@pytest.mark.parametrize("count", [0, 1, 3, 6])
def test_lowest_scores_stay(count: int) -> None:
    scores = np.array([0.5, 0.1, 0.1, 0.9, 0.0, 0.1])
    keep = keep_certain(scores, count)
    assert keep.sum() == count
    if 0 < count < 6:
        assert scores[keep].max() <= scores[~keep].min()
    assert keep_certain(np.zeros(4), 2).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("wanted", "drop", "drawn"), [(90, 0.1, 100), (1, 0.1, 2), (0, 0.5, 0), (7, 0.0, 7), (10, 0.5, 20)]
)
def test_enough_are_drawn(wanted: int, drop: float, drawn: int) -> None:
    assert _plan({"plain": wanted}, drop).drawn(0) == drawn


@pytest.mark.parametrize(("least", "drawn"), [(0.0, 20), (0.5, 25)])
def test_spare_images_are_drawn_only_where_the_classifier_is_asked(least: float, drawn: int) -> None:
    plan = PairsPlan({"plain": 10}, 0.5, SOURCE, "g", 10, least_class_probability=least, spare_fraction=0.2)
    assert plan.drawn(0) == drawn
