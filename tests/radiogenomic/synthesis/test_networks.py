"""Networks: every size works, no weight is dead, the nodule is blended into its background."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from radgen.errors import ConfigError
from radgen.radiogenomic.synthesis.layers import largest_part, restyle
from radgen.radiogenomic.synthesis.networks import Discriminator, Encoder, RadiogenomicGenerator, RadiogenomicShape
from radgen.radiogenomic.synthesis.sampling import _cover, _near
from radgen.radiogenomic.synthesis.settings import SIZES_PX

SHAPE = RadiogenomicShape(resolution=32, genes=7, hidden=8, embed_dim=6, g_ls=3, g_n_feat=2, d_n_feat=4, code_kernel=8)


def inputs(shape: RadiogenomicShape, count: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    side = shape.resolution
    return torch.randn(count, shape.genes), torch.randn(count, shape.g_ls), torch.rand(count, 1, side, side) * 2 - 1


@pytest.mark.parametrize("px", SIZES_PX)
def test_every_size_draws_and_judges_and_no_weight_is_dead(px: int) -> None:
    shape = dataclasses.replace(SHAPE, resolution=px)
    generator, discriminator = RadiogenomicGenerator(shape), Discriminator(shape)
    profiles, noise, background = inputs(shape)
    drawn = generator(profiles, noise, background)
    assert drawn.image.shape == drawn.mask.shape == (2, 1, px, px)
    assert drawn.switch.shape == (2, 1, px // 2, px // 2)
    assert bool(((drawn.switch >= 0) & (drawn.switch <= 1)).all())
    verdicts = discriminator(drawn.image, drawn.mask, generator.encoder(profiles))
    loss: Any = torch.stack(verdicts).square().sum()
    loss.backward()
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert bool((parameter.grad != 0).any()), name


def test_the_published_sizes_are_the_papers() -> None:
    shape = RadiogenomicShape(
        resolution=128, genes=5172, hidden=512, embed_dim=128, g_ls=10, g_n_feat=32, d_n_feat=64, code_kernel=8
    )
    assert shape.generator_channels == (512, 256, 128, 64, 32)
    assert shape.discriminator_channels == (64, 128, 256, 512)
    encoder = Encoder(shape.genes, shape.hidden, shape.embed_dim)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 5172 * 512 + 512 * 128 + 128


def test_where_the_mask_is_empty_the_image_is_the_background() -> None:
    generator = RadiogenomicGenerator(SHAPE)
    with torch.no_grad():
        generator.generator.paint.bias.copy_(torch.tensor([0.0, -50.0]))  # type: ignore[union-attr]
        profiles, noise, background = inputs(SHAPE)
        drawn = generator(profiles, noise, background)
    assert float(drawn.mask.max()) == -1
    torch.testing.assert_close(drawn.image, background)


def test_an_image_depends_on_its_own_inputs_alone() -> None:
    generator = RadiogenomicGenerator(SHAPE)
    profiles, noise, background = inputs(SHAPE, 3)
    with torch.no_grad():
        whole = generator(profiles, noise, background).image
        alone = generator(profiles[1:2], noise[1:2], background[1:2]).image
    torch.testing.assert_close(whole[1:2], alone, rtol=1e-4, atol=1e-5)
    for changed in range(3):
        given = [profiles.clone(), noise.clone(), background.clone()]
        given[changed][0] += 1
        with torch.no_grad():
            other = generator(*given).image
        assert not torch.allclose(other[0], whole[0], atol=1e-4)
        torch.testing.assert_close(other[1:], whole[1:])


def test_restyled_maps_have_the_mean_and_deviation_of_their_style() -> None:
    x, mean, deviation = torch.randn(2, 3, 8, 8), torch.randn(2, 3), torch.rand(2, 3) + 0.5
    y = restyle(x, mean, deviation)
    torch.testing.assert_close(y.mean(dim=(2, 3)), mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(y.std(dim=(2, 3), correction=0), deviation, rtol=1e-3, atol=1e-3)


def test_the_largest_part_is_found_and_corners_do_not_join() -> None:
    mask = torch.zeros(3, 6, 7, dtype=torch.bool)
    mask[0, 0, :3] = True
    mask[0, 1:4, 3] = True  # touches the first by a corner alone, and is as large
    mask[0, 4, 3] = True
    mask[1, 2, 5] = True
    found = largest_part(mask)
    assert found[0].sum() == 4
    assert found[0, 1:5, 3].all()
    assert torch.equal(found[1], mask[1])
    assert not found[2].any()


def test_a_sampled_mask_is_the_largest_part_with_its_soft_edge() -> None:
    mask = torch.full((1, 1, 8, 8), -1.0)
    mask[0, 0, 1:4, 1:4] = 1.0
    mask[0, 0, 4, 1:4] = -0.2  # the edge: covered by 0.4
    mask[0, 0, 6, 6] = 1.0  # another part
    mask[0, 0, 6, 1] = -0.5  # haze that touches nothing
    cover = _cover(mask, _near(mask))
    assert cover[1:4, 1:4].min() == 255
    assert cover[4, 1:4].tolist() == [102, 102, 102]
    assert cover.sum() == 9 * 255 + 3 * 102


@pytest.mark.parametrize("px", [16, 48, 512])
def test_sizes_without_a_network_are_refused(px: int) -> None:
    with pytest.raises(ConfigError, match=f"patches of {px} pixels and 7 genes: .* draws 32, 64, 128, 256 pixels"):
        dataclasses.replace(SHAPE, resolution=px)
