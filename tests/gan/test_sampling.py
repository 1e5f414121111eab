"""Sampling: image i is the same alone, in any block and in any shard."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from radgen.errors import CheckpointError, InputError
from radgen.gan.checkpoint import GeneratorCard, load_generator, save_generator
from radgen.gan.grid import sample_grid, tile, write_png
from radgen.gan.samples import join_shards, write_samples, write_shards
from radgen.gan.sampling import BLOCK_SIZE, Sampler, load_sampler, parse_image_id, to_grey
from radgen.imageset.core import ImageSet
from tests.gan import toys

CARD = GeneratorCard(toys.SHAPE, toys.CLASS_NAMES, "main", 800, {"seed": 1})


def _sampler(*, seed: int = 3, truncation: float = 1.0) -> Sampler:
    return Sampler(toys.generator(), toys.CLASS_NAMES, source="main", seed=seed, truncation=truncation)


def test_an_image_is_the_same_alone_and_among_others() -> None:
    sampler = _sampler()
    together = sampler.images(1, range(40))
    for number in (0, 15, 16, 39):
        assert np.array_equal(sampler.images(1, [number])[0], together[number])
    shuffled = np.random.default_rng(0).permutation(40)
    assert np.array_equal(sampler.images(1, shuffled), together[shuffled])


def test_block_holds_what_its_images_came_from() -> None:
    sampler = _sampler()
    block = sampler.block(0, 2, with_features=True)
    assert np.array_equal(block.images, sampler.images(0, range(2 * BLOCK_SIZE, 3 * BLOCK_SIZE)))
    assert block.w.shape == (BLOCK_SIZE, 12)
    assert block.seeds.tolist() == [sampler.seed_of(0, number) for number in range(32, 48)]
    assert {name: value.shape[1] for name, value in block.features.items()} == sampler.feature_channels
    assert sampler.block(0, 2).features == {}


def test_images_differ_by_index_class_seed_and_source() -> None:
    sampler = _sampler()
    images = sampler.images(0, range(8))
    assert len(np.unique(images.reshape(8, -1), axis=0)) == 8
    assert not np.array_equal(images, sampler.images(1, range(8)))
    assert not np.array_equal(images, _sampler(seed=4).images(0, range(8)))
    other = Sampler(sampler.generator, toys.CLASS_NAMES, source="other", seed=3, truncation=1.0)
    assert not np.array_equal(images, other.images(0, range(8)))


def test_truncation_draws_styles_to_the_average_of_their_class() -> None:
    full, half, none = (_sampler(truncation=value).block(1, 0).w for value in (1.0, 0.5, 0.0))
    average = toys.generator().mapping.w_avg[1].numpy()
    np.testing.assert_allclose(none, np.broadcast_to(average, none.shape), rtol=1e-6)
    np.testing.assert_allclose(half, (full + average) / 2, rtol=1e-4, atol=1e-6)


def test_shards_change_no_image(tmp_path: Path) -> None:
    sampler, counts = _sampler(), {"small": 21, "large": 18}
    for name, rows_per_shard in (("one", 100), ("many", 7)):
        files = write_samples(
            tmp_path / name / "index.parquet", sampler, counts, checkpoint="d", rows_per_shard=rows_per_shard
        )
        assert all(file.is_file() for file in files)
    one, many = (ImageSet(tmp_path / name / "index.parquet") for name in ("one", "many"))
    assert len(many) == 39
    assert many.column("image_id").tolist() == one.column("image_id").tolist()
    assert np.array_equal(one.images(range(39)), many.images(range(39)))
    assert np.array_equal(one.images(one.rows_where(image_id="main_large_000017")), sampler.images(1, [17]))
    assert set(many.column("split")) == {"synthetic"}
    assert many.column("seed").tolist()[21:] == [sampler.seed_of(1, number) for number in range(18)]


@pytest.mark.parametrize("jobs", [2, 3, 9])
def test_jobs_that_share_the_work_write_the_bytes_of_one(
    tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Shards of 7: they begin and end inside blocks, and one holds the end of a class and the start of the next.
    sampler, counts = _sampler(), {"small": 21, "large": 18}
    given: dict[str, Any] = {"checkpoint": "d", "rows_per_shard": 7}
    (tmp_path / "joined").mkdir()
    (tmp_path / "joined/shard-999.images.arrow").touch()  # of an earlier run
    one = write_samples(tmp_path / "one/index.parquet", sampler, counts, **given)
    made: list[tuple[int, int]] = []
    block = Sampler.block
    monkeypatch.setattr(Sampler, "block", lambda self, *place: made.append(place) or block(self, *place))
    drafts = [tmp_path / f"{job:03d}" for job in range(jobs)]
    for job, folder in enumerate(drafts):
        folder.mkdir()
        write_shards(folder, sampler, counts, share=(job, jobs), **given)
    joined = join_shards(drafts, tmp_path / "joined/index.parquet")
    assert [path.name for path in joined] == [path.name for path in one]
    assert all(path.read_bytes() == (tmp_path / "one" / path.name).read_bytes() for path in joined)
    assert not (tmp_path / "joined/shard-999.images.arrow").exists()
    # Blocks at the border of two jobs are made by both, and no other twice.
    assert len(made) <= 4 + jobs - 1


def test_the_thousandth_shard_comes_last(tmp_path: Path) -> None:
    folder, counts = tmp_path / "draft", {"small": 1_002}
    folder.mkdir()
    write_shards(folder, _sampler(), counts, checkpoint="d", rows_per_shard=1, share=(999, 1_002))
    write_shards(folder, _sampler(), counts, checkpoint="d", rows_per_shard=1, share=(1_000, 1_002))
    write_shards(folder, _sampler(), counts, checkpoint="d", rows_per_shard=1, share=(100, 1_002))
    join_shards([folder], tmp_path / "index.parquet")
    assert ImageSet(tmp_path / "index.parquet").column("shard").tolist() == ["shard-100", "shard-999", "shard-1000"]


def test_fewer_samples_leave_no_old_shard(tmp_path: Path) -> None:
    index = tmp_path / "index.parquet"
    for count in (20, 5):
        files = write_samples(index, _sampler(), {"small": count}, checkpoint="d", rows_per_shard=8)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(file.name for file in files)


def test_image_ids_are_read_though_names_hold_underscores() -> None:
    known = (["a", "a_b"], ["c", "b_c"])
    assert parse_image_id("a_b_c_000001", *known) == ("a", "b_c", 1)
    assert parse_image_id("a_CT-lung_000001", ["a"], ["CT/lung"]) == ("a", "CT/lung", 1)
    with pytest.raises(InputError, match=r"'x_c_000001' is not an image id of this source; ids look like a_c_000000"):
        parse_image_id("x_c_000001", *known)


def test_grey_levels_round_and_clip() -> None:
    values = torch.tensor([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
    assert to_grey(values).tolist() == [0, 0, 128, 191, 255, 255]


def test_weights_file_keeps_images_and_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.safetensors", "b.safetensors")]
    for path in paths:
        save_generator(path, toys.generator().state_dict(), CARD)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    sampler = load_sampler(paths[0], seed=3, truncation=1.0, device="cpu")
    assert np.array_equal(sampler.images(0, range(4)), _sampler().images(0, range(4)))
    generator, card = load_generator(paths[0], torch.device("cpu"))
    assert card == CARD
    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())


def test_files_that_are_no_generator_are_refused(tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    save_generator(cut, toys.generator().state_dict(), CARD)
    cut.write_bytes(cut.read_bytes()[:-100])
    with pytest.raises(
        CheckpointError, match=r"cut.safetensors: not readable as generator weights .* run the gan stage"
    ):
        load_sampler(cut, seed=1, truncation=1.0, device="cpu")
    foreign = toys.write_encoder(tmp_path)
    with pytest.raises(CheckpointError, match=r"encoder.safetensors: holds no card of a generator; give weights"):
        load_sampler(foreign, seed=1, truncation=1.0, device="cpu")
    lacking = tmp_path / "lacking.safetensors"
    tensors = dict(toys.generator().state_dict())
    tensors.pop("start")
    save_generator(lacking, tensors, CARD)
    with pytest.raises(CheckpointError, match=r"its tensors do not fit its own card"):
        load_sampler(lacking, seed=1, truncation=1.0, device="cpu")


def test_grid_is_a_png_of_sixteen_images_per_class(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    sampler = _sampler()
    grid = sample_grid(sampler)
    assert grid.shape == (2 * 2 * 16, 8 * 16)
    assert np.array_equal(grid[:16, 16:32], sampler.images(0, [1])[0, 0])
    write_png(tmp_path / "grid.png", grid)
    assert np.array_equal(np.asarray(image.open(tmp_path / "grid.png")), grid)
    assert tile(np.zeros((4, 2, 3), dtype=np.uint8), 2).shape == (4, 6)


def test_a_grid_of_many_classes_shows_32_of_them() -> None:
    class Many:
        class_names = tuple(map(str, range(165)))

        def block(self, class_id: int, _block: int) -> Any:
            return SimpleNamespace(images=np.full((16, 1, 1, 1), class_id, dtype=np.uint8))

    grid = sample_grid(cast(Sampler, Many()))
    assert grid.shape == (2 * 32, 8)
    assert len(np.unique(grid)) == 32
    assert (grid.min(), grid.max()) == (0, 159)


def test_card_is_plain_json(tmp_path: Path) -> None:
    import safetensors

    path = tmp_path / "a.safetensors"
    save_generator(path, toys.generator().state_dict(), CARD)
    with safetensors.safe_open(path, framework="pt") as file:
        card = json.loads(file.metadata()["radgen"])
    assert (card["class_names"], card["seen_images"], card["source"]) == (["small", "large"], 800, "main")
