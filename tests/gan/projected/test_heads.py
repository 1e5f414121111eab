"""Heads: shapes at every size, class projection by its formula, and no image that changes another's logits."""

from __future__ import annotations

import pytest
import torch

from radgen.gan.projected.heads import Head


def _head(size_px: int = 16, seed: int = 0) -> Head:
    torch.manual_seed(seed)
    return Head(3, size_px, 4, 5)


@pytest.mark.parametrize(("size_px", "logits"), [(64, 25), (32, 25), (16, 25), (8, 25), (4, 1), (2, 1), (14, 16)])
def test_a_head_ends_in_a_few_places(size_px: int, logits: int) -> None:
    assert _head(size_px)(torch.randn(2, 3, size_px, size_px), torch.randn(2, 5)).shape == (2, logits)


def test_logits_are_the_projection_on_the_class() -> None:
    head = _head().eval()
    x, embeddings = torch.randn(2, 3, 16, 16), torch.randn(2, 5)
    places = head.verdict(head.blocks(x)).double()
    classes = embeddings.double() @ head.to_class.weight.double().T + head.to_class.bias.double()
    expected = torch.einsum("nchw,nc->nhw", places, classes).flatten(1) / 8
    torch.testing.assert_close(head(x, embeddings).double(), expected, atol=1e-5, rtol=1e-5)


def test_an_image_is_judged_alike_in_any_company() -> None:
    head = _head()
    head.eval()  # spectral norms stay as they are
    x, embeddings = torch.randn(4, 3, 16, 16), torch.randn(4, 5)
    together = head(x, embeddings)
    apart = torch.cat([head(x[part], embeddings[part]) for part in (slice(0, 1), slice(1, 4))])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_every_convolution_has_spectral_norm_one() -> None:
    head = _head()
    for _ in range(30):
        head(torch.randn(1, 3, 16, 16), torch.randn(1, 5))
    weights = [block.convolution.weight for block in head.blocks] + [head.verdict.weight]
    for weight in weights:
        largest = torch.linalg.svdvals(weight.detach().flatten(1))[0].item()
        assert largest == pytest.approx(1.0, abs=0.02)


def test_logits_are_float32_in_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert _head()(torch.randn(1, 3, 16, 16), torch.randn(1, 5)).dtype == torch.float32
