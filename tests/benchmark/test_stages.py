"""Arms from image sets to the summary, at toy size."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings, arm_table
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import AncestryError, CohortError, ConfigError
from radgen.provenance import SawPatients, saw_patients_of
from radgen.stages import benchmark, benchmark_summary
from tests.benchmark.toys import CLASSES, STRUCTURES, write_real, write_synthetic

TRAINING = ArmTrainingSettings(
    max_steps=12,
    eval_every=6,
    classifier_batch_size=6,
    segmenter_batch_size=6,
    classifier_channels=(4, 4, 8, 8),
    segmenter_channels=(4, 8, 8),
)
BENCHMARK = BenchmarkSettings(training=TRAINING, sealed=False)
LOW = LowSettings(fraction=0.25)
OWN = {
    "low_plus": ArmSettings(synthetic="toy", setting="scarce-labels"),
    "only": ArmSettings(synthetic="toy", real_fraction=0, setting="shared"),
}


@dataclass(frozen=True)
class Study:
    """A toy study on disk."""

    root: Path
    real: tuple[Path, Path, Path]
    synthetic: tuple[Path, Path]

    def run(
        self,
        task: str,
        arm: str,
        settings: ArmSettings,
        *,
        out: str = "benchmark",
        work: str = "work",
        low: LowSettings = LOW,
        device: str = "cpu",
        options: BenchmarkSettings = BENCHMARK,
        seeds: tuple[int, ...] = (),
        annotator: tuple[Path, ...] = (),
    ) -> Path:
        """Run one arm and return the folder of its outputs."""
        folder = self.root / out / task
        count = len(settings.sources)
        benchmark.run(
            slices=self.real[0],
            slices_manifest=self.real[1],
            synthetic=self.synthetic[:1] * count,
            synthetic_manifests=self.synthetic[1:] * count,
            volumes=(self.real[2],),
            task=task,
            arm=arm,
            scores=folder / f"{arm}.scores.parquet",
            history=folder / f"{arm}.history.parquet",
            manifest=folder / f"{arm}.manifest.json",
            benchmark=options,
            arm_settings=settings,
            seeds=seeds,
            annotator=annotator,
            low=low,
            classes=ClassSettings(names=CLASSES),
            structures=StructureSettings(names=STRUCTURES),
            work=self.root / work,
            device=device,
        )
        return folder


def make_study(root: Path, saw: SawPatients) -> Study:
    return Study(root, write_real(root / "slices"), write_synthetic(root / "pairs" / "toy", saw))


SAW = SawPatients(
    pixels={"train": frozenset(f"train-{n}" for n in range(8))}, masks={"annotator": frozenset({"annotator-0"})}
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """All arms of both tasks, run once."""
    study = make_study(tmp_path_factory.mktemp("study"), SAW)
    for task in BENCHMARK.tasks:
        for arm, settings in arms(task).items():
            study.run(task, arm, settings)
    return study


def arms(task: str) -> dict[str, ArmSettings]:
    return arm_table(BENCHMARK, OWN, task=task, low_fraction=LOW.fraction, simulated_annotator=True)


def files(study: Study, pattern: str) -> tuple[Path, ...]:
    return tuple(sorted((study.root / "benchmark").glob(f"*/*.{pattern}")))


def test_every_arm_trains_the_same_steps_and_tests_the_same_rows(study: Study) -> None:
    for task, rows in (("classification", 16 * 2), ("segmentation", 4 * 2 * 3)):
        for arm in arms(task):
            folder = study.root / "benchmark" / task
            history = pq.read_table(folder / f"{arm}.history.parquet").to_pydict()
            assert history["step"] == [6, 12] * 3
            assert history["seen_images"] == [36, 72] * 3
            assert sum(history["chosen"]) == 3
            assert pq.read_table(folder / f"{arm}.scores.parquet").num_rows == rows * 3


def test_scores_tell_the_label_budget(study: Study) -> None:
    def first(arm: str) -> dict[str, object]:
        return dict(pq.read_table(study.root / f"benchmark/segmentation/{arm}.scores.parquet").to_pylist()[0])

    low, plus, budget = first("real_low"), first("low_plus"), first("real_low_budget")
    assert (low["n_train_patients"], plus["n_train_patients"], budget["n_train_patients"]) == (2, 2, 4)
    assert (low["n_annotator_patients"], plus["n_annotator_patients"]) == (0, 1)
    assert (plus["setting"], plus["headline"], plus["n_synthetic_images"]) == ("scarce-labels", True, 24)
    assert (first("only")["headline"], first("only")["n_train_patients"]) == (False, 0)


def test_manifest_names_every_patient_an_arm_used(study: Study) -> None:
    saw = saw_patients_of(study.root / "benchmark/segmentation/low_plus.manifest.json")
    assert len(saw.pixels["train"]) == 8
    assert len(saw.masks["train"]) == 2
    assert len(saw.masks["test"]) == 4
    assert saw.masks["annotator"] == {"annotator-0"}


def test_a_finished_arm_is_published_again_without_training(
    study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in files(study, "scores.parquet")}
    monkeypatch.setattr("radgen.benchmark.run.run_arm", lambda *_: pytest.fail("trained again"))
    shutil.rmtree(study.root / "benchmark" / "classification")
    for arm, settings in arms("classification").items():
        folder = study.run("classification", arm, settings, device="auto")
        assert (folder / f"{arm}.scores.parquet").read_bytes()
        run = json.loads((folder / f"{arm}.manifest.json").read_text())["run"]
        assert (run["reused"], run["device"]) == (True, "cpu")  # the device of the training, not the word that asked
    assert "was finished before" in capsys.readouterr().out
    assert before == {path.name: path.read_bytes() for path in files(study, "scores.parquet")}


def test_another_low_fraction_leaves_the_full_arm_alone(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr("radgen.benchmark.run.run_arm", trained)
    other = LowSettings(fraction=0.5, seed=4)
    study.run("segmentation", "real_100", ArmSettings(real_fraction=1.0), out="other", low=other)
    with pytest.raises(InterruptedError):
        study.run("segmentation", "real_low", ArmSettings(), out="other", low=other)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_training_again_gives_the_same_bytes(study: Study, task: str) -> None:
    folder = study.run(task, "low_plus", OWN["low_plus"], out="again", work="other")
    for name in ("low_plus.scores.parquet", "low_plus.history.parquet"):
        assert (folder / name).read_bytes() == (study.root / "benchmark" / task / name).read_bytes()


def test_every_seed_trains_a_network_of_its_own(study: Study) -> None:
    histories = [pq.read_table(path).to_pydict() for path in files(study, "history.parquet")]
    assert all(len(set(history["val_loss"])) == 6 for history in histories)


def test_an_arm_whose_ancestry_breaks_its_setting_is_refused(tmp_path: Path) -> None:
    broken = make_study(tmp_path, SAW | SawPatients(masks={"train": frozenset(f"train-{n}" for n in range(8))}))
    with pytest.raises(AncestryError, match=r"arm low_plus: setting scarce-labels is broken.* masks of 6 forbidden"):
        broken.run("segmentation", "low_plus", OWN["low_plus"])
    assert not (tmp_path / "benchmark").exists()
    leaky = make_study(tmp_path / "leaky", SAW | SawPatients(pixels={"test": frozenset({"test-1"})}))
    with pytest.raises(AncestryError, match=r"setting shared is broken.* pixels of 1 forbidden patients \(1 of test\)"):
        leaky.run("classification", "only", OWN["only"])


def test_a_class_without_training_images_is_refused(study: Study) -> None:
    with pytest.raises(CohortError, match="arm real_low: class third has no training image among 8; raise"):
        _run_with_classes(study, (*CLASSES, "third"))


def _run_with_classes(study: Study, names: tuple[str, ...]) -> None:
    benchmark.run(
        slices=study.real[0],
        slices_manifest=study.real[1],
        synthetic=(),
        synthetic_manifests=(),
        volumes=(),
        task="classification",
        arm="real_low",
        scores=study.root / "three" / "s.parquet",
        history=study.root / "three" / "h.parquet",
        manifest=study.root / "three" / "m.manifest.json",
        benchmark=BENCHMARK,
        arm_settings=ArmSettings(),
        low=LOW,
        classes=ClassSettings(by="folder", names=names),
        structures=StructureSettings(),
        work=study.root / "work",
    )


def test_an_unknown_task_is_refused(study: Study) -> None:
    with pytest.raises(
        ConfigError, match="task 'detection' with 0 synthetic sets for 0 sources; give one of classification"
    ):
        study.run("detection", "real_low", ArmSettings())


def test_summary_joins_all_arms(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study.root / "benchmark"
    outputs = {name: folder / f"{name}.parquet" for name in ("table", "summary", "curve", "verdicts")}
    every = arms("classification") | arms("segmentation")
    scores, manifests = files(study, "scores.parquet"), files(study, "manifest.json")
    for _ in range(2):
        before = {name: path.read_bytes() for name, path in outputs.items() if path.exists()}
        benchmark_summary.run(
            scores=scores,
            manifests=manifests,
            **outputs,
            manifest=folder / "manifest.json",
            benchmark=BENCHMARK,
            arms=every,
            low=LOW,
        )
    assert before == {name: path.read_bytes() for name, path in outputs.items()}
    summary = pq.read_table(outputs["summary"]).to_pylist()
    assert len(summary) == 4 * 5 + 5 * 9  # all toy patients have both classes: no scores by patient
    assert sum(row["primary"] for row in summary) == 4 + 5
    assert pq.read_table(outputs["table"]).num_rows == 3 * (4 * 32 + 5 * 24)
    assert pq.read_table(outputs["curve"]).column("arm").to_pylist() == ["real_100", "real_low"] * 2
    assert capsys.readouterr().out.count("at the configured low fraction 0.25") == 4
    assert len(json.loads((folder / "manifest.json").read_text())["run"]["notes"]["rule"]) == 2
