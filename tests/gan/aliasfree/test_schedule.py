"""Layers of stems and grown networks: numbers worked out from the formulas, and measured on a published network."""

from __future__ import annotations

import json

import pytest

from radgen.errors import ConfigError
from radgen.gan.aliasfree.presets import chain_shape
from radgen.gan.aliasfree.schedule import AliasFreeShape, Stage, plan
from radgen.settings import as_plain, build

# In size, out size, in rate, out rate, cutoff behind, cutoff and half-width, channels: a 16 px stem of seven layers
# grown twice by four, channel base 128, at most 24. Taken from the attributes of a network of the published code.
GROWN_TWICE = (
    (36, 36, 16, 16, 2.0, 8.0, 24),
    (36, 36, 16, 16, 2.6390158215457884, 8.0, 24),
    (36, 36, 16, 16, 3.4822022531844965, 8.0, 18),
    (36, 36, 16, 16, 4.5947934199881395, 8.0, 14),
    (36, 36, 16, 16, 6.062866266041593, 8.339726, 11),
    (36, 36, 16, 16, 6.062866266041593, 8.339726, 11),
    (36, 52, 16, 32, 9.84915530675933, 16.0, 6),
    (52, 52, 32, 32, 9.84915530675933, 16.0, 6),
    (52, 84, 32, 64, 17.75311155308552, 32.0, 4),
    (84, 84, 64, 64, 32.0, 39.396621, 2),
    (84, 64, 64, 64, 32.0, 39.396621, 2),
    (64, 64, 64, 64, 32.0, 39.396621, 3),
)


def small(resolution: int, layers: int) -> Stage:
    return Stage(resolution, layers, 128, 24)


def test_grown_network_has_the_published_numbers() -> None:
    layers = plan(AliasFreeShape(3, 2, small(16, 7), (small(32, 4), small(64, 4))))
    assert len(layers) == len(GROWN_TWICE)
    for layer, (in_size, out_size, in_rate, out_rate, cutoff, stop, channels) in zip(layers, GROWN_TWICE, strict=True):
        assert (layer.in_size, layer.out_size, layer.in_rate, layer.out_rate) == (in_size, out_size, in_rate, out_rate)
        assert layer.out_cutoff == pytest.approx(cutoff, rel=1e-9)
        assert layer.out_cutoff + layer.out_half_width == pytest.approx(stop, rel=1e-6)
        assert layer.outputs == channels


def test_stem_follows_the_formulas_of_the_paper() -> None:
    layers = plan(AliasFreeShape(1, 2, Stage(64, 14, 32768, 512)))
    for place, layer in enumerate(layers):
        share = min(place / 12, 1)
        stop = 2**2.1 * (32 * 2**0.3 / 2**2.1) ** share
        assert layer.out_cutoff == pytest.approx(2 * 16**share)
        assert layer.out_rate >= min(2 * stop, 64) > layer.out_rate / 2
        assert layer.out_half_width == pytest.approx(max(stop, layer.out_rate / 2) - layer.out_cutoff)
        assert layer.out_size == (64 if place >= 13 else layer.out_rate + 20)
        if not layer.to_image:
            assert layer.outputs == round(min(16384 / layer.out_cutoff, 512))


def test_a_head_begins_at_the_bands_rate_and_channels_of_the_last_layer_kept() -> None:
    stem = AliasFreeShape(1, 2, small(16, 9))
    # The stopband of a head starts at half the sampling rate where the kept layer's own lies below: otherwise the
    # second layer of this one would work at 64.
    grown = plan(AliasFreeShape(1, 2, small(16, 9), (small(64, 5), small(128, 7))))
    assert [layer.stage for layer in grown] == [0] * 7 + [1] * 3 + [2] * 8
    for stage in (1, 2):
        place = next(number for number, layer in enumerate(grown) if layer.stage == stage)
        last, first = grown[place - 1], grown[place]
        assert (first.in_cutoff, first.in_half_width) == (last.out_cutoff, last.out_half_width)
        assert (first.out_cutoff, first.out_half_width) == (last.out_cutoff, pytest.approx(last.out_half_width))
        assert first.out_rate == last.out_rate
        assert first.inputs == last.outputs
    assert [layer.out_rate for layer in grown[10:]] == [64, *[128] * 7]
    assert grown[14].out_cutoff + grown[14].out_half_width == pytest.approx(65.7993, abs=1e-4)
    assert grown[:7] == plan(stem)[:7]


@pytest.mark.parametrize(("preset", "resolution", "count"), [("7/4", 512, 18), ("10/7", 512, 36), ("10/7", 1024, 41)])
def test_presets_have_as_many_layers_as_said(preset: str, resolution: int, count: int) -> None:
    assert len(plan(chain_shape(preset, resolution, image_channels=3, classes=124))) == count


def test_radial_networks_have_radial_filters_but_for_the_last_two() -> None:
    layers = plan(AliasFreeShape(1, 2, small(16, 6), (small(32, 4),), filters="radial"))
    assert [layer.radial for layer in layers] == [True] * 6 + [False] * 3
    assert {layer.kernel for layer in layers} == {1}


def test_shape_survives_json() -> None:
    shape = chain_shape("10/7", 64, image_channels=1, classes=3, filters="radial")
    assert build(AliasFreeShape, json.loads(json.dumps(as_plain(shape)))) == shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": Stage(16, 2)}, r"a stage of 2 layers: give at least 3"),
        ({"stem": Stage(24, 7)}, r"a stage of 24 pixels; give a power of two"),
        ({"heads": (Stage(16, 4),)}, r"a head of 16 pixels on a stage of 16; each must be larger"),
        ({"filters": "round"}, r"filters must be one of separable, radial, not 'round'"),
        ({"embedding_dim": 0}, r"2 classes with embeddings of length 0"),
    ],
)
def test_impossible_shapes_are_refused(change: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"image_channels": 1, "classes": 2, "stem": Stage(16, 7)} | change
    with pytest.raises(ConfigError, match=message):
        AliasFreeShape(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("preset", "resolution", "message"), [("8/5", 64, "one of 10/7, 7/4"), ("7/4", 48, "48 pix")])
def test_impossible_chains_are_refused(preset: str, resolution: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        chain_shape(preset, resolution, image_channels=1, classes=2)
