"""Networks, batches and the loop: sizes, determinism, balance, the same steps in every arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from radgen.benchmark.augmentation import Augmentation
from radgen.benchmark.batches import Batch, BatchSource, Pool, augment
from radgen.benchmark.networks import classifier, parameter_count, segmenter
from radgen.benchmark.train import train
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.errors import InputError, TrainingError
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients
from tests.benchmark.toys import write_real, write_synthetic

CPU = torch.device("cpu")
STILL = ArmTrainingSettings(shift=0, scale=0, intensity=0)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return ImageSet(write_real(tmp_path_factory.mktemp("real"))[0])


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return ImageSet(write_synthetic(tmp_path_factory.mktemp("synthetic"), SawPatients())[0])


# ---------------------------------------------------------------- networks


@pytest.mark.parametrize("size_px", [32, 64, 128])
def test_demo_networks_are_small_and_every_weight_learns(size_px: int) -> None:
    settings = ArmTrainingSettings()
    images = torch.randn(2, 1, size_px, size_px, generator=torch.Generator().manual_seed(0))
    networks = [
        classifier(name="residual", channels=1, classes=3, widths=settings.classifier_channels, seed=1),
        segmenter(
            name="unet", channels=1, labels=7, widths=settings.segmenter_channels, size_px=(size_px, size_px), seed=1
        ),
    ]
    for network, shape in zip(networks, [(2, 3), (2, 7, size_px, size_px)], strict=True):
        assert parameter_count(network) <= 500_000
        output = network(images)
        assert tuple(output.shape) == shape
        output.square().mean().backward()
        assert all(weight.grad is not None for weight in network.parameters())


def test_weights_depend_on_the_seed_alone_and_leave_torch_as_it_was() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, second, other = (
        classifier(name="residual", channels=1, classes=2, widths=(4, 4, 8, 8), seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [torch.cat([weight.flatten() for weight in one.parameters()]) for one in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


# ---------------------------------------------------------------- batches


def source(
    real: ImageSet | None, synthetic: ImageSet | None, settings: ArmTrainingSettings = STILL, batch_size: int = 8
) -> BatchSource:
    pools = [None if images is None else Pool(images, np.arange(len(images))) for images in (real, synthetic)]
    return BatchSource(
        real=pools[0],
        synthetic=pools[1],
        synthetic_share=settings.synthetic_share,
        augmentation=Augmentation.of(settings),
        batch_size=batch_size,
        seed=3,
        with_masks=True,
    )


def test_a_batch_depends_on_seed_and_step_alone(real: ImageSet) -> None:
    one, two = (source(real, None, ArmTrainingSettings()) for _ in range(2))
    for _ in range(3):
        one.batch(1, CPU)
    assert torch.equal(one.batch(2, CPU).images, two.batch(2, CPU).images)
    assert not torch.equal(one.batch(2, CPU).images, one.batch(3, CPU).images)


def test_half_of_a_mixed_batch_is_synthetic(real: ImageSet, synthetic: ImageSet) -> None:
    def known(images: ImageSet) -> set[bytes]:
        return {(image.astype(np.float32) / 127.5 - 1).tobytes() for image in images.images(np.arange(len(images)))}

    batch = source(real, synthetic).batch(1, CPU)
    kinds = [image.numpy().tobytes() for image in batch.images]
    assert [kind in known(real) for kind in kinds] == [True] * 4 + [False] * 4
    assert [kind in known(synthetic) for kind in kinds] == [False] * 4 + [True] * 4
    assert len(source(None, synthetic).batch(1, CPU).images) == 8


def test_rare_classes_are_drawn_as_often_as_frequent_ones(real: ImageSet) -> None:
    spots = real.rows_where(class_name="spot")[:2]
    pool = Pool(real, np.concatenate([real.rows_where(class_name="normal"), spots]))
    drawn = pool.classes(pool.draw(2000, np.random.default_rng(0)))
    assert drawn.mean() == pytest.approx(0.5, abs=0.05)


def test_masks_follow_their_image_through_augmentation() -> None:
    """The image is the mask itself, so it must stay so: labels by nearest, values between."""
    masks = torch.zeros(16, 1, 32, 32, dtype=torch.long)
    masks[:, :, 8:24, 10:20] = 1
    settings = ArmTrainingSettings(shift=0.2, scale=0.3, intensity=0, mirror=True)
    batch = Batch(masks.float(), torch.zeros(16, dtype=torch.long), masks)
    moved = augment(batch, Augmentation.of(settings), np.random.default_rng(0))
    assert moved.masks is not None
    assert ((moved.images > 0.5).long() != moved.masks).float().mean() < 0.01
    assert (moved.masks != masks).float().mean() > 0.05
    assert set(moved.masks.unique().tolist()) == {0, 1}


def test_without_augmentation_images_stay_as_they_are() -> None:
    images = torch.randn(4, 1, 16, 16)
    same = augment(Batch(images, torch.zeros(4), None), Augmentation.of(STILL), np.random.default_rng(0)).images
    assert torch.allclose(same, images, atol=1e-5)


def test_no_arm_is_mirrored_unless_the_study_says_so() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(64, 1, 32, 32).contiguous()
    for mirror in (False, True):
        settings = ArmTrainingSettings(mirror=mirror)
        moved = augment(Batch(ramp, torch.zeros(64), None), Augmentation.of(settings), np.random.default_rng(0)).images
        falls = moved[:, 0, 16, -1] < moved[:, 0, 16, 0]
        assert bool(falls.any()) is mirror


def test_sets_of_two_sizes_are_refused(real: ImageSet, tmp_path: Path) -> None:
    with ShardWriter(tmp_path, "shard-000", (1, 16, 16), with_masks=False) as writer:
        writer.append({"image_id": "a", "source": "toy", "class_id": 0}, np.zeros((1, 16, 16), dtype=np.uint8))
    gather_index([tmp_path / "shard-000.index.parquet"], tmp_path / "index.parquet")
    small = ImageSet(tmp_path / "index.parquet")
    with pytest.raises(InputError, match=r"shape \(1, 16, 16\), but the real ones are \(1, 32, 32\); make both"):
        source(real, small)
    with pytest.raises(InputError, match="no masks here, but segmentation needs them"):
        source(None, small)


# ---------------------------------------------------------------- the loop


class Probe:
    """A task whose validation scores are given; it counts the loop's calls."""

    learning_rate = 1e-3

    def __init__(self, scores: list[tuple[float, float]], loss_factor: float = 1.0) -> None:
        self.scores, self.factor, self.steps = iter(scores), loss_factor, 0

    def network(self, seed: int, outputs: int | None = None) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Conv2d(1, 1, 1)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        self.steps += 1
        return logits.square().mean() * self.factor

    def validate(self, network: nn.Module, device: torch.device) -> tuple[float, float]:
        return next(self.scores)


def run_probe(real: ImageSet, scores: list[tuple[float, float]], **changes: float) -> tuple[Probe, list[bool]]:
    settings = ArmTrainingSettings(max_steps=10, eval_every=4)
    probe = Probe(scores, **changes)
    _, history = train(probe, source(real, None, settings, batch_size=2), settings, 1, CPU)
    assert [check.step for check in history] == [4, 8, 10]
    return probe, [check.chosen for check in history]


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ([(0.5, 1.0), (0.9, 2.0), (0.7, 0.1)], 1),
        ([(0.9, 2.0), (0.9, 1.0), (0.9, 3.0)], 1),
        ([(float("nan"), 1.0), (float("nan"), 2.0), (float("nan"), 0.5)], 2),
        ([(0.9, 1.0), (0.9, 1.0), (0.9, 1.0)], 0),
    ],
    ids=["best score", "ties by loss", "loss where no score", "first of equals"],
)
def test_best_state_is_kept_and_no_arm_stops_early(
    real: ImageSet, scores: list[tuple[float, float]], chosen: int
) -> None:
    probe, found = run_probe(real, scores)
    assert probe.steps == 10
    assert found == [place == chosen for place in range(3)]


def test_a_loss_that_is_not_finite_stops_the_arm(real: ImageSet) -> None:
    with pytest.raises(TrainingError, match=r"loss is nan; lower its learning rate"):
        run_probe(real, [], loss_factor=float("nan"))
