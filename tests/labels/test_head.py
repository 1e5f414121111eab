"""The label head: every parameter learns, nothing is enlarged before it is reduced, files keep it exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from radgen.errors import CheckpointError
from radgen.labels.head import HeadShape, LabelHeads, check_head, load_heads, save_heads
from radgen.labels.members import member, start_members
from tests.labels.toys import CPU

SHAPE = HeadShape(
    scales=(("scale_004", 40), ("scale_008", 30), ("scale_016", 20)),
    class_names=("a", "b", "c"),
    labels=("background", "x", "y", "z"),
    members=3,
    width=8,
    generator="g1",
)


def _features(count: int = 2) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(count, channels, 4 << place, 4 << place, generator=random)
        for place, (name, channels) in enumerate(SHAPE.scales)
    }


def _heads(shape: HeadShape = SHAPE, seed: int = 0) -> LabelHeads:
    heads = start_members(shape, [seed + number for number in range(shape.members)])
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():  # as after training: nothing is zero, no channel is standard
        for parameter in heads.parameters():
            parameter.add_(0.3 * torch.rand(parameter.shape, generator=random))
    return heads.eval()


CLASSES = torch.tensor([0, 2, 1])


def _by_hand(
    heads: LabelHeads, number: int, features: dict[str, torch.Tensor], class_ids: torch.Tensor
) -> torch.Tensor:
    """Paint with one member by plain convolutions, one after another, everything enlarged before it is used."""
    own = {
        name: value[number]
        for name, value in heads.state_dict().items()
        if "centre" not in name and "deviation" not in name
    }
    x = torch.empty(0)
    for place, (name, _) in enumerate(heads.shape.scales):
        mean, variance, gain, bias = (own[f"{n}.{place}"] for n in ("mean", "variance", "gain", "bias"))
        centred = (features[name] - heads.centre[name][:, None, None]) / heads.deviation[name][:, None, None]
        reduced = F.conv2d(centred, own[f"reduce.{name}"][:, :, None, None])
        given = reduced if place == 0 else x
        scale, shift = (own[f"{table}.{place}"][class_ids][:, :, None, None] for table in ("scale", "shift"))
        given = given * (1 + scale) + shift
        if place:
            wide = F.interpolate(given, size=reduced.shape[-2:], mode="bilinear", align_corners=False)
            given = F.conv2d(wide, own[f"mix.{place - 1}"][:, :, None, None]) + reduced
        around = F.conv2d(given, own[f"around.{place}"][:, None], padding=1, groups=len(bias))
        x = F.leaky_relu(F.batch_norm(around, mean, variance, gain, bias), 0.2)
    return F.conv2d(x, own["paint"][:, :, None, None], own["paint_bias"][:, 0])


@torch.no_grad()
def test_every_member_paints_as_a_head_written_plainly() -> None:
    heads, features = _heads(), _features(3)
    together = heads(features, CLASSES)
    for number in range(SHAPE.members):
        torch.testing.assert_close(together[number], _by_hand(heads, number, features, CLASSES), rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_member_taken_out_paints_the_same() -> None:
    heads, features = _heads(), _features(3)
    together = heads(features, CLASSES)
    assert not torch.allclose(together[0], together[1], atol=0.1)
    for number in range(SHAPE.members):
        alone = member(heads, number)
        assert alone.shape == replace(SHAPE, members=1)
        torch.testing.assert_close(alone(features, CLASSES)[0], together[number], rtol=1e-4, atol=1e-4)


def test_members_start_from_their_own_seed_whoever_is_beside() -> None:
    two = start_members(replace(SHAPE, members=2), [5, 7])
    one = start_members(replace(SHAPE, members=1), [7])
    for name, value in member(two, 1).state_dict().items():
        assert torch.equal(value, one.state_dict()[name]), name


@torch.no_grad()
def test_training_measures_what_painting_uses() -> None:
    """Batches of one kind, many times: then they are painted as in training, and each image as if it were alone."""
    heads, features = _heads(), _features(3)
    in_training = heads.train()(features, CLASSES)
    for _ in range(200):
        heads(features, CLASSES)
    heads.eval()
    together = heads(features, CLASSES)
    torch.testing.assert_close(together, in_training, rtol=0, atol=0.2)  # of few pixels: variance is over n - 1
    for row in range(3):
        alone = heads({name: maps[row : row + 1] for name, maps in features.items()}, CLASSES[row : row + 1])
        torch.testing.assert_close(alone[:, 0], together[:, row], rtol=1e-4, atol=1e-4)


def test_masks_have_the_largest_scale_and_every_label() -> None:
    assert _heads()(_features(5), torch.tensor([0, 1, 2, 0, 1])).shape == (3, 5, 4, 16, 16)


def test_gradient_reaches_every_parameter() -> None:
    heads = _heads()
    logits = heads(_features(3), CLASSES)
    F.cross_entropy(logits.flatten(0, 1), torch.randint(0, 4, (9, 16, 16))).backward()
    for name, parameter in heads.named_parameters():
        if not parameter.requires_grad:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.flatten(2).any(dim=2).all() if parameter.dim() > 2 else parameter.grad.all(), name


def test_nothing_is_enlarged_before_it_is_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    enlarged = []
    original = F.interpolate

    def spy(x: torch.Tensor, **options: object) -> torch.Tensor:
        enlarged.append(tuple(x.shape[1:]))
        return original(x, **options)

    monkeypatch.setattr("radgen.labels.head.F.interpolate", spy)
    wide = replace(SHAPE, scales=tuple((name, 500) for name, _ in SHAPE.scales))
    features = {name: torch.randn(1, 500, 4 << place, 4 << place) for place, (name, _) in enumerate(wide.scales)}
    _heads(wide)(features, torch.tensor([0]))
    assert enlarged == [(3 * 8, 4, 4), (3 * 8, 8, 8)]


@torch.no_grad()
def test_class_changes_the_mask() -> None:
    heads = _heads()
    assert not torch.allclose(heads(_features(), torch.tensor([0, 0])), heads(_features(), torch.tensor([1, 1])))


@torch.no_grad()
def test_class_nobody_annotated_is_painted_like_the_others_at_first() -> None:
    heads = start_members(SHAPE, [0, 1, 2])
    assert torch.equal(heads(_features(), torch.tensor([0, 0])), heads(_features(), torch.tensor([2, 1])))


@torch.no_grad()
def test_file_keeps_the_ensemble_bit_for_bit(tmp_path: Path) -> None:
    heads = _heads()
    save_heads(heads, tmp_path / "one.safetensors")
    save_heads(heads, tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    loaded = load_heads(tmp_path / "one.safetensors", CPU)
    assert loaded.shape == SHAPE
    assert torch.equal(loaded(_features(3), CLASSES), heads(_features(3), CLASSES))


def test_files_that_are_no_head_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.safetensors"
    for content in (b"", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"head.safetensors: not a label head .* run the labels stage again"):
            load_heads(path, CPU)
    with pytest.raises(CheckpointError, match="not a label head"):
        load_heads(tmp_path / "absent.safetensors", CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator": "g2"}, "was made for generator g1, but here it is g2; run the labels stage again"),
        ({"class_names": ("b", "a", "c")}, "was made for classes"),
        ({"labels": ("background", "x")}, "was made for labels"),
    ],
)
def test_head_of_another_study_is_refused(change: dict[str, object], message: str) -> None:
    here: dict[str, object] = {"generator": "g1", "class_names": SHAPE.class_names, "labels": SHAPE.labels}
    check_head(SHAPE, **here)
    with pytest.raises(CheckpointError, match=message):
        check_head(SHAPE, **(here | change))
