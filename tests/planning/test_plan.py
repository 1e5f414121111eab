"""`radgen plan`: work that grows as it should, rates as measured, days by what waits for what, and published costs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from radgen.cli import main as radgen
from radgen.config import StudyConfig, load_config
from radgen.errors import ConfigError, InputError
from radgen.gan.aliasfree.presets import chain_shape
from radgen.gan.settings import GanSettings
from radgen.planning.amounts import JOBS, Amount, amounts
from radgen.planning.disk import disk_mib
from radgen.planning.machine import Machine, calendar_hours, costs
from radgen.planning.operations import alias_free_gflop, residual_gflop, training_gflop
from radgen.planning.published import PUBLISHED, planned_gflop
from radgen.planning.rates import Rates, measured_rates, shipped_rates
from radgen.planning.sets import Cohort, synthetic_images
from radgen.study import Study
from tests.conftest import REPOSITORY

DEMO = REPOSITORY / "config" / "config.yaml"


def demo(**changes: object) -> Study:
    return Study.of(load_config({"study": "demo", "patient_key": {"public": "x"}, **changes}))


def by_stage(study: Study, slices: int = 2000) -> dict[str, Amount]:
    return {amount.stage: amount for amount in amounts(study, Cohort.of(study, slices))}


def sources(*names: str) -> dict[str, dict[str, str]]:
    return {name: {"train_on": "train", "setting": "shared"} for name in names}


STRUCTURES = {"names": ["liver"]}


def test_work_grows_with_images_pixels_and_generators() -> None:
    one = by_stage(demo(sources=sources("a"), structures=STRUCTURES))
    three = by_stage(demo(sources=sources("a", "b", "c"), structures=STRUCTURES))
    larger = by_stage(demo(sources=sources("a"), structures=STRUCTURES, slices={"size_px": 128}))
    longer = by_stage(demo(sources=sources("a"), structures=STRUCTURES, gan={"images": 90_000}))
    for stage in ("encoder", "gan", "sample", "labels", "pairs"):
        assert three[stage].size == pytest.approx(3 * one[stage].size), stage
    assert three["judge"] == one["judge"]
    assert larger["slices"].size == pytest.approx(4 * one["slices"].size)
    assert longer["gan"].size == pytest.approx(2 * one["gan"].size)
    assert by_stage(demo(), 4000)["slices"].size == pytest.approx(2 * by_stage(demo())["slices"].size)


def test_the_study_decides_which_stages_there_are() -> None:
    plain: dict[str, object] = {"phantom": None, "archive": "x", "sources": {}, "arms": {}}
    assert set(by_stage(demo(**plain))) == {"ingest", "slices", "benchmark", "report"}
    assert "labels" not in by_stage(demo(sources=sources("a"), structures={"names": []}, classes={"by": "position"}))


def test_the_audit_grows_with_both_sides_and_networks_may_be_jobs() -> None:
    given = {"sources": sources("a"), "structures": STRUCTURES, "release": {"images": 1}}
    one, two = (by_stage(demo(**given), slices)["audit"] for slices in (2000, 4000))
    assert two.size == pytest.approx(4 * one.size, rel=0.01)
    assert one.jobs == 2  # samples and pairs
    assert not one.on_gpu
    training = {"seeds": 3}
    arm, seed = (demo(benchmark={"jobs": jobs, "training": training}) for jobs in ("arm", "seed"))
    assert by_stage(seed)["benchmark"].jobs == 3 * by_stage(arm)["benchmark"].jobs
    assert by_stage(demo(sample={"jobs": 5}, sources=sources("a", "b")))["sample"].jobs == 10


def test_synthetic_images_fill_up_or_are_counted() -> None:
    study = demo(sources=sources("a"), low={"fraction": 0.25})
    assert synthetic_images(study, Cohort(1000, 800, 200)) == 600
    counted = demo(sources=sources("a"), sample={"counts": {"normal": 70}, "match": None})
    assert synthetic_images(counted, Cohort(1000, 800, 200)) == 70


def test_operations_of_a_convolution_are_two_for_each_product() -> None:
    assert residual_gflop(4, (10,), convolutions=1) * 1e9 == 2 * 9 * 10 * 10 * 16
    shape = chain_shape("7/4", 16, image_channels=1, classes=2)
    assert 1 < alias_free_gflop(shape) < alias_free_gflop(chain_shape("7/4", 64, image_channels=1, classes=2))
    grown = GanSettings(generator="alias-free")
    assert training_gflop(grown, 64, 2) > training_gflop(GanSettings(), 64, 2)


def test_a_growing_generator_pays_for_every_stage() -> None:
    study = demo(sources=sources("a"), gan={"generator": "alias-free", "images": 1000})
    assert by_stage(study)["gan"].images == 3 * 1000  # 16, 32 and 64 pixels


def test_days_follow_the_longest_chain_or_the_slots() -> None:
    study = demo(sources=sources("a"), structures=STRUCTURES, phantom={"patients": 10})
    found, rates = amounts(study, Cohort.of(study, 2000)), shipped_rates()
    many = costs(found, rates, Machine(cpus=100))
    chain = ("phantom", "ingest", "slices", "encoder", "gan", "annotate", "labels", "pairs", "report")
    clock = {cost.amount.stage: cost.clock_hours for cost in many}
    last = max(clock["benchmark"], clock["audit"])
    assert calendar_hours(many, Machine(cpus=100)) == pytest.approx(last + sum(clock[stage] for stage in chain))
    one = costs(found, rates, Machine(cpus=1))
    assert calendar_hours(one, Machine(cpus=1)) == pytest.approx(sum(cost.cpu_hours for cost in one))


def test_a_gpu_is_compared_by_what_training_does() -> None:
    study = demo(sources=sources("a"))
    found, rates = amounts(study, Cohort.of(study, 2000)), shipped_rates()
    machine = Machine(cpus=1, gpus=1, gpu_model="V100", gpu_share=0.2)
    gan = next(cost for cost in costs(found, rates, machine) if cost.amount.stage == "gan")
    assert gan.gpu_hours * 3600 == pytest.approx(gan.amount.size / (125e3 * 0.2))
    with pytest.raises(ConfigError, match="GPU 'T4' is unknown; known are V100"):
        Machine(1, 1, "T4")
    with pytest.raises(ConfigError, match="0 processors"):
        Machine(0)


def test_rates_come_from_the_last_run(tmp_path: Path) -> None:
    study = demo(sources=sources("a"))
    found = amounts(study, Cohort.of(study, 2000))
    head = "s\th:m:s\tcpu_time\n"
    (tmp_path / "gan_train_a.benchmark.tsv").write_text(head + "9\t0:0:9\t8.0\n")
    (tmp_path / "slices_shard-000.benchmark.tsv").write_text(head + "9\t0:0:9\t3.0\n")
    (tmp_path / "slices_shard-001.benchmark.tsv").write_text(head + "9\t0:0:9\tNA\n")
    rates = measured_rates(tmp_path, found, "x")
    sizes = {amount.stage: amount.size for amount in found}
    assert rates.seconds == {"gan": 8.0 / sizes["gan"], "slices": 3.0 / sizes["slices"]}
    (tmp_path / "gan_train_a.benchmark.tsv").write_text("no\ttable\n1\t2\n")
    with pytest.raises(InputError, match="not what Snakemake writes"):
        measured_rates(tmp_path, found, "x")
    with pytest.raises(InputError, match="run the study, or leave --measured out"):
        measured_rates(tmp_path / "none", found, "x")
    with pytest.raises(InputError, match="stage judge was not measured"):
        Rates({}, "x").cpu_seconds(next(amount for amount in found if amount.stage == "judge"))


def test_shipped_rates_know_every_stage() -> None:
    study = demo(sources=sources("a"), structures=STRUCTURES)
    assert set(by_stage(study)) <= set(shipped_rates().seconds)
    assert set(shipped_rates().seconds) == set(JOBS)


def test_disk_holds_pixels_masks_and_weights() -> None:
    study = demo(sources=sources("a"), structures=STRUCTURES, slices={"size_px": 256})
    cohort = Cohort(1_350_000, 1_000_000, 200_000)
    sizes = disk_mib(study, cohort)
    assert sizes["slices"] > 1_350_000 * 256 * 256 * 2 / 2**20
    assert sizes["sample"] < sizes["pairs"] / 4  # which have masks, and drafts beside them
    unmasked = dataclasses.replace(study.config, structures=StudyConfig().structures)
    assert disk_mib(Study.of(unmasked), cohort)["slices"] < sizes["slices"]


def test_published_costs_keep_their_ratio_and_their_order() -> None:
    small, large = (planned_gflop(cost.preset, every_stage=True) for cost in PUBLISHED)
    assert large / small == pytest.approx(PUBLISHED[1].a100_hours / PUBLISHED[0].a100_hours, rel=0.15)
    hours = small / (312e3 * 0.1 * 3600)
    assert 0.1 < hours / PUBLISHED[0].a100_hours < 10


def test_the_command_prints_each_stage_and_three_generators(capsys: pytest.CaptureFixture[str]) -> None:
    assert radgen(["plan", str(DEMO), "--cpus", "2"]) == 0
    said = capsys.readouterr().out
    for word in (
        "1,920 slices of 64 px",
        "gan ",
        "benchmark ",
        "disk GiB",
        "from start to report",
        "3 of them",
        "assumed: ",
        "AMD EPYC",
    ):
        assert word in said
    assert radgen(["plan", "--published"]) == 0
    assert "7.6 times, planned 7.6 times" in capsys.readouterr().out


def test_unknown_slices_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "own.yaml"
    config.write_text(f"study: own\nresults: {tmp_path}\narchive: x\nphantom: null\npatient_key: {{public: x}}\n")
    assert radgen(["plan", str(config)]) == 2
    assert "run `snakemake cohort`, or give --slices" in capsys.readouterr().err
    assert radgen(["plan", str(config), "--slices", "100"]) == 0
