"""Pairs: exactly the most uncertain are dropped, counts hold, and every image is the generator's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from radgen.gan.sampling import Sampler, load_sampler, parse_image_id
from radgen.imageset.core import ImageSet
from radgen.labels.head import HeadShape, LabelHeads, start_members
from radgen.labels.pairs import UNCERTAINTY_SCHEMA, PairsPlan, keep_certain, make_pairs, paint
from tests.labels.toys import CLASSES, CPU, SOURCE, save_generator_file


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


def _quiet(_: str) -> None: ...


def test_exactly_the_most_uncertain_are_dropped(sampler: Sampler, tmp_path: Path) -> None:
    index = tmp_path / "pairs" / "index.parquet"
    table, _ = make_pairs(sampler, _heads(sampler), _plan({"plain": 20, "spotted": 9}), index, _quiet)
    assert table.schema == UNCERTAINTY_SCHEMA
    for name, wanted, drawn in (("plain", 20, 27), ("spotted", 9, 12)):
        rows = [row for row in table.to_pylist() if row["class_name"] == name]
        kept = [row["score"] for row in rows if row["kept"]]
        dropped = [row["score"] for row in rows if not row["kept"]]
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
    table, _ = make_pairs(sampler, heads, _plan({"plain": 18, "spotted": 3}), index, _quiet)
    pairs = ImageSet(index)
    scores = {row["image_id"]: row["score"] for row in table.to_pylist()}
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
    first, files = make_pairs(sampler, heads, _plan(counts, rows=4), small, _quiet)
    second, _ = make_pairs(sampler, heads, _plan(counts, rows=100), large, _quiet)
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
    make_pairs(sampler, _heads(sampler), _plan({"plain": 10, "spotted": 5}, rows=4), index, _quiet)
    make_pairs(sampler, _heads(sampler), _plan({"plain": 0, "spotted": 3}, rows=4), index, _quiet)
    assert len(ImageSet(index)) == 3
    assert len(list(index.parent.glob("shard-*.masks.arrow"))) == 1


def test_nothing_is_dropped_where_nothing_shall_be(sampler: Sampler, tmp_path: Path) -> None:
    index = tmp_path / "pairs" / "index.parquet"
    table, _ = make_pairs(sampler, _heads(sampler), _plan({"plain": 5, "spotted": 2}, drop=0.0), index, _quiet)
    assert table.num_rows == 7
    assert all(table.column("kept").to_pylist())


def test_drafts_vanish_when_pairs_fail(sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "pairs" / "index.parquet"
    monkeypatch.setattr("radgen.labels.pairs.keep_certain", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_pairs(sampler, _heads(sampler), _plan({"plain": 2, "spotted": 2}), index, _quiet)
    assert list(index.parent.iterdir()) == []


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
    assert _plan({"plain": wanted}, drop).drawn("plain") == drawn
