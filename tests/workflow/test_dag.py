"""The graph over its options, without computing anything: what is in it, what is absent, what a change lists."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from PIL import Image

from radgen.config import load_config, read_config
from radgen.errors import ConfigError, RadgenError
from radgen.study import Study
from radgen.workflow import Plan
from tests.conftest import REPOSITORY
from tests.workflow.runs import BIN, TINY, Folder, rules_in

DEMO = REPOSITORY / "config" / "config.yaml"
ALWAYS = {"inventory", "cohort", "slices_shard", "slices_gather", "qc_pages", "figures_draw", "report", "all"}
ALWAYS |= {"gallery_internal", "gallery_shareable", "report_shareable"}
IMAGES = {"encoder_train", "judge", "gan_train", "sample_source", "sample_gather", "metrics_source", "audit_set"}
IMAGES |= {"interpolation"}
MASKS = {"annotate_pack", "annotate_gather", "labels_head", "pairs_draft", "pairs_source", "pairs_gather"}
SIMULATED = {"annotator", "annotate_simulated"}
SECOND_ROUND = {"annotate_gather_until", "labels_head_until"}
TASKS = {"benchmark_arm", "benchmark_summary"}


def variant(tmp_path: Path, **changes: Any) -> Folder:
    """Write tiny.yaml with some sections replaced."""
    data = yaml.safe_load(TINY.read_text()) | changes
    path = tmp_path / "variant.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    return Folder(tmp_path, path)


NO_MASKS = {
    "structures": {"names": []},
    "cohort": {"min_patients": 1},
    "classes": {"by": "folder", "names": ["a", "b"]},
}
ONE_CLASS = {"classes": {"by": "folder", "names": ["only"]}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ALWAYS | IMAGES | MASKS | SIMULATED | TASKS | {"phantom"}),
        (NO_MASKS, ALWAYS | IMAGES | TASKS | {"phantom"}),
        (ONE_CLASS, ALWAYS | IMAGES | MASKS | SIMULATED | TASKS | {"phantom"}),
        (NO_MASKS | ONE_CLASS, ALWAYS | IMAGES | {"phantom"}),
        ({"sources": {}, "arms": {}}, ALWAYS | TASKS | {"phantom"}),
        (
            {"annotation": {"count": 8, "further_rounds": [4], "candidates_per_class": 16}},
            ALWAYS | IMAGES | MASKS | SIMULATED | TASKS | SECOND_ROUND | {"phantom"},
        ),
        ({"annotation": {"source": "folder"}}, ALWAYS | IMAGES | TASKS | {"annotate_pack", "phantom"}),
    ],
    ids=["everything", "no masks", "one class", "neither", "real only", "two rounds", "masks awaited"],
)
def test_absent_stages_are_absent_from_the_dag(tmp_path: Path, changes: dict[str, Any], expected: set[str]) -> None:
    assert variant(tmp_path, **changes).listed() == expected


def test_networks_may_be_jobs_of_their_own(tmp_path: Path) -> None:
    benchmark = yaml.safe_load(TINY.read_text())["benchmark"] | {"jobs": "seed", "rivals": ["annotator_masks"]}
    listed = variant(tmp_path, benchmark=benchmark).listed("benchmark")
    assert {"benchmark_seed", "benchmark_join", "benchmark_summary"} <= listed
    assert "benchmark_arm" not in listed


def test_samples_may_be_made_by_several_jobs(tmp_path: Path) -> None:
    done = variant(tmp_path, sample={"threads": 1, "jobs": 3}).snakemake("-n", "sample")
    assert done.stdout.count("rule sample_draft:") == 3, done.stdout + done.stderr
    assert done.stdout.count("rule sample_source:") == 1
    few, many = (Study.of(load_config(yaml.safe_load(TINY.read_text()) | {"sample": {"jobs": n}})) for n in (1, 3))
    # How many there are is told to no stage, so that nothing runs again for it.
    for stage in ("sample", "sample_draft", "pairs", "interpolation"):
        assert few.settings(stage, source="main") == many.settings(stage, source="main")


def test_arms_wait_for_what_they_are_made_of() -> None:
    arms = {
        "redrawn": {"synthetic": "main", "redrawn": ["other"]},
        "online": {"synthetic": "main", "online": True},
    }
    data = yaml.safe_load(TINY.read_text()) | {"arms": arms, "sources": {"main": {}, "other": {"seed": 2}}}
    data["benchmark"]["rivals"] = ["annotator_masks"]
    plan = Plan(Study.of(load_config(data)))

    def wildcards(arm: str) -> Any:
        return SimpleNamespace(task="segmentation", arm=arm)

    sets = plan.synthetic_inputs("part_index")(wildcards("redrawn"))
    assert [Path(path).parent.name for path in sets] == ["main", "other"]
    assert [Path(path).name for path in plan.stream_inputs(wildcards("online"))] == [
        *("generator.safetensors", "head.safetensors", "manifest.json", "encoder.safetensors"),
    ]
    assert len(plan.annotator_inputs(wildcards("annotator_masks"))) == 2
    assert plan.stream_inputs(wildcards("redrawn")) == plan.annotator_inputs(wildcards("redrawn")) == []
    assert "online" not in plan.study.arms("classification")  # pairs are of segmentation
    assert plan.study.arms("segmentation")["real_low_annotated"].annotated_images == 8


def test_absent_stages_are_named_with_their_reason() -> None:
    data = yaml.safe_load(TINY.read_text()) | NO_MASKS
    absent = Study.of(load_config(data)).absent()
    assert absent["annotation, label head, pairs and segmentation"] == "the study names no mask structures"


def test_the_report_names_the_folder_that_is_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = Study.of(load_config(yaml.safe_load(TINY.read_text()) | {"annotation": {"source": "folder"}}))
    assert study.settings("report")["facts"]["awaiting"] == "results/tiny/annotation/main/round-01/pack"
    folder = tmp_path / "results/tiny/annotation/main/round-01/pack/masks"
    folder.mkdir(parents=True)
    (folder / "one.png").touch()
    assert study.settings("report")["facts"]["awaiting"] is None


def test_each_stage_has_a_target_of_its_own_name(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert "gan_train" not in folder.listed("slices")
    assert folder.listed("qc") == {
        *("phantom", "inventory", "cohort", "slices_shard", "slices_gather", "qc_pages", "qc"),
    }
    assert folder.listed("real_curve") == {
        *("phantom", "inventory", "cohort", "slices_shard", "slices_gather", "benchmark_arm"),
        *("real_curve_summary", "real_curve"),
    }
    for target in (
        "encoder",
        "judge",
        "gan",
        "sample",
        "annotate",
        "labels",
        "labels_calibration",
        "annotation_curve",
        "pairs",
        "benchmark",
        "metrics",
        "audit",
        "qc",
        "figures",
        "gallery",
        "share",
    ):
        assert target in folder.listed(target)


TABLES = {"inventory", "cohort", "clinical", "rna_table"}
CUT = {"nodules_shard", "nodules_gather"}
GENES = {"nodule_judge", "radiogenomic_train", "radiogenomic_sample_source", "radiogenomic_scores_source", "audit_set"}
SURVIVAL = {"radiogenomic_survival_source"}


def test_genes_and_nodules_are_in_the_dag_of_a_study_with_an_rna_table(tmp_path: Path) -> None:
    folder = Folder(tmp_path, TINY.with_name("radiogenomic.yaml"))
    phantom = {"radiogenomic_phantom"}
    assert folder.listed() == phantom | ALWAYS | TABLES | CUT | GENES | SURVIVAL | TASKS | {"sample_gather"}


def test_studies_of_real_genes_ask_for_their_tables_alone(tmp_path: Path) -> None:
    (tmp_path / "archive" / "patient").mkdir(parents=True)
    given = {"archive": str(tmp_path / "archive")}
    for name in ("rna_table", "clinical_table"):
        (tmp_path / f"{name}.csv").touch()
        given[name] = str(tmp_path / f"{name}.csv")
    Plan.of(yaml.safe_load((REPOSITORY / "config" / "nsclc-radiogenomics.yaml").read_text()) | given)
    simulated = REPOSITORY / "config" / "nsclc-simulated-pairing.yaml"
    folder = Folder(tmp_path, simulated, config=tuple(f"{key}={value}" for key, value in given.items()))
    assert folder.listed() == ALWAYS | TABLES | {"nodules_pictures"} | GENES | SURVIVAL | {"sample_gather"}


def test_nodules_are_segmented_and_audited_among_nodules() -> None:
    plan = Plan(Study.of(load_config(yaml.safe_load(TINY.with_name("radiogenomic.yaml").read_text()))))
    arm = SimpleNamespace(task="segmentation", arm="low_plus_generated")
    assert plan.task_real("index")(arm) == "results/genes/nodules/index.parquet"
    assert plan.synthetic_inputs("part_index")(arm) == ["results/genes/samples/genes/training.parquet"]
    given = plan.study.settings("benchmark", task="segmentation", arm="low_plus_generated")
    assert given["structures"]["names"] == given["classes"]["names"] == ["nodule"]
    assert plan.audited_real("index")(SimpleNamespace(source="genes")) == "results/genes/nodules/index.parquet"
    assert plan.auditing_judge("weights")(SimpleNamespace(source="genes")).startswith("results/genes/nodules/judge/")
    assert "segmentation" not in " ".join(plan.study.absent())


def test_a_source_of_genes_needs_a_table_and_teaches_nodules_alone(tmp_path: Path) -> None:
    data = yaml.safe_load(TINY.with_name("radiogenomic.yaml").read_text())
    bare = {key: value for key, value in data.items() if key != "radiogenomic_phantom"}
    with pytest.raises(ConfigError, match="sources.genes is of kind radiogenomic, but the study has no rna_table"):
        Plan.of(bare | {"archive": str(tmp_path)})
    more = {"arms": {"more": {"synthetic": "genes"}}}
    with pytest.raises(ConfigError, match="arms.more trains on genes, a source of nodules from genes, but the study seg"):
        Plan.of(data | more | {"structures": {"names": ["chest"]}})
    two = {"classes": {"by": "folder", "names": ["a", "b"]}, "benchmark": {"tasks": ["classification"]}}
    with pytest.raises(ConfigError, match=r"which have one class; give the arm tasks: \[segmentation\]"):
        Plan.of(data | more | two)
    with pytest.raises(ConfigError, match="a study has one embedded archive; leave one of them out"):
        Plan.of(data | {"phantom": {"patients": 8}})


def test_two_sources_are_two_generators(tmp_path: Path) -> None:
    sources = {"main": {"train_on": "train", "setting": "shared"}, "few": {"train_on": "low", "setting": "scarce"}}
    done = variant(tmp_path, sources=sources).snakemake("-n", "gan")
    assert done.stdout.count("rule gan_train:") == 2


GROWING = {"generator": "alias-free", "discriminator": "projected", "alias_free": {"preset": "tiny"}}


def test_a_growing_generator_has_a_job_for_each_stage(tmp_path: Path) -> None:
    folder = variant(tmp_path, slices={"size_px": 64}, gan={**GROWING, "images": 99, "stages": {16: {"images": 7}}})
    done = folder.snakemake("-n", "-p", "gan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("rule gan_stage:") == 2
    assert done.stdout.count("rule gan_train:") == 1
    commands = [line for line in done.stdout.splitlines() if "exec radgen gan " in line]
    by_stage = {re.search(r"--resolution (\d+)|$", line)[1]: line for line in commands}  # type: ignore[index]
    assert by_stage.keys() == {"16", "32", None}
    assert "--previous results/tiny/gan/main/stage-32/generator.safetensors" in by_stage[None]
    assert "--previous results/tiny/gan/main/stage-16/generator.safetensors" in by_stage["32"]
    assert '"images": 7' in by_stage["16"]
    assert '"images": 99' in by_stage["32"]
    assert "gan_stage" not in Folder(tmp_path / "other").listed("gan")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"classes": {"by": "mask", "names": ["a", "b"], "structure": "node"}},
            "classes.structure is 'node', but struc",
        ),
        (
            {"slices": {"size_px": 48}, "gan": GROWING},
            "size_px is 48, but an alias-free generator makes a power of two",
        ),
        ({"gan": {"stages": {16: {"images": 5}}}}, "gan.stages: 16 pixels is no stage of this study; stages are 32"),
        ({"cohort": {"annotator": 0}}, "annotation.source is simulated for source main, but cohort.annotator is 0"),
    ],
)
def test_sections_that_do_not_fit_are_refused_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plan.of(yaml.safe_load(TINY.read_text()) | changes)


def test_missing_weights_are_named_before_anything_runs() -> None:
    data = yaml.safe_load(TINY.read_text()) | {"gan": {"init_from": "nowhere/generator.safetensors"}}
    with pytest.raises(ConfigError, match=r"gan.init_from nowhere/generator.safetensors: no such file of weights"):
        Plan.of(data)


@pytest.mark.slow
def test_a_new_file_in_a_folder_of_the_archive_takes_the_inventory_again(tmp_path: Path) -> None:
    archive = tmp_path / "images"
    for name in ("a", "b"):
        (archive / name).mkdir(parents=True)
        draw(archive / name / "1.png")
    inventory = {"patient_from": "none", "shards": 1}
    folder = variant(tmp_path, **NO_MASKS, phantom=None, archive=str(archive), inventory=inventory)
    done = folder.snakemake("inventory")
    assert done.returncode == 0, done.stdout + done.stderr
    assert folder.listed("inventory") == set()
    before = archive.stat().st_mtime_ns
    draw(archive / "b" / "2.png")
    assert archive.stat().st_mtime_ns == before
    assert folder.listed("inventory") == {"inventory"}
    # The stage does not know, so an inventory with the same result keeps its digest.
    assert "changed_ns" not in Plan.of(yaml.safe_load(folder.configuration.read_text())).settings("inventory")({})
    assert "changed_ns" not in (tmp_path / "results" / "tiny" / "inventory" / "manifest.json").read_text()


def draw(path: Path) -> None:
    Image.new("L", (32, 32), color=len(path.stem)).save(path)


def test_places_and_devices_rerun_nothing_and_reach_the_command(tmp_path: Path) -> None:
    done = Folder(tmp_path).snakemake("-n", "-p", "judge", config=("device=cuda", "work=/elsewhere"))
    assert "--device cuda" in done.stdout
    assert "--work /elsewhere/tiny" in done.stdout
    settings = Study.of(read_config(TINY)).settings("judge")
    assert Study.of(read_config(TINY, {"device": "cuda", "work": "/elsewhere"})).settings("judge") == settings


def test_jobs_of_stages_with_a_device_ask_for_a_gpu_and_no_others_do(tmp_path: Path) -> None:
    done = Folder(tmp_path).snakemake("-n", "-p", "all", config=("device=cuda",))
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"\n    resources: (.*)\n(?s:.*?)exec radgen ([a-z-]+) (.*)", done.stdout)
    assert {"annotate-pack", "annotate-simulated", "metrics", "gan"} <= {stage for _, stage, _ in calls}
    for resources, stage, words in calls:
        run = importlib.import_module(f"radgen.stages.{stage.replace('-', '_')}").run
        expected = "device" in inspect.signature(run).parameters
        assert ("--device cuda" in words) is expected, stage
        assert ("gpu=1" in resources) is expected, stage


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gan": {"imagse": 3}}, "unknown key gan.imagse; `radgen config` prints"),
        ({"gan": {"images": "many"}}, "gan.images is 'many'"),
        ({"arms": {"a": {"synthetic": "none"}}}, "arm 'a' names source 'none'; sources are main"),
        ({"benchmark": {"training": {"seeds": 2}}}, "seeds must be at least 3, not 2"),
        ({"device": "tpu"}, "device is 'tpu'; choose auto, cpu or cuda"),
        ({"phantom": None, "archive": "nowhere"}, "archive nowhere: no such folder; set `archive:`"),
        ({"labels_table": "none.csv"}, "labels_table none.csv: no such file"),
        ({"patient_key": {}}, "key"),
    ],
)
def test_a_bad_configuration_is_one_sentence(changes: dict[str, Any], message: str) -> None:
    data = {key: value for key, value in (yaml.safe_load(TINY.read_text()) | changes).items() if value is not None}
    with pytest.raises(RadgenError, match=re.escape(message)) as caught:
        Plan.of(data).settings("inventory")({})
    assert "\n" not in str(caught.value)


def test_a_phantom_study_refuses_an_archive_it_would_not_read() -> None:
    with pytest.raises(ConfigError, match="archive /my/data: study demo .* `radgen init /my/data`"):
        Plan(Study.of(read_config(DEMO, {"archive": "/my/data"}))).check_inputs()
    for own in (
        {},
        {"archive": "results/demo/archive/"},
        {"results": "results/trial", "work": "work/trial"},
        {"results": "/big", "archive": "/big/demo/archive"},
    ):
        Plan(Study.of(read_config(DEMO, own))).check_inputs()


def test_a_misspelt_stage_is_refused() -> None:
    with pytest.raises(ConfigError, match="'slcies'.* no such stage"):
        Plan(Study.of(read_config(TINY))).code("slcies")


def test_the_slurm_profile_resolves_from_the_root(tmp_path: Path) -> None:
    profile = yaml.safe_load((REPOSITORY / "slurm" / "config.yaml").read_text())
    assert profile["executor"] == "slurm"
    words = ["--profile", "slurm", "-n", "all", "--directory", str(tmp_path)]
    words += ["--configfile", "config/config.yaml", "--config", "device=cuda"]
    done = subprocess.run([BIN / "snakemake", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"gan_train", "report"} <= rules_in(done.stdout + done.stderr)
    assert "gpu=1" in done.stdout


@pytest.mark.parametrize("name", ["config", "lidc-patches", "msd-hippocampus"])
def test_a_trial_on_eight_patients_resolves(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "images"
    archive.mkdir()
    (archive / "patients.csv").touch()
    folder = Folder(tmp_path, REPOSITORY / "config" / f"{name}.yaml", config=("limit={patients: 8}",))
    place = () if name == "config" else (f"archive={archive}",)
    assert {"inventory", "gan_train", "report"} <= folder.listed("all", config=place)


def test_usable_as_a_module_of_another_workflow(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f"configfile: {str(TINY)!r}\n"
        f"module radgen:\n    snakefile: {str(REPOSITORY / 'workflow' / 'Snakefile')!r}\n    config: config\n"
        "use rule * from radgen as radgen_*\n"
    )
    folder = Folder(tmp_path)
    done = subprocess.run(
        [BIN / "snakemake", "-n", "--cores", "1", "radgen_slices"],
        cwd=folder.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "radgen_slices_shard" in rules_in(done.stdout + done.stderr)
