"""The projected discriminator as a whole: what is trained, what is saved, and what its seed decides."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from radgen.errors import ConfigError
from radgen.features.network import ConvEncoder, FeatureNetwork, NetworkShape
from radgen.gan.projected.discriminator import ProjectedDiscriminator, build_projected
from radgen.gan.projected.settings import ProjectedSettings

SHAPE = SimpleNamespace(resolution=16, image_channels=1, classes=2)
SETTINGS = ProjectedSettings(channels=4, head_width=4)


def _encoder() -> FeatureNetwork:
    torch.manual_seed(0)
    return FeatureNetwork(ConvEncoder(NetworkShape(1, 16, 16, 4, 4)), "the encoder's digest", torch.device("cpu"))


def _build(seed: int = 1, **changes: object) -> ProjectedDiscriminator:
    settings = ProjectedSettings(channels=4, head_width=4, seed=seed)
    return build_projected(SHAPE, settings, encoder=_encoder(), **changes)  # type: ignore[arg-type]


def _bytes(state: dict[str, Tensor]) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in state.items()}


def test_each_scale_has_a_head_and_every_parameter_a_gradient() -> None:
    discriminator = _build()
    logits = discriminator(torch.randn(2, 1, 16, 16), torch.tensor([0, 1]))
    assert [tuple(part.shape) for part in logits] == [(2, 25), (2, 25)]
    torch.stack([part.square().mean() for part in logits]).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in discriminator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_only_heads_and_embeddings_are_trained_and_only_they_and_the_mixing_are_saved() -> None:
    discriminator = _build()
    assert {name.split(".")[0] for name, _ in discriminator.named_parameters()} == {"heads", "embedding"}
    assert {name.split(".")[0] for name in discriminator.state_dict()} == {"heads", "embedding", "mixing"}
    assert discriminator.facts()["feature_weights"] == "the encoder's digest"


def test_a_saved_state_makes_the_same_judge() -> None:
    one, other = _build(seed=1).eval(), _build(seed=2).eval()
    images, class_ids = torch.randn(2, 1, 16, 16), torch.tensor([0, 1])
    assert not torch.equal(one(images, class_ids)[0], other(images, class_ids)[0])
    other.load_state_dict(one.state_dict())
    for ours, theirs in zip(one(images, class_ids), other(images, class_ids), strict=True):
        assert torch.equal(ours, theirs)


def test_the_seed_decides_every_byte_and_global_draws_go_on() -> None:
    torch.manual_seed(5)
    one = _bytes(_build(seed=1).state_dict())
    torch.manual_seed(6)
    expected = torch.rand(1, generator=torch.Generator().manual_seed(6))
    settings, encoder = ProjectedSettings(channels=4, head_width=4, seed=1), _encoder()
    torch.manual_seed(6)
    two = _bytes(build_projected(SHAPE, settings, encoder=encoder).state_dict())
    assert torch.equal(torch.rand(1), expected)
    assert one == two


def test_embeddings_begin_at_the_class_means_and_are_trained() -> None:
    means = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 0.0]])
    discriminator = _build(class_means=means)
    assert discriminator.embedding.shape == (2, 3)
    assert discriminator.embedding.requires_grad
    difference = (discriminator.embedding[1] - discriminator.embedding[0]).detach().double()
    torch.testing.assert_close(difference / difference[0], torch.tensor([1.0, 0.0, -1.5]).double())


def test_class_means_of_other_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="class means are of 3 classes, but the generator has 2"):
        _build(class_means=np.zeros((3, 4)))


def test_the_class_matters() -> None:
    images = torch.randn(1, 1, 16, 16).expand(2, -1, -1, -1)
    logits = _build()(images, torch.tensor([0, 1]))
    assert (logits[0][0] - logits[0][1]).abs().max() > 1e-3
