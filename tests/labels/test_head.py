"""The label head: every parameter learns, nothing is enlarged before it is reduced, files keep it exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from radgen.errors import CheckpointError
from radgen.labels import head as head_module
from radgen.labels.head import HeadShape, LabelHead, check_head, load_heads, save_heads
from tests.labels.toys import CPU

SHAPE = HeadShape(
    scales=(("scale_004", 40), ("scale_008", 30), ("scale_016", 20)),
    class_names=("a", "b", "c"),
    labels=("background", "x", "y", "z"),
    width=8,
    embedding=4,
    dropout=0.1,
    generator="g1",
)


def _features(count: int = 2) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(count, channels, 4 << place, 4 << place, generator=random)
        for place, (name, channels) in enumerate(SHAPE.scales)
    }


def _head(shape: HeadShape = SHAPE, seed: int = 0) -> LabelHead:
    torch.manual_seed(seed)
    return LabelHead(shape)


def test_mask_has_the_largest_scale_and_every_label() -> None:
    assert _head()(_features(5), torch.tensor([0, 1, 2, 0, 1])).shape == (5, 4, 16, 16)


def test_gradient_reaches_every_parameter() -> None:
    head = _head()
    logits = head(_features(3), torch.tensor([0, 1, 2]))
    F.cross_entropy(logits, torch.randint(0, 4, (3, 16, 16))).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad.flatten(1) if parameter.grad.ndim > 1 else parameter.grad[:, None]).any(dim=1).all(), (
            name
        )


def test_every_scale_is_reduced_before_anything_is_enlarged(monkeypatch: pytest.MonkeyPatch) -> None:
    head, enlarged, reduced = _head(), [], {}
    original = F.interpolate

    def spy(x: torch.Tensor, **options: object) -> torch.Tensor:
        enlarged.append(tuple(x.shape[1:]))
        return original(x, **options)

    monkeypatch.setattr(head_module.F, "interpolate", spy)
    for name, layer in head.reduce.items():
        layer.register_forward_hook(
            lambda _, given, made, name=name: reduced.update({name: (given[0].shape, made.shape)})
        )
    head(_features(), torch.tensor([0, 1]))
    assert enlarged == [(8, 4, 4), (8, 8, 8)]
    for place, (name, channels) in enumerate(SHAPE.scales):
        side = 4 << place
        assert reduced[name] == ((2, channels, side, side), (2, SHAPE.width, side, side))


def test_maps_inside_stay_narrow_however_wide_the_generator_is() -> None:
    wide = replace(SHAPE, scales=tuple((name, 500) for name, _ in SHAPE.scales))
    head, sizes = _head(wide), []
    for module in head.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda _, __, made: sizes.append(made.shape[1]))
    features = {name: torch.randn(1, 500, 4 << place, 4 << place) for place, (name, _) in enumerate(wide.scales)}
    head(features, torch.tensor([0]))
    assert max(sizes) == SHAPE.width


def test_class_changes_the_mask() -> None:
    head = _head().eval()
    with torch.no_grad():
        assert not torch.allclose(head(_features(), torch.tensor([0, 0])), head(_features(), torch.tensor([1, 1])))


def test_file_keeps_the_ensemble_bit_for_bit(tmp_path: Path) -> None:
    heads = [_head(seed=seed).eval() for seed in range(3)]
    save_heads(heads, tmp_path / "one.safetensors")
    save_heads(heads, tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    loaded = load_heads(tmp_path / "one.safetensors", CPU)
    assert loaded[0].shape == SHAPE
    with torch.no_grad():
        for before, after in zip(heads, loaded, strict=True):
            classes = torch.tensor([2, 1])
            assert torch.equal(before(_features(), classes), after(_features(), classes))


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
