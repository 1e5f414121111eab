"""Settings that cannot work are refused in words."""

from __future__ import annotations

import pytest

from radgen.gan.settings import GanSettings, SampleSettings
from radgen.settings import as_plain, build
from radgen.sources import SourceSettings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss must be one of relativistic, nonsaturating, not 'hinge'"),
        ({"precision": "fp16"}, "precision must be one of auto, bf16, fp32, not 'fp16'"),
        ({"publish": "first"}, "publish must be one of best, last, not 'first'"),
        ({"batch_size": 0}, "batch_size must be above 0, not 0"),
        ({"generator_channels": ()}, "generator_channels needs at least one number above 0"),
        ({"beta2": 1.5}, "beta2 must lie between 0 and 1, not 1.5"),
    ],
)
def test_impossible_training_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GanSettings(**change)  # type: ignore[arg-type]


def test_sampling_takes_counts_or_match() -> None:
    assert SampleSettings(counts={"a": 2}, match=None).counts == {"a": 2}
    for counts, match in (({"a": 2}, "train"), (None, None)):
        with pytest.raises(ValueError, match="either counts or match: train"):
            SampleSettings(counts=counts, match=match)
    with pytest.raises(ValueError, match=r"counts.a must be 0 or more, not -1"):
        SampleSettings(counts={"a": -1}, match=None)


def test_source_words_are_known() -> None:
    with pytest.raises(ValueError, match="train_on must be one of train, low, generator, not 'test'"):
        SourceSettings(train_on="test")


def test_sections_survive_the_way_through_json() -> None:
    settings = GanSettings(generator_channels=(8, 4), mirror=True)
    assert build(GanSettings, as_plain(settings)) == settings
