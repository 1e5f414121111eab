"""`radgen plan` of sources that are painted on maps, drawn from genes, or made elsewhere."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from radgen.cli import main as radgen
from radgen.commands.plan import plan_lines
from radgen.config import load_config, read_config
from radgen.errors import ConfigError
from radgen.planning.amounts import JOBS, Amount, amounts, semantic_labels
from radgen.planning.disk import disk_mib
from radgen.planning.machine import AFTER, Machine, calendar_hours, costs
from radgen.planning.rates import measured_rates, shipped_rates
from radgen.planning.sets import Cohort, gene_count, known_slices, painted_maps, training_part
from radgen.planning.steps import (
    _semantic_step,
    radiogenomic_step,
    radiogenomic_weights,
    semantic_step,
    semantic_weights,
)
from radgen.provenance import SawPatients
from radgen.semantic.settings import SemanticSettings
from radgen.study import Study
from radgen.training.probe import OperationCount
from tests.benchmark.toys import write_synthetic
from tests.conftest import REPOSITORY
from tests.radiogenomic.synthesis import toys as nodule_toys
from tests.semantic import toys
from tests.workflow.runs import Folder

SEMANTIC = REPOSITORY / "config" / "phantom-semantic.yaml"
GENES = REPOSITORY / "config" / "radiogenomic-phantom.yaml"
PUBLIC = {"patient_key": {"public": "x"}}
# Networks of a handful of channels, where only what is said of them matters.
SMALL = dataclasses.asdict(toys.TINY)


def by_stage(study: Study, slices: int | None = None, patches: int | None = None) -> dict[str, Amount]:
    cohort = Cohort.of(study, known_slices(study) if slices is None else slices, patches)
    return {amount.stage: amount for amount in amounts(study, cohort)}


def painted(tmp_path: Path, own: dict[str, Any] | None = None, **changes: Any) -> Study:
    """A study of one paired and one unpaired source with tiny networks."""
    semantic = {"networks": SMALL, "images": 100, "sources": {"two": {"mode": "unpaired"}}} | (own or {})
    both = {name: {"kind": "semantic"} for name in ("one", "two")}
    given = {"study": "x", "results": str(tmp_path), "sources": both, "structures": {"names": ["liver"]}, **PUBLIC}
    return Study.of(load_config(given | {"semantic": semantic, "benchmark": {"tasks": []}} | changes))


def benchmarks() -> dict[str, str]:
    """Return the beginning of the name of the file in which each rule notes its time."""
    text = "\n".join(path.read_text() for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    rules = re.split(r"^ *(?:use rule \w+ as|rule) (\w+)(?: with)?:", text, flags=re.MULTILINE)[1:]
    found = {}
    for name, body in zip(rules[::2], rules[1::2], strict=True):
        noted = re.search(r'P\.benchmark\("([^"{]+)', body)
        if noted:
            found[name] = noted[1]
    return found


@pytest.mark.parametrize("config", [SEMANTIC, GENES], ids=["semantic", "radiogenomic"])
def test_a_plan_names_every_stage_of_the_dag_and_no_other(config: Path, tmp_path: Path) -> None:
    noted, listed = benchmarks(), Folder(tmp_path, config).listed()
    assert listed - noted.keys() <= {"all"}
    rules = listed & noted.keys()
    stages = {rule: [stage for stage, names in JOBS.items() if noted[rule].startswith(names)] for rule in rules}
    assert all(len(found) == 1 for found in stages.values()), stages
    study = Study.of(read_config(config, {"results": str(tmp_path / "results")}))
    said = list(plan_lines(study, Cohort.of(study, known_slices(study)), shipped_rates(), Machine(2)))
    named = {line.split()[0] for line in said} & JOBS.keys()
    assert named == {found for (found,) in stages.values()}
    assert not [line for line in said if "not counted" in line or "left out:" in line]
    assert sum(line.startswith("sources of kind ") for line in said) == 1


@pytest.mark.parametrize(
    ("own", "labels"),
    [
        ({}, 2),
        ({"surroundings_padding": True}, 2),
        ({"surroundings": 4}, 5),
        ({"surroundings": 4, "surroundings_padding": True}, 6),
    ],
)
def test_surroundings_are_labels_too(tmp_path: Path, own: dict[str, Any], labels: int) -> None:
    assert semantic_labels(painted(tmp_path, own), "one") == labels


def test_work_of_painting_grows_with_maps_pixels_and_what_a_step_does(tmp_path: Path) -> None:
    plain = by_stage(painted(tmp_path), 1000)
    twice = by_stage(painted(tmp_path, {"images": 200}), 1000)
    larger = by_stage(painted(tmp_path, slices={"size_px": 128}), 1000)
    more = by_stage(painted(tmp_path, semantic_sample={"most_maps": 50, "per_map": 6}), 1000)
    assert twice["semantic"].size == pytest.approx(2 * plain["semantic"].size)
    assert larger["semantic"].size == pytest.approx(4 * plain["semantic"].size, rel=0.05)
    assert (plain["semantic-sample"].images, more["semantic-sample"].images) == (2 * 500 * 2, 2 * 50 * 6)
    assert more["semantic-sample"].size == pytest.approx(0.3 * plain["semantic-sample"].size)
    assert more["audit"].size < plain["audit"].size
    assert more["semantic-scores"].size == pytest.approx(3 * plain["semantic-scores"].size)
    assert (plain["encoder"].jobs, plain["metrics"].jobs, plain["annotator"].jobs) == (2, 2, 1)
    assert plain["semantic"].of_kind == {"semantic": plain["semantic"].size}
    assert plain["judge"].of_kind == {}


def test_maps_that_are_painted_on_are_those_the_study_has(tmp_path: Path) -> None:
    cohort = Cohort(200, 100, 60)
    scarce = {name: {"kind": "semantic", "setting": "scarce-labels"} for name in ("one", "two")}
    assert painted_maps(painted(tmp_path), "one", cohort) == 100
    assert painted_maps(painted(tmp_path, sources=scarce, low={"fraction": 0.2}), "one", cohort) == 20
    assert painted_maps(painted(tmp_path, semantic_sample={"maps": "test"}, cohort={"test": 0.25}), "one", cohort) == 50
    write_synthetic(tmp_path / "drawn", SawPatients(), count=7)
    own = painted(tmp_path, semantic_sample={"maps": str(tmp_path / "drawn")})
    assert painted_maps(own, "one", cohort) == 7
    assert painted_maps(painted(tmp_path, semantic_sample={"maps": "elsewhere"}), "one", cohort) == 500


@pytest.mark.parametrize("mode", ["paired", "unpaired"])
def test_a_step_counts_what_training_does(mode: str) -> None:
    options: dict[str, Any] = {"variety": 0.2, "penalty_every": 2, "label_mix": 1.0}
    trainer = toys.trainer(mode, **options)
    with OperationCount() as counter:
        for number in range(2):
            trainer.step(number * trainer.batch_size)
    settings = SemanticSettings(mode=mode, networks=toys.TINY, mask=1.0, **options)
    step = semantic_step(settings, toys.PX, 3)
    assert step.training == pytest.approx(counter.flops / 2 / trainer.batch_size / 1e9, rel=1e-6)
    assert step.training > semantic_step(dataclasses.replace(settings, variety=0.0), toys.PX, 3).training
    learning = [player.network for player in trainer.system.players.values()]
    sizes = [sum(weight.numel() for weight in network.parameters()) for network in learning]
    weights = semantic_weights(settings, toys.PX, 3)
    assert (weights.generator, weights.learning) == (sizes[0], sum(sizes))


def test_larger_maps_follow_by_their_area() -> None:
    settings = SemanticSettings(mode="unpaired", networks=toys.TINY)
    assert dataclasses.astuple(semantic_step(settings, 96, 3)) == pytest.approx(
        dataclasses.astuple(_semantic_step(settings, 96, 3))
    )
    with pytest.raises(ConfigError, match="100 x 100 pixels"):
        semantic_step(settings, 100, 3)


def nodules(tmp_path: Path, **changes: Any) -> Study:
    small = {"g_n_feat": 2, "d_n_feat": 2, "hidden": 4, "embed_dim": 4, "ep": 10}
    given: dict[str, Any] = {"study": "x", "results": str(tmp_path), "rna_table": "rna.csv", **PUBLIC}
    given |= {"sources": {"genes": {"kind": "radiogenomic"}}, "nodules": {"size_px": 32}, "radiogenomic": small}
    given |= {"rna": {"select": "variance", "genes": 9}}
    return Study.of(load_config(given | changes))


def test_work_of_nodules_grows_with_patches_epochs_and_patients(tmp_path: Path) -> None:
    plain, twice = (by_stage(nodules(tmp_path), 900, patches) for patches in (300, 600))
    assert plain["radiogenomic"].images == 10 * training_part(nodules(tmp_path), 300)
    assert twice["radiogenomic"].size == pytest.approx(2 * plain["radiogenomic"].size)
    longer = by_stage(nodules(tmp_path, radiogenomic={"ep": 20, "g_n_feat": 2, "d_n_feat": 2}), 900, 300)
    assert longer["radiogenomic"].images == 2 * plain["radiogenomic"].images
    assert plain["radiogenomic-sample"].images == 100 * 8
    alone = by_stage(nodules(tmp_path, benchmark={"tasks": ["segmentation"]}), 900, 300)["benchmark"]
    assert alone.size == pytest.approx(alone.images * 32 * 32 / 1e6)
    assert "survival" not in plain
    assert "survival" in by_stage(nodules(tmp_path, clinical_table="clinical.csv"), 900, 300)
    with pytest.raises(ConfigError, match="run `snakemake nodules rna`, or give --patches"):
        by_stage(nodules(tmp_path), 900)


def test_patches_and_genes_are_counted_once_they_are_there(tmp_path: Path) -> None:
    study = nodules(tmp_path)
    assert gene_count(study) == 9
    # Seven of eight patients have genes, five of them for training; each has two patches.
    nodule_toys.write_sets(Path(study.path.root))
    cohort = Cohort.of(study, 900)
    assert (cohort.patches, cohort.train_patches, cohort.profiles) == (14, 10, 7)
    assert Cohort.of(study, 900, 300).patches == 300
    assert gene_count(study) == nodule_toys.GENES
    assert gene_count(nodules(tmp_path / "new", rna={"select": "all"})) == 20_000


def test_a_patch_counts_what_training_does() -> None:
    trainer = nodule_toys.trainer()
    with OperationCount() as counter:
        trainer.step(0)
    shape, settings = trainer.system.shape, trainer.system.settings
    step = radiogenomic_step(settings, shape.resolution, shape.genes)
    assert step.training == pytest.approx(counter.flops / trainer.batch_size / 1e9, rel=1e-6)
    sizes = [sum(w.numel() for w in player.network.parameters()) for player in trainer.system.players.values()]
    weights = radiogenomic_weights(settings, shape.resolution, shape.genes)
    assert (weights.generator, weights.learning) == (sizes[0], sum(sizes))


def test_images_made_elsewhere_are_counted_where_they_lie(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_synthetic(tmp_path / "made", SawPatients(), count=24)
    config = tmp_path / "own.yaml"
    for place, counted in ((tmp_path / "made", True), (tmp_path / "none", False)):
        config.write_text(
            f"study: own\nsources: {{made: {{kind: images, images: {place}}}}}\npatient_key: {{public: x}}\n"
        )
        assert radgen(["plan", str(config), "--slices", "100"]) == 0
        said = capsys.readouterr().out
        assert ("\nimages " in said) == ("sources of kind images: 1 named" in said) == counted
        assert (
            f"left out: check, metrics, audit and disk of source made, whose images cannot be counted: {place}" in said
        ) != counted
    study = Study.of(read_config(config, {"sources": {"made": {"kind": "images", "images": str(tmp_path / "made")}}}))
    found = by_stage(study, 100)
    assert found["images"].images == found["metrics"].images == 24
    assert found["audit"].images == 24 + 70 + 30
    assert disk_mib(study, Cohort.of(study, 100))["images"] == pytest.approx(24 * (64 * 64 + 700) / 2**20)


def test_weights_and_images_of_every_kind_take_disk(tmp_path: Path) -> None:
    study = painted(tmp_path)
    sizes = disk_mib(study, Cohort.of(study, 1000))
    assert sizes["semantic-sample"] == pytest.approx(2000 * (2 * 64 * 64 + 700) / 2**20)
    wide = disk_mib(painted(tmp_path, {"networks": {}}), Cohort.of(study, 1000))
    assert wide["semantic"] > 10 * sizes["semantic"]
    genes = nodules(tmp_path)
    one, two = (disk_mib(genes, Cohort.of(genes, 900, patches)) for patches in (300, 600))
    assert two["nodules"] == pytest.approx(2 * one["nodules"])
    assert two["radiogenomic"] == one["radiogenomic"] > 0


def test_rates_of_their_last_run_are_read(tmp_path: Path) -> None:
    found = [Amount(stage, 10.0, "GFLOP", 1, 0) for stage in ("semantic", "semantic-sample", "sample", "report")]
    files = {"semantic_train_one": 5, "semantic_train_two": 15, "semantic_sample_one": 3, "sample_gather": 7}
    for name, seconds in files.items():
        (tmp_path / f"{name}.benchmark.tsv").write_text(f"s\tcpu_time\n1\t{seconds}\n")
    assert measured_rates(tmp_path, found, "x").seconds == {"semantic": 2.0, "semantic-sample": 0.3, "report": 0.7}


def test_stages_wait_for_what_they_read(tmp_path: Path) -> None:
    assert {name for before in AFTER.values() for name in before} | AFTER.keys() == JOBS.keys()
    rows = costs(list(by_stage(painted(tmp_path), 1000).values()), shipped_rates(), Machine(100))
    clock = {cost.amount.stage: cost.clock_hours for cost in rows}
    before = clock["ingest"] + clock["slices"] + max(clock["encoder"], clock["annotator"]) + clock["semantic"]
    after = max(clock["semantic-scores"], clock["semantic-sample"] + max(clock["metrics"], clock["audit"]))
    assert calendar_hours(rows, Machine(100)) == pytest.approx(before + after + clock["report"])
    assert next(
        cost for cost in costs([cost.amount for cost in rows], shipped_rates(), Machine(1, 1)) if cost.gpu_hours
    )
