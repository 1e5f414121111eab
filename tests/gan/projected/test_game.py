"""A residual generator against the projected discriminator, on the toy study."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from radgen.features.network import load_features
from radgen.gan.generator import Generator
from radgen.gan.losses import hinge_discriminator, hinge_generator
from radgen.gan.projected.blur import blur, blur_sigma_px
from radgen.gan.projected.discriminator import ProjectedDiscriminator, build_projected
from radgen.gan.projected.game import meet
from radgen.gan.projected.settings import ProjectedSettings
from radgen.gan.sampling import from_grey
from radgen.imageset.torch import RowBatches
from tests.gan.toys import SHAPE, images_of, study

SETTINGS = ProjectedSettings(channels=8, head_width=8, blur_sigma_px=1.0, blur_images=80)
BATCH = 8
CPU = torch.device("cpu")


def _networks(folder: Path) -> tuple[Generator, ProjectedDiscriminator]:
    torch.manual_seed(0)
    generator = Generator(SHAPE)
    encoder = load_features(folder / "encoder/encoder.safetensors")
    return generator, build_projected(SHAPE, SETTINGS, encoder=encoder)


def _made(generator: Generator, class_ids: Tensor, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(len(class_ids), SHAPE.z_dim, generator=random)
    images: Tensor = generator(z, class_ids, torch.randn(len(class_ids), generator.noise_length, generator=random))
    return images


class Trained:
    """What a short training leaves."""

    def __init__(self, folder: Path, *, images: int, generator_rate: float = 2e-3) -> None:
        self.generator, self.discriminator = _networks(folder)
        self.batches = RowBatches(images_of(folder), range(120), [0] * 60 + [1] * 60, seed=0, balanced=True)
        trained = ((self.generator, generator_rate), (self.discriminator, 2e-3))
        optimisers = [torch.optim.Adam(network.parameters(), rate, betas=(0.0, 0.99)) for network, rate in trained]
        self.losses: list[float] = []
        for seen in range(0, images, BATCH):
            real, class_ids = self.real(seen)
            sigma = blur_sigma_px(seen, start_px=SETTINGS.blur_sigma_px, images=SETTINGS.blur_images)
            made = _made(self.generator, class_ids, seen)
            fake = made.detach().requires_grad_()
            for optimiser in optimisers:
                optimiser.zero_grad()
            meeting = meet(self.discriminator, blur(real, sigma), blur(fake, sigma), class_ids, fake)
            meeting.discriminator.backward(inputs=list(self.discriminator.parameters()))  # type: ignore[no-untyped-call]
            made.backward(meeting.slope)  # type: ignore[no-untyped-call]
            for optimiser in optimisers:
                optimiser.step()
            self.losses.append(meeting.discriminator.item())

    def real(self, seen: int) -> tuple[Tensor, Tensor]:
        grey, class_ids = self.batches.batch(seen, BATCH)
        return from_grey(grey.numpy(), CPU), class_ids

    def state(self) -> dict[str, bytes]:
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        return {
            f"{name}.{key}": value.numpy().tobytes()
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study(tmp_path)


def test_a_meeting_is_the_losses_and_slopes_of_plain_autograd(folder: Path) -> None:
    generator, discriminator = _networks(folder)
    discriminator.eval()  # or every call would move the spectral norms
    class_ids = torch.arange(BATCH) % 2
    real = torch.rand(BATCH, 1, 16, 16) * 2 - 1
    fake = _made(generator, class_ids, 1).detach().requires_grad_()
    meeting = meet(discriminator, real, blur(fake, 1.0), class_ids, fake)
    parameters = list(discriminator.parameters())
    ours = torch.autograd.grad(meeting.discriminator, parameters)

    fake_logits = discriminator(blur(fake, 1.0), class_ids)
    loss = hinge_discriminator(discriminator(real, class_ids), fake_logits)
    (slope,) = torch.autograd.grad(hinge_generator(fake_logits), fake, retain_graph=True)
    torch.testing.assert_close(meeting.discriminator, loss)
    torch.testing.assert_close(meeting.slope, slope, atol=1e-7, rtol=1e-4)
    for one, other in zip(ours, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_the_discriminator_learns_to_tell_a_generator_that_stands_still(folder: Path) -> None:
    trained = Trained(folder, images=400, generator_rate=0.0)
    discriminator = trained.discriminator.eval()
    real, class_ids = trained.real(100_000)
    fake = _made(trained.generator, class_ids, 100_000)
    logits = [torch.cat(discriminator(x, class_ids), dim=1).mean(dim=1) for x in (real, fake.detach())]
    assert logits[0].min() > logits[1].max()
    assert trained.losses[0] > 1.5
    assert sum(trained.losses[-5:]) / 5 < 0.7


def test_the_generator_learns_and_frozen_parts_do_not(folder: Path) -> None:
    before_generator, before = _networks(folder)
    trained = Trained(folder, images=80)
    start = dict(before_generator.named_parameters())
    unmoved = [name for name, value in trained.generator.named_parameters() if torch.equal(value, start[name])]
    assert unmoved == []
    frozen = dict(before.features.named_buffers()) | dict(before.mixing.named_buffers())
    assert len(frozen) > 10
    after = dict(trained.discriminator.features.named_buffers()) | dict(trained.discriminator.mixing.named_buffers())
    assert all(torch.equal(value, after[name]) for name, value in frozen.items())
    moved = dict(trained.discriminator.named_parameters())
    assert not any(torch.equal(value, moved[name]) for name, value in before.named_parameters())


def test_the_same_seed_gives_the_same_bytes(folder: Path) -> None:
    assert Trained(folder, images=80).state() == Trained(folder, images=80).state()


def test_samples_come_nearer_to_real_images(folder: Path) -> None:
    """Few images: grey levels and the side of the square are right, which noise at the start is not."""
    trained = Trained(folder, images=480)
    real, class_ids = trained.real(0)
    untrained = _made(_networks(folder)[0], class_ids, 5)
    made = _made(trained.generator, class_ids, 5)
    gaps = [(images.mean(dim=0) - real.mean(dim=0)).abs().mean().item() for images in (untrained, made)]
    assert gaps[1] < 0.5 * gaps[0]
