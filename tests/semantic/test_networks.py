"""Networks: the Haar transform is exact, sizes are free, noise and maps decide the image, norms are one."""

from __future__ import annotations

import pytest
import torch

from radgen.errors import ConfigError
from radgen.semantic.generator import SemanticGenerator, SemanticShape, draw_noise, one_hot
from radgen.semantic.judges import PixelJudge, WaveletJudge
from radgen.semantic.layers import SpectralConv, haar, inverse_haar
from radgen.semantic.settings import REFERENCE, SemanticNetworkSettings
from tests.semantic import toys


def test_haar_is_orthonormal_and_undone_exactly() -> None:
    x = torch.randn(2, 3, 8, 12, dtype=torch.float64)
    assert torch.allclose(inverse_haar(haar(x)), x, rtol=0, atol=1e-15)
    assert torch.allclose(haar(x).square().sum(), x.square().sum())
    flat = haar(torch.ones(1, 1, 4, 4))
    assert torch.equal(flat[0, 0], torch.full((2, 2), 2.0))
    assert not flat[0, 1:].any()


@pytest.mark.parametrize("networks", [toys.TINY, toys.WAVELET])
@pytest.mark.parametrize(("height", "width", "channels"), [(32, 32, 1), (64, 96, 3)])
def test_any_multiple_of_32_is_painted_and_judged(
    networks: SemanticNetworkSettings, height: int, width: int, channels: int
) -> None:
    shape = SemanticShape(height, width, channels, 3, networks)
    generator, maps = SemanticGenerator(shape), toys.maps(2, height, width)
    noise = draw_noise(shape, [1, 2])
    images = generator(maps, noise)
    assert images.shape == (2, channels, height, width)
    assert float(images.abs().max()) <= 1
    assert PixelJudge(shape, free=True)(images).shape == (2, 4, height, width)
    assert WaveletJudge(shape)(images).shape == (2,)
    # An image does not depend on the one beside it; it does on its map and on both kinds of noise.
    assert torch.allclose(generator(maps[:1], noise[:1]), images[:1], atol=1e-5)
    for change in (slice(0, 2), slice(2, None)):
        other = noise.clone()
        other[:, change] += 1
        assert not torch.allclose(generator(maps, other), images, atol=1e-4)
    assert not torch.allclose(generator(maps.flip(2), noise), images, atol=1e-4)


def test_an_image_of_background_alone_is_painted() -> None:
    shape = SemanticShape(32, 32, 1, 3, toys.TINY)
    images = SemanticGenerator(shape)(torch.zeros(1, 32, 32, dtype=torch.int64), draw_noise(shape, [1]))
    assert bool(images.isfinite().all())


def test_background_is_a_label_and_unlabelled_is_none() -> None:
    hot = one_hot(torch.tensor([[[0, 2, -1]]]), 3)
    assert hot[0, :, 0].t().tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_a_side_that_is_no_multiple_of_32_is_refused() -> None:
    with pytest.raises(ConfigError, match="images of 64 x 50 pixels: both sides must be multiples of 32; crop or pad"):
        SemanticShape(64, 50, 1, 3, toys.TINY)


def test_the_largest_singular_value_becomes_one() -> None:
    layer = SpectralConv(6, 7)
    for _ in range(60):
        layer.advance()
    sigma = torch.dot(layer.left, layer.weight.flatten(1) @ layer.right)
    assert torch.allclose(sigma, torch.linalg.matrix_norm(layer.weight.flatten(1), 2), rtol=1e-3)
    x = torch.randn(1, 6, 5, 5)
    expected = torch.nn.functional.conv2d(x, layer.weight / sigma, layer.bias, padding=1)
    assert torch.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [1, 3])
def test_the_gradient_of_divided_weights_is_autograds(layout: torch.memory_format, size: int) -> None:
    torch.manual_seed(0)
    layer = SpectralConv(6, 7, size=size).double().to(memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(2, 6, 5, 5, dtype=torch.float64)
    (found,) = torch.autograd.grad(layer(x).square().sum(), layer.weight)
    sigma = torch.dot(layer.left, layer.weight.flatten(1) @ layer.right)
    plain = torch.nn.functional.conv2d(x, layer.weight / sigma, layer.bias, padding=size // 2)
    (expected,) = torch.autograd.grad(plain.square().sum(), layer.weight)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_the_reference_size_is_that_of_the_papers_code() -> None:
    shape = SemanticShape(64, 64, 3, 38, REFERENCE)
    networks = (SemanticGenerator(shape), PixelJudge(shape, free=True), WaveletJudge(shape))
    sizes = [sum(item.numel() for item in network.parameters()) / 1e6 for network in networks]
    assert sizes == pytest.approx([10.2, 22.3, 20.7], rel=0.1)


def test_an_opponent_may_grow_as_sure_as_it_likes_and_a_helper_may_not() -> None:
    images = torch.rand(2, 1, 32, 32)
    for mode, grows in (("paired", True), ("unpaired", False)):
        judge = toys.trainer(mode).system.segmenter
        before = judge(images) - judge.name.bias[:, None, None]
        with torch.no_grad():
            judge.name.weight.mul_(10)
        after = judge(images) - judge.name.bias[:, None, None]
        assert torch.allclose(after, 10 * before if grows else before, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["image_noise", "region_noise", "pixel_noise"])
def test_each_kind_of_noise_may_be_absent_and_changes_the_image(kind: str) -> None:
    alone = {name: 2 if name == kind else 0 for name in ("image_noise", "region_noise", "pixel_noise")}
    rest = {name: 2 - count for name, count in alone.items()}
    for counts in (alone, rest):
        shape = SemanticShape(32, 32, 1, 3, SemanticNetworkSettings(**{**vars(toys.TINY), **counts}))
        generator, maps = SemanticGenerator(shape), toys.maps(1).expand(2, -1, -1)
        with torch.no_grad():
            made = generator(maps, draw_noise(shape, [1, 2]))
        assert made.shape == (2, 1, 32, 32)
        assert float((made[0] - made[1]).abs().mean()) > 1e-4


def test_noise_is_of_images_of_regions_and_of_pixels() -> None:
    shape = SemanticShape(32, 64, 1, 3, toys.TINY)
    maps = toys.maps(1, 32, 64)
    noise = SemanticGenerator(shape)._condition(maps, draw_noise(shape, [1]))[0, 3:]
    rough = ((noise[:, 1:] - noise[:, :-1]).square().mean(dim=(1, 2)) / noise.var(dim=(1, 2))).tolist()
    assert noise[:2].flatten(1).std(dim=1).max() == 0
    assert max(rough[2:4]) < 0.2 < 1.5 < min(rough[4:])
    assert noise[2:4].flatten(1).std(dim=1).min() > 0.3
