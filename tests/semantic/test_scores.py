"""Scores and samples: noise is unlike noise, ranges matter, samples are a function of their names."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from radgen.errors import InputError
from radgen.features.network import ConvEncoder, NetworkShape
from radgen.labels.segmenter import Segmenter, SegmenterShape
from radgen.metrics.semantic_scores import outlines_filled
from radgen.metrics.semantic_ticks import Exam
from radgen.semantic.generator import SemanticGenerator, SemanticShape
from radgen.semantic.sampling import SemanticSampler
from radgen.semantic.scores import encoder_distance, ms_ssim, psnr, rmse, sameness, ssim
from radgen.semantic.settings import SemanticNetworkSettings
from tests.semantic import toys
from tests.semantic.maps.toys import SCHEMA, SIDE, discs, write_pairs


def _noise(seed: int, size: int = 64) -> torch.Tensor:
    return torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(seed))


def test_two_noise_images_are_not_alike() -> None:
    assert float(ssim(_noise(1), _noise(2), data_range=1.0).max()) < 0.05
    assert torch.allclose(ssim(_noise(1), _noise(1), data_range=1.0), torch.ones(2))
    # The wrong range makes them alike: that is why it must be stated.
    assert float(ssim(_noise(1), _noise(2), data_range=255.0).min()) > 0.9


def test_constant_images_have_the_known_similarity() -> None:
    one, two = torch.zeros(1, 1, 16, 16), torch.full((1, 1, 16, 16), 0.5)
    assert float(ssim(one, two, data_range=1.0)) == pytest.approx(1e-4 / (0.25 + 1e-4), rel=1e-3)
    assert float(rmse(one, two)) == 0.5
    assert float(psnr(one, two, data_range=1.0)) == pytest.approx(20 * math.log10(2))


def test_similarity_over_scales_tells_variety() -> None:
    base = _noise(3)
    assert torch.allclose(ms_ssim(base, base, data_range=1.0), torch.ones(2))
    near, far = base + 0.05 * _noise(4), _noise(5)
    assert float(ms_ssim(base, near, data_range=1.0).mean()) > float(ms_ssim(base, far, data_range=1.0).mean()) + 0.3
    assert sameness(base[:1].expand(3, -1, -1, -1), data_range=1.0) == pytest.approx(1)
    with pytest.raises(InputError, match="1 sample"):
        sameness(base[:1], data_range=1.0)
    with pytest.raises(InputError, match=r"\(8, 8\) pixels are smaller than SSIM's window of 11"):
        ssim(_noise(1, 8), _noise(2, 8), data_range=1.0)


def test_the_encoders_distance_grows_with_the_change() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(NetworkShape(1, 64, 64, 8, 8)).eval()
    base, change = _noise(1), _noise(2)
    distances = [float(encoder_distance(encoder, base, base + s * change).mean()) for s in (0.0, 0.1, 1.0)]
    assert distances[0] == 0 < distances[1] < distances[2]


def test_an_image_is_a_function_of_map_name_index_and_seed() -> None:
    torch.manual_seed(0)
    generator = SemanticGenerator(SemanticShape(toys.PX, toys.PX, 1, 3, toys.TINY)).eval()
    label_map = toys.maps(1)[0].numpy()
    sampler = SemanticSampler(generator, source="toy", seed=1)
    several = sampler.images(label_map, "case", [0, 5, 2])
    assert np.array_equal(sampler.images(label_map, "case", [2])[0], several[2])
    others = (
        sampler.images(label_map, "other", [2]),
        sampler.images(label_map, "case", [3]),
        SemanticSampler(generator, source="toy", seed=2).images(label_map, "case", [2]),
    )
    assert all(not np.array_equal(other[0], several[2]) for other in others)
    with pytest.raises(InputError, match="label map case: ids from 0 to 3, but the generator knows 0 to 2"):
        sampler.images(np.clip(label_map, 0, None) + (label_map == 2), "case", [0])
    with pytest.raises(InputError, match=r"label map case: \(16, 32\) pixels, but the generator paints \(32, 32\)"):
        sampler.images(label_map[:16], "case", [0])


def test_a_wider_spread_of_regions_sets_images_of_a_map_apart() -> None:
    torch.manual_seed(0)
    networks = SemanticNetworkSettings(**{**vars(toys.TINY), "image_noise": 0, "pixel_noise": 0})
    generator = SemanticGenerator(SemanticShape(toys.PX, toys.PX, 1, 3, networks)).eval()
    apart = []
    for spread in (0.5, 1.0, 2.0):
        sampler = SemanticSampler(generator, source="toy", seed=1, region_spread=spread)
        made = sampler.images(toys.maps(1)[0].numpy(), "case", range(6)).astype(float)
        apart.append(made.std(axis=0).mean())
    assert 0 < apart[0] < apart[1] < apart[2]


def test_filled_outlines_show_the_body_alone_with_the_spread_of_real_images(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path, discs(6))
    rows = np.arange(6)
    segmenter = Segmenter(SegmenterShape(1, (4, 8), SCHEMA.names))
    exam = Exam(pairs, rows, pairs, rows, True, SCHEMA, segmenter, torch.device("cpu"))
    real = np.random.default_rng(1).normal(120, 20, (6, 1, SIDE, SIDE)).clip(1, 255).astype(np.uint8)
    filled = outlines_filled(exam, real, (0,), seed=1)
    body = pairs.masks(rows) > 0
    assert not filled[:, 0][~body].any()
    assert filled[:, 0][body].mean() == pytest.approx(120, abs=2)
    assert filled[:, 0][body].std() == pytest.approx(20, abs=2)
    # A lesion lies in its liver unseen.
    lesion, liver = (filled[:, 0][pairs.masks(rows) == label].mean() for label in (9, 3))
    assert lesion == pytest.approx(liver, abs=5)
