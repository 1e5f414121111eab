"""Every way an arm may learn, at toy size: schedules, methods, further real images, generators, search, folds, jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn

from radgen.benchmark.arms import Fold, label_budget, resolve_arm, study_of
from radgen.benchmark.augmentation import Augmentation, move, shade
from radgen.benchmark.batches import Batch, Pool, StreamPool
from radgen.benchmark.methods import MeanTeacher, contrast, copy_matching, fill_in, hide
from radgen.benchmark.networks import classifier, segmenter
from radgen.benchmark.schedule import phases
from radgen.benchmark.settings import ArmSettings, BenchmarkSettings, arm_table
from radgen.benchmark.training_settings import CLASSIFIERS, SEGMENTERS, ArmTrainingSettings
from radgen.errors import CohortError
from radgen.imageset.core import ImageSet
from radgen.labels.segmenter import Segmenter, SegmenterShape, save_segmenter
from radgen.labels.stream import PairBatch
from radgen.provenance import SawPatients, saw_patients_of, what_part, write_manifest
from radgen.stages import benchmark_join, benchmark_summary
from tests.benchmark.test_stages import BENCHMARK, LOW, SAW, STRUCTURES, TRAINING, Study, make_study

CPU = torch.device("cpu")
FURTHER = ArmSettings(extra_real="annotated", annotated_images=5)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"), SAW)


@pytest.fixture(scope="module")
def real(study: Study) -> ImageSet:
    return ImageSet(study.real[0])


def first_row(folder: Path, arm: str) -> dict[str, Any]:
    return dict(pq.read_table(folder / f"{arm}.scores.parquet").to_pylist()[0])


# ---------------------------------------------------------------- schedules


def test_every_schedule_takes_as_many_steps() -> None:
    settings = ArmTrainingSettings(max_steps=100, pretrain_share=0.4)
    mixed = ArmSettings(synthetic="toy")
    for arm in (mixed, replace(mixed, schedule="pretrain"), ArmSettings(method="self_supervised")):
        assert sum(phase.steps for phase in phases(arm, settings, 100)) == 100
    first, then = phases(replace(mixed, schedule="pretrain"), settings, 100)
    assert (first.kinds, then.kinds, first.steps) == ({"synthetic"}, {"real"}, 40)
    assert phases(replace(mixed, schedule="pretrain_mixed"), settings, 100)[1].kinds == {"real", "synthetic"}
    assert then.rate_at(0) == settings.finetune_rate
    assert phases(ArmSettings(method="self_supervised"), settings, 100)[0].pretext


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"schedule": "pretrain"}, "schedule is 'pretrain', but the arm names no source"),
        ({"redrawn": ("b",)}, "redrawn is ..b..., but the arm names no source"),
        ({"synthetic": "a", "real_fraction": 0, "schedule": "pretrain"}, "need real images beside synthetic ones"),
        ({"synthetic": "a", "synthetic_share": 1.0}, "synthetic_share must lie between 0 and 1, not 1.0"),
        ({"synthetic": "a", "redrawn": ("b",), "online": True}, "online and redrawn exclude each other"),
        ({"method": "magic"}, "method must be one of .*, not 'magic'"),
    ],
)
def test_arms_that_contradict_themselves_are_refused(arm: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ArmSettings(**arm)


# ---------------------------------------------------------------- every way through the stage

WAYS = {
    "pretrained": ArmSettings(synthetic="toy", schedule="pretrain", setting="scarce-labels"),
    "pretrained_mixed": ArmSettings(synthetic="toy", schedule="pretrain_mixed", setting="scarce-labels"),
    "little_synthetic": ArmSettings(synthetic="toy", synthetic_share=0.2, setting="scarce-labels"),
    "mean_teacher": ArmSettings(method="mean_teacher"),
    "self_supervised": ArmSettings(method="self_supervised"),
    "strong_augmentation": ArmSettings(augmentation="strong"),
}


@pytest.fixture(scope="module")
def folders(study: Study) -> dict[str, Path]:
    return {
        task: [study.run(task, name, arm) for name, arm in WAYS.items()][0]  # noqa: RUF015 - all of them run
        for task in ("classification", "segmentation")
    }


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_every_way_gives_networks_of_its_own(folders: dict[str, Path], task: str) -> None:
    tables = {name: pq.read_table(folders[task] / f"{name}.scores.parquet") for name in WAYS}
    column = "probability" if task == "classification" else "value"
    told = [tuple(table.column(column).to_pylist()) for table in tables.values()]
    assert len({table.num_rows for table in tables.values()}) == 1
    if task == "classification":  # twelve steps leave some segmentations empty, and alike
        assert len(set(told)) == len(WAYS)
    assert first_row(folders[task], "mean_teacher")["n_unlabelled_images"] == 32
    assert first_row(folders[task], "pretrained")["schedule"] == "pretrain"
    assert first_row(folders[task], "strong_augmentation")["rival"]


def test_a_pretext_phase_has_no_checks_and_counts_as_steps(folders: dict[str, Path]) -> None:
    steps = pq.read_table(folders["segmentation"] / "self_supervised.history.parquet").column("step").to_pylist()
    assert steps == [12] * 3  # the first six are the pretext task's


def test_unlabelled_patients_lend_pixels_alone(folders: dict[str, Path]) -> None:
    saw = saw_patients_of(folders["segmentation"] / "mean_teacher.manifest.json")
    assert (len(saw.pixels["train"]), len(saw.masks["train"])) == (8, 2)


def test_each_way_gives_the_same_bytes_again(study: Study, folders: dict[str, Path]) -> None:
    for task, name in (("segmentation", "mean_teacher"), ("classification", "self_supervised")):
        again = study.run(task, name, WAYS[name], out="again", work="other")
        file = f"{name}.scores.parquet"
        assert (again / file).read_bytes() == (folders[task] / file).read_bytes()


# ---------------------------------------------------------------- further real images


def test_further_images_are_as_many_as_were_annotated_and_of_other_patients(real: ImageSet) -> None:
    study = study_of(real, LOW, free_labels=False)
    resolved = resolve_arm(name="a", task="segmentation", settings=FURTHER, real=real, study=study, low=LOW)
    low = resolve_arm(name="b", task="segmentation", settings=ArmSettings(), real=real, study=study, low=LOW)
    extra = sorted(set(resolved.train.tolist()) - set(low.train.tolist()))
    patients = set(real.column("patient")[extra])
    assert len(extra) == 5
    assert len(patients) >= 4  # spread over patients, not one patient's slices
    assert not patients & set(real.column("patient")[low.train])
    every = resolve_arm(
        name="a",
        task="segmentation",
        settings=replace(FURTHER, annotated_images=500),
        real=real,
        study=study,
        low=LOW,
    )
    assert label_budget(every, real, 0, SawPatients(), study).n_annotated_images == 24  # no more are there
    with pytest.raises(CohortError, match="5 further training images are asked for and 0 are there; set"):
        resolve_arm(
            name="a",
            task="segmentation",
            settings=replace(FURTHER, real_fraction=1.0),
            real=real,
            study=study,
            low=LOW,
        )


def test_the_annotator_paints_further_images(study: Study, real: ImageSet, tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "annotator.safetensors"
    save_segmenter(Segmenter(SegmenterShape(1, (4,), ("background", *STRUCTURES))), weights)
    saw = SawPatients(masks={"annotator": frozenset({"annotator-1"})})
    manifest = tmp_path / "manifest.json"
    what = what_part(stage="annotator", version=1, settings={}, inputs={})
    write_manifest(manifest, what=what, outputs={"weights": weights}, saw_patients=saw)
    arm = ArmSettings(extra_real="annotator_masks", annotated_images=5)
    folder = study.run("segmentation", "annotator_masks", arm, annotator=(weights, manifest))
    assert first_row(folder, "annotator_masks")["n_annotated_images"] == 5
    assert saw_patients_of(folder / "annotator_masks.manifest.json").masks["annotator"] == {"annotator-1"}


def test_painted_masks_stand_in_for_the_stored_ones(real: ImageSet) -> None:
    rows = np.arange(3)
    painted = {1: np.full(real.masks(rows).shape[1:], 7, dtype=np.uint8)}
    drawn = Pool(real, rows, painted=painted, by_class=False).take(50, np.random.default_rng(0), with_masks=True)
    assert drawn.masks is not None
    sevens = (drawn.masks == 7).all(axis=(1, 2))
    assert 5 <= sevens.sum() <= 30
    assert (drawn.images[sevens] == real.images(np.array([1]))).all()


def test_arms_that_the_study_adds_by_itself() -> None:
    every = ("mean_teacher", "self_supervised", "strong_augmentation", "annotator_masks")
    options: dict[str, Any] = {"low_fraction": 0.1, "simulated_annotator": True, "annotated_images": 40}
    options["annotated_sources"] = ["main"]
    own = {"plus": ArmSettings(synthetic="main"), "painted": ArmSettings(synthetic="maps")}
    segments = arm_table(BenchmarkSettings(rivals=every), own, task="segmentation", **options)
    assert list(segments) == [
        "real_100",
        "real_low",
        "real_low_budget",
        "real_low_annotated",
        *every,
        "plus",
        "painted",
    ]
    assert {segments[name].annotated_images for name in ("real_low_annotated", "annotator_masks", "plus")} == {40}
    assert segments["painted"].annotated_images is None  # nobody annotated images that were painted on maps
    classifies = arm_table(BenchmarkSettings(rivals=every), own, task="classification", **options)
    assert list(classifies) == ["real_100", "real_low", *every[:3], "plus", "painted"]
    plain = arm_table(BenchmarkSettings(), {}, task="segmentation", low_fraction=0.1, simulated_annotator=False)
    assert list(plain) == ["real_100", "real_low"]


# ---------------------------------------------------------------- generators, search, jobs


def test_the_kth_network_learns_from_the_kth_generator(study: Study) -> None:
    arm = ArmSettings(synthetic="one", redrawn=("two", "three"), setting="scarce-labels")
    table = pq.read_table(study.run("classification", "redrawn", arm) / "redrawn.scores.parquet")
    pairs = set(zip(table.column("seed").to_pylist(), table.column("generator").to_pylist(), strict=True))
    assert pairs == {(1, "one"), (2, "two"), (3, "three")}


def test_the_search_tries_the_same_settings_in_every_arm_and_keeps_the_best(
    study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    training = replace(TRAINING, search_steps=(6, 12), search_augmentation=(0.0, 2.0))
    folder = study.run("classification", "searched", ArmSettings(), options=replace(BENCHMARK, training=training))
    lines = [line for line in capsys.readouterr().out.splitlines() if "Choice(" in line and "seed 1" in line]
    assert len(lines) == 4
    scores = [float(line.rsplit(" ", 1)[1]) for line in lines]
    history = pq.read_table(folder / "searched.history.parquet").to_pylist()
    kept = next(row for row in history if row["seed"] == 1 and row["chosen"])
    assert kept["val_score"] == pytest.approx(max(scores), abs=5e-4)
    assert kept["planned_steps"] in {6, 12}
    assert kept["strength"] in {0.0, 2.0}


def test_networks_as_jobs_of_their_own_give_the_same_bytes(study: Study) -> None:
    whole = study.run("classification", "low_plus", WAYS["little_synthetic"])
    arm = WAYS["little_synthetic"]
    parts = [
        study.run("classification", "low_plus", arm, out=f"seed-{seed}", work="jobs", seeds=(seed,))
        for seed in (3, 1, 2)  # in any order
    ]
    joined = study.root / "joined"
    benchmark_join.run(
        parts=tuple(part / "low_plus.scores.parquet" for part in parts),
        histories=tuple(part / "low_plus.history.parquet" for part in parts),
        part_manifests=tuple(part / "low_plus.manifest.json" for part in parts),
        scores=joined / "low_plus.scores.parquet",
        history=joined / "low_plus.history.parquet",
        manifest=joined / "low_plus.manifest.json",
    )
    for kind in ("scores", "history"):
        file = f"low_plus.{kind}.parquet"
        assert (joined / file).read_bytes() == (whole / file).read_bytes()
    seen = [saw_patients_of(folder / "low_plus.manifest.json") for folder in (joined, whole)]
    assert seen[0] == seen[1]


def test_online_pairs_come_each_once() -> None:
    def chunk(start: int) -> PairBatch:
        numbers = torch.arange(start, start + 5)
        images = numbers.view(5, 1, 1, 1).expand(5, 1, 4, 4).to(torch.uint8)
        return PairBatch(images, images[:, 0], numbers % 2, tuple(str(number) for number in numbers.tolist()))

    pool = StreamPool("toy", (chunk(5 * number) for number in range(4)))
    generator = np.random.default_rng(0)
    seen = [pool.take(3, generator, with_masks=True).images[:, 0, 0, 0].tolist() for _ in range(5)]
    assert [number for part in seen for number in part] == list(range(15))
    assert pool.image_shape == (1, 4, 4)


# ---------------------------------------------------------------- development folds


def test_each_development_patient_is_held_out_once_and_teaches_nobody_then(real: ImageSet) -> None:
    study = study_of(real, LOW, free_labels=False)
    full = ArmSettings(real_fraction=1.0)
    arms = [
        resolve_arm(name="a", task="segmentation", settings=full, real=real, study=study, low=LOW, fold=Fold(k, 3))
        for k in range(3)
    ]
    held = [set(real.column("patient")[arm.test]) for arm in arms]
    assert set().union(*held) == study.of("train", "val") - study.low
    assert sum(map(len, held)) == len(set().union(*held))
    for arm, patients in zip(arms, held, strict=True):
        assert not patients & set(real.column("patient")[np.concatenate([arm.train, arm.val])])
        assert set(real.column("split")[arm.test]) <= {"train", "val"}
    with pytest.raises(CohortError, match="9 patients of train and val lie outside the low fraction, too few for 10"):
        Fold(0, 10).patients(study, 0)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_while_sealed_nobody_of_the_test_is_scored(study: Study, task: str) -> None:
    sealed = replace(BENCHMARK, sealed=True)
    every = {"real_100": ArmSettings(real_fraction=1.0), "real_low": ArmSettings()}
    folder = [study.run(task, name, arm, out="sealed", options=sealed) for name, arm in every.items()][0]  # noqa: RUF015
    table = pq.read_table(folder / "real_low.scores.parquet")
    patients = set(table.column("patient").to_pylist())
    assert patients
    assert not any(patient.startswith("test") for patient in patients)
    assert set(table.column("evaluation").to_pylist()) == {"development"}
    assert "test" not in saw_patients_of(folder / "real_low.manifest.json").pixels
    outputs = {name: folder / f"{name}.parquet" for name in ("table", "summary", "curve", "verdicts")}
    benchmark_summary.run(
        scores=tuple(folder / f"{name}.scores.parquet" for name in every),
        manifests=tuple(folder / f"{name}.manifest.json" for name in every),
        **outputs,
        manifest=folder / "manifest.json",
        benchmark=sealed,
        arms=every,
        low=LOW,
    )
    rows = pq.read_table(outputs["summary"]).to_pylist()
    assert {row["n_patients"] for row in rows} == {9}
    assert {row["n_seeds"] for row in rows} == {1}
    assert all(row["seed_sd"] is None for row in rows)


# ---------------------------------------------------------------- the parts


def test_a_teacher_is_the_average_of_its_network() -> None:
    class Task:
        learning_rate = 0.1

        def network(self, seed: int, outputs: int | None = None) -> nn.Module:
            raise NotImplementedError

        def loss(self, logits: Tensor, batch: Batch) -> Tensor:
            return logits.mean() * 0

        def validate(self, network: nn.Module, device: torch.device) -> tuple[float, float]:
            raise NotImplementedError

    class Views:
        def views(self, step: int, device: torch.device, *, same_place: bool) -> tuple[Tensor, Tensor]:
            return torch.ones(2, 1), torch.zeros(2, 1)

    network = nn.Linear(1, 2)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.0], [4.0]]))
    method = MeanTeacher(Task(), Views(), decay=0.9, weight=1.0, steps=10, device=CPU)  # type: ignore[arg-type]
    batch = Batch(torch.ones(2, 1), torch.zeros(2), None)
    early, late = (float(method.loss(network, batch, step).detach()) for step in (0, 10))
    assert late > 0
    assert early == pytest.approx(late * np.exp(-5), rel=1e-4)
    for value in (1.0, 2.0, 3.0):
        with torch.no_grad():
            network.weight.fill_(value)
        method.after_step(network)
    teacher = next(iter(method.judged(network).parameters()))
    assert teacher[0, 0] == pytest.approx((0 + 1 + 2 + 3) / 4)  # at first a plain mean, the untrained weight included
    assert teacher[1, 0] == pytest.approx((4 + 1 + 2 + 3) / 4)
    assert not teacher.requires_grad


def test_contrast_is_least_where_views_agree() -> None:
    views = torch.eye(4)
    assert contrast(views, views) < contrast(views, views.roll(1, 0))


def test_hidden_squares_alone_are_drawn() -> None:
    images = torch.rand(3, 1, 32, 32) * 2 - 1
    shown, hidden = hide(images, 5, 1)
    assert 0.3 < hidden.float().mean() < 0.7
    assert torch.equal(shown[~hidden], images[~hidden])
    assert (shown[hidden] == 0).all()
    assert fill_in(nn.Identity(), images, 5, 1) == pytest.approx(float((images[hidden] ** 2).mean()))


def test_all_but_the_last_layer_is_taken_over() -> None:
    start, network = (nn.Sequential(nn.Linear(2, 3), nn.Linear(3, outputs)) for outputs in (5, 2))
    last = network[1].weight.clone()
    copy_matching(start, network)
    assert torch.equal(network[0].weight, start[0].weight)
    assert torch.equal(network[1].weight, last)


def test_strong_augmentation_turns_images_with_their_masks() -> None:
    masks = torch.zeros(8, 1, 32, 32, dtype=torch.long)
    masks[:, :, 8:24, 10:20] = 1
    strong = replace(Augmentation.of(ArmTrainingSettings(), "strong"), shift=0.0, scale=0.0)
    moved, painted = move(masks.float(), masks, strong, np.random.default_rng(0))
    assert painted is not None
    assert ((moved > 0.5).long() != painted).float().mean() < 0.01
    assert (painted != masks).float().mean() > 0.01
    shaded = shade(torch.zeros(8, 1, 32, 32), strong, np.random.default_rng(0))
    assert (shaded == -1.0).any()  # a square is hidden
    assert shaded.std() > 0.02


@pytest.mark.parametrize("name", [*CLASSIFIERS[1:], *SEGMENTERS[1:]])
def test_networks_of_monai_by_name_learn(name: str) -> None:
    images = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    if name in CLASSIFIERS:
        network = classifier(name=name, channels=1, classes=3, widths=(4, 4, 4, 4), seed=1)
        shape: tuple[int, ...] = (2, 3)
    else:
        network = segmenter(name=name, channels=1, labels=4, widths=(4, 4), size_px=(64, 64), seed=1)
        shape = (2, 4, 64, 64)
    output = network(images)
    assert tuple(output.shape) == shape
    output.square().mean().backward()
    assert sum(weight.grad is not None for weight in network.parameters()) > 10
