"""Kinds of sources: which stages each is in, and whose images a task reads."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.sources import SourceSettings
from radgen.study import Study
from radgen.workflow import NOTHING, Plan
from tests.workflow.runs import TINY

SOURCES = {"main": {"setting": "shared"}, "painted": {"kind": "semantic", "setting": "shared"}}
ARMS = {
    name: {"real_fraction": "low", "synthetic": source} for name, source in (("heads", "main"), ("maps", "painted"))
}


def plan(**changes: Any) -> Plan:
    tiny = yaml.safe_load(TINY.read_text())
    return Plan(Study.of(load_config(tiny | {"sources": SOURCES, "arms": ARMS} | changes)))


def test_sources_are_listed_by_kind() -> None:
    study = plan().study
    assert study.sources == ["main", "painted"]
    assert study.sources_of("semantic") == ["painted"]
    assert study.sources_of("gan", "semantic") == ["main", "painted"]
    assert (plan().only("gan"), plan(sources={}, arms={}).only("gan")) == ("main", NOTHING)


def test_masks_of_a_generators_images_are_its_pairs_and_other_images_have_their_own() -> None:
    root = "results/tiny/"
    places = {
        (source, task): plan().images_of(source, task, "part_index").removeprefix(root)
        for source in SOURCES
        for task in ("classification", "segmentation", "metrics")
    }
    assert places.pop(("main", "segmentation")) == "pairs/main/index.parquet"
    assert {place for (source, _), place in places.items() if source == "main"} == {"samples/main/index.parquet"}
    assert {place for (source, _), place in places.items() if source == "painted"} == {"samples/painted/index.parquet"}


def test_only_arms_on_pairs_wait_for_annotation() -> None:
    waiting = plan(annotation={"source": "folder"}).study
    assert "heads" not in waiting.arms("segmentation")
    assert "maps" in waiting.arms("segmentation")
    assert {"heads", "maps"} <= set(waiting.arms("classification"))
    assert waiting.annotated_sources == []
    assert plan().study.annotated_sources == ["main"]


def test_nobody_annotates_where_no_generator_needs_it() -> None:
    study = plan(sources={"painted": SOURCES["painted"]}, arms={"maps": ARMS["maps"]}).study
    assert not study.simulated_annotator
    assert study.absent()["annotation, label head and pairs"] == "no source is of kind gan"
    assert "maps" in study.arms("segmentation")


def test_a_source_of_maps_needs_labels() -> None:
    changes = {
        "structures": {"names": []},
        "cohort": {"min_patients": 1},
        "classes": {"by": "folder", "names": ["a", "b"]},
    }
    with pytest.raises(ConfigError, match=r"sources.painted is of kind semantic, but structures.names are none"):
        plan(**changes).check_inputs()


def test_a_redrawn_source_has_a_seed_of_its_own() -> None:
    sources = {"main": {}, "again": {"seed": 7}}
    arms = {"plus": {"synthetic": "main", "redrawn": ["again"]}}
    study = plan(sources=sources, arms=arms).study
    for stage, section in (("gan", "gan"), ("sample", "sample"), ("pairs", "sample")):
        seeds = [study.settings(stage, source=name)[section]["seed"] for name in ("main", "again")]
        assert seeds == [1, 7]
    with pytest.raises(
        ConfigError, match="arm 'plus': sources main, again share a seed; give each redrawn one its own"
    ):
        plan(sources={"main": {}, "again": {}}, arms=arms)


@pytest.mark.parametrize(("size", "near"), [(80, "64 or 96"), (16, "32")])
def test_sides_of_painted_images_are_multiples_of_32(size: int, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"slices.size_px is {size}, but source painted .* of 32; choose {near}$"):
        plan(slices={"size_px": size}).check_inputs()


def test_settings_of_single_sources_belong_to_sources_that_paint() -> None:
    with pytest.raises(ConfigError, match=r"semantic.sources: 'main' is no source of kind semantic; these are painted"):
        plan(semantic={"sources": {"main": {"mask": 1.0}}}).check_inputs()
    with pytest.raises(ConfigError, match=r"semantic.sources.painted: mode must be one of .*, not 'both'"):
        plan(semantic={"sources": {"painted": {"mode": "both"}}}).check_inputs()
    with pytest.raises(ConfigError, match=r"semantic_sample.sources: 'main' is no source of kind semantic"):
        plan(semantic_sample={"sources": {"main": {"region_spread": 2.0}}}).check_inputs()
    with pytest.raises(ConfigError, match=r"semantic_sample.sources.painted: region_spread must be .*0"):
        plan(semantic_sample={"sources": {"painted": {"region_spread": 0.0}}}).check_inputs()
    own = plan(semantic_sample={"region_spread": 2.0, "sources": {"painted": {"region_spread": 3.0}}}).study
    for stage in ("semantic_sample", "semantic_scores"):
        assert own.settings(stage, source="painted")["semantic_sample"]["region_spread"] == 3.0
        assert own.settings(stage, source="main")["semantic_sample"]["region_spread"] == 2.0


def test_maps_of_a_folder_and_weights_to_go_on_from_must_be_there(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "maps")
    with pytest.raises(ConfigError, match=r"semantic_sample.maps: .*maps holds no set of label maps .*import-maps"):
        plan(semantic_sample={"maps": nowhere}).check_inputs()
    with pytest.raises(ConfigError, match=r"semantic.maps of painted: .*maps holds no set of label maps"):
        plan(semantic={"mode": "unpaired", "maps": nowhere}).check_inputs()
    with pytest.raises(ConfigError, match=r"semantic.init_from of painted old.safetensors: no such file of weights"):
        plan(semantic={"init_from": "old.safetensors"}).check_inputs()


def test_training_goes_on_from_another_source_by_name() -> None:
    sources = {"first": SOURCES["painted"], "second": SOURCES["painted"]}
    given = plan(sources=sources, arms={}, semantic={"sources": {"second": {"init_from": "first/best"}}})
    given.check_inputs()
    start = {name: given.semantic.start(SimpleNamespace(source=name)) for name in sources}
    assert start == {"first": [], "second": ["results/tiny/semantic/first/best.safetensors"]}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of gan, semantic, radiogenomic, images, not 'magic'"):
        SourceSettings(kind="magic")


def test_images_made_elsewhere_are_a_source_with_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kind images takes a folder of images, and no other kind does"):
        SourceSettings(kind="images")
    with pytest.raises(ValueError, match="kind gan with images here"):
        SourceSettings(images="here")
    folder = tmp_path / "elsewhere"
    made = plan(sources={"made": {"kind": "images", "images": str(folder)}}, arms={"a": {"synthetic": "made"}})
    assert made.study.arms("segmentation")["a"].sources == ("made",)
    assert made.images_of("made", "segmentation", "part_index").endswith("samples/made/index.parquet")
    found = made.imported(storage=None)(SimpleNamespace(source="made"))
    assert found == {"folder": str(folder), "files": [str(folder / "index.parquet"), str(folder / "manifest.json")]}
    with pytest.raises(ConfigError, match=r"sources.made.images .*elsewhere: no image set there; write one"):
        made.check_inputs()
