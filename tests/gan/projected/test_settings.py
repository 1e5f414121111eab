"""Settings of the projected discriminator are refused where nothing could be built from them."""

from __future__ import annotations

import pytest

from radgen.errors import ConfigError
from radgen.gan.projected.settings import ProjectedSettings
from radgen.settings import as_plain, build


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("network", "vgg", "network must be one of encoder, resnet50"),
        ("mean", (0.5,), "mean needs three numbers or none"),
        ("std", (0.5, 0.5, 0.0), "std must be above 0"),
        ("scales", 0, "scales must be 1 or more, not 0"),
        ("channels", 0, "channels must be 1 or more, not 0"),
        ("head_width", 0, "head_width must be 1 or more, not 0"),
        ("input_px", -1, "input_px must be 0 or more, not -1"),
        ("blur_sigma_px", -1.0, "blur_sigma_px must be 0 or more"),
        ("blur_images", -1, "blur_images must be 0 or more"),
    ],
)
def test_impossible_values_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(ProjectedSettings, {name: value})


def test_settings_survive_json() -> None:
    settings = ProjectedSettings(network="timm:resnet18", mean=(0.5, 0.5, 0.5), blur_images=7)
    assert build(ProjectedSettings, as_plain(settings)) == settings
