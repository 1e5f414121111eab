"""Centroids of mapped styles, and truncation towards them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.errors import CheckpointError, ConfigError
from radgen.gan.latent.centroids import (
    CHUNK,
    POOLED,
    Centroids,
    find_centroids,
    load_centroids,
    mapped_styles,
    save_centroids,
    truncate,
)
from radgen.gan.latent.styles import Truncation, draw_style
from radgen.gan.sampling import Sampler, load_sampler
from radgen.gan.settings import SampleSettings
from tests.gan import toys
from tests.gan.latent.toys import write_generator

FOUR = Centroids(
    torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 1.0], [9.0, 9.0]]), torch.tensor([0, 0, 1, POOLED]), torch.ones(4)
)


def test_the_nearest_of_its_own_class_or_of_all_is_taken() -> None:
    w = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 0.9], [8.0, 9.0]])
    found = FOUR.nearest(w, torch.tensor([0, 1, 0, 1]))
    assert found.tolist() == [[4.0, 0.0], [0.0, 1.0], [0.0, 0.0], [9.0, 9.0]]


def test_truncation_is_the_centre_at_nought_and_changes_no_bit_at_one() -> None:
    torch.manual_seed(0)
    w, centre = torch.randn(50, 12), torch.randn(50, 12) * 1e3
    assert torch.equal(truncate(w, centre, 0), centre)
    assert torch.equal(truncate(w, centre, 1), w)
    torch.testing.assert_close(truncate(w, centre, 0.25), centre + 0.25 * (w - centre))


def test_styles_are_drawn_to_the_nearest_centroid_or_to_the_average() -> None:
    generator = toys.generator()
    centroids = find_centroids(generator, 3, seed=1, styles=200)
    full = draw_style(generator, 1, 7).w
    near = draw_style(generator, 1, 7, Truncation(0.0, centroids)).w
    own = centroids.centres[centroids.class_ids == 1]
    assert torch.equal(near[0], own[(own - full[0]).square().sum(dim=1).argmin()])
    assert torch.equal(draw_style(generator, 1, 7, Truncation(1.0, centroids)).w, full)
    assert torch.equal(draw_style(generator, 1, 7, Truncation(0.0)).w[0], generator.mapping.w_avg[1])


def test_one_centroid_is_the_mean_of_the_styles_of_its_class() -> None:
    generator = toys.generator()
    found = find_centroids(generator, 1, seed=2, styles=CHUNK + 10)
    assert found.class_ids.tolist() == [0, 1]
    assert found.sizes.tolist() == [CHUNK + 10] * 2
    for class_id in (0, 1):
        styles = torch.cat(list(mapped_styles(generator.mapping, 6, (class_id,), CHUNK + 10, 2)))
        assert len(styles) == CHUNK + 10
        torch.testing.assert_close(found.centres[class_id], styles.mean(dim=0).float())
    pooled = find_centroids(generator, 1, seed=2, styles=CHUNK, pooled=True)
    assert pooled.class_ids.tolist() == [POOLED]
    torch.testing.assert_close(pooled.centres[0], found.centres.mean(dim=0), rtol=0.05, atol=0.05)


def test_a_smaller_count_of_styles_is_the_beginning_of_a_larger() -> None:
    few, many = (torch.cat(list(mapped_styles(toys.generator().mapping, 6, (1,), n, 3))) for n in (10, CHUNK + 5))
    assert torch.equal(few, many[:10])
    assert not torch.equal(many[CHUNK:], many[:5])


def test_finding_is_repeatable_and_follows_the_seed() -> None:
    one, two, other = (find_centroids(toys.generator(), 4, seed=seed, styles=300) for seed in (1, 1, 2))
    assert torch.equal(one.centres, two.centres)
    assert not torch.equal(one.centres, other.centres)


@pytest.mark.parametrize(("count", "styles"), [(0, 10), (11, 10)])
def test_impossible_counts_are_refused(count: int, styles: int) -> None:
    with pytest.raises(ConfigError, match=rf"{count} centroids of {styles} styles; ask for at least 1"):
        find_centroids(toys.generator(), count, seed=1, styles=styles)


def test_a_file_keeps_bits_and_belongs_to_its_weights(tmp_path: Path) -> None:
    found = find_centroids(toys.generator(), 3, seed=1, styles=50)
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    for path in (one, two):
        save_centroids(path, found, generator="abc")
    assert one.read_bytes() == two.read_bytes()
    read = load_centroids(one, generator="abc")
    assert all(torch.equal(getattr(read, name), getattr(found, name)) for name in ("centres", "class_ids", "sizes"))
    with pytest.raises(CheckpointError, match=r"of weights abc, but these weights are def; make them of these weights"):
        load_centroids(one, generator="def")
    with pytest.raises(CheckpointError, match=r"not readable as style centroids .* make them by `radgen latent"):
        load_centroids(write_generator(tmp_path / "generator.safetensors"), generator="abc")
    with pytest.raises(CheckpointError, match="not readable as style centroids"):
        load_centroids(tmp_path / "none.safetensors", generator="abc")


def test_samples_truncate_to_the_nearest_centroid(tmp_path: Path) -> None:
    generator = toys.generator()
    found = find_centroids(generator, 2, seed=3, styles=512)

    def sampler(truncation: float, centroids: Centroids | None) -> Sampler:
        return Sampler(generator, toys.CLASS_NAMES, source="main", seed=3, truncation=truncation, centroids=centroids)

    full = torch.from_numpy(sampler(1.0, found).block(1, 0).w)
    centres = found.nearest(full, torch.ones(16, dtype=torch.long))
    assert np.array_equal(sampler(0.0, found).block(1, 0).w, centres.numpy())
    np.testing.assert_allclose(full.numpy(), sampler(1.0, None).block(1, 0).w, rtol=1e-4, atol=1e-5)
    half = sampler(0.5, found).block(1, 0).w
    np.testing.assert_allclose(half, ((full + centres) / 2).numpy(), rtol=1e-5, atol=1e-6)
    # From the settings alone the same are found again.
    path = write_generator(tmp_path / "generator.safetensors")
    loaded = load_sampler(path, seed=3, truncation=0.5, device="cpu", centroids=2)
    assert np.array_equal(loaded.block(1, 0).w, half)


def test_a_negative_count_is_no_setting() -> None:
    with pytest.raises(ValueError, match="centroids must be 0 or more, not -1"):
        SampleSettings(centroids=-1)
