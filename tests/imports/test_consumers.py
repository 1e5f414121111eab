"""Metrics and benchmark arms read an imported image set as they read samples and pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from radgen.benchmark.settings import ArmSettings, BenchmarkSettings
from radgen.benchmark.training_settings import ArmTrainingSettings
from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import AncestryError, InputError
from radgen.imageset.core import ImageSet
from radgen.metrics.settings import MetricsSettings
from radgen.provenance import SawPatients, saw_patients_of
from radgen.sources import SourceSettings
from radgen.stages import benchmark, import_images, metrics, regenerate, source_images
from tests.benchmark.toys import CLASSES, STRUCTURES, write_real, write_synthetic
from tests.features.toys import CLASSES as JUDGED_CLASSES
from tests.features.toys import run_judge, write_toy

TRAINING = ArmTrainingSettings(
    max_steps=4,
    eval_every=4,
    classifier_batch_size=6,
    segmenter_batch_size=6,
    classifier_channels=(4, 4, 8, 8),
    segmenter_channels=(4, 8, 8),
)


def scatter(index: Path, folder: Path) -> None:
    """Write an image set as another tool would leave it: pictures in folders of classes."""
    images = ImageSet(index)
    for place, name in enumerate(images.column("class_name")):
        target = folder / "images" / name / f"{place:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images([place])[0, 0]).save(target)
        if images.has_masks:
            target = folder / "masks" / name / f"{place:04d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images.masks([place])[0]).save(target)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere")
    scatter(write_synthetic(folder / "set", SawPatients())[0], folder)
    return folder


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_an_arm_runs_on_imported_images_once_their_ancestry_is_declared(
    elsewhere: Path, tmp_path: Path, task: str
) -> None:
    real = write_real(tmp_path / "slices")

    def arm(ancestry: Path | None) -> Path:
        out = tmp_path / "imported"
        import_images.run(
            pictures=elsewhere / "images",
            masks=elsewhere / "masks",
            name="other",
            out=out,
            class_names=CLASSES,
            structures=STRUCTURES,
            ancestry=ancestry,
        )
        benchmark.run(
            slices=real[0],
            slices_manifest=real[1],
            synthetic=(out / "index.parquet",),
            synthetic_manifests=(out / "manifest.json",),
            volumes=(real[2],),
            task=task,
            arm="plus",
            scores=tmp_path / "plus.scores.parquet",
            history=tmp_path / "plus.history.parquet",
            manifest=tmp_path / "plus.manifest.json",
            benchmark=BenchmarkSettings(training=TRAINING, sealed=False),
            arm_settings=ArmSettings(synthetic="other", setting="external"),
            low=LowSettings(fraction=0.25),
            classes=ClassSettings(names=CLASSES),
            structures=StructureSettings(names=STRUCTURES),
            work=tmp_path / "work",
            device="cpu",
        )
        return tmp_path / "plus.scores.parquet"

    with pytest.raises(AncestryError, match="external cannot be shown, an ancestor's patients are unknown"):
        arm(None)
    declared = tmp_path / "ancestry.json"
    declared.write_text(json.dumps({"statement": "toy", "pixels": {}, "labels": {}, "masks": {}}))
    scores = pq.read_table(arm(declared)).to_pylist()
    assert (scores[0]["n_synthetic_images"], scores[0]["setting"], scores[0]["headline"]) == (24, "external", True)


def test_metrics_of_imported_images_are_those_of_the_same_samples(tmp_path: Path) -> None:
    judged = run_judge(tmp_path, write_toy(tmp_path / "slices"))
    samples = write_toy(tmp_path / "samples", source="main", count=40)
    scatter(samples, tmp_path / "elsewhere")
    import_images.run(
        pictures=tmp_path / "elsewhere" / "images",
        name="main",
        out=tmp_path / "imported",
        class_names=JUDGED_CLASSES.names,
    )
    found = []
    for index in (samples, tmp_path / "imported" / "index.parquet"):
        metrics.run(
            slices=judged.slices,
            slices_manifest=judged.slices.parent / "manifest.json",
            judge_weights=judged.weights,
            judge_manifest=judged.manifest,
            samples=index,
            samples_manifest=index.parent / "manifest.json",
            source="main",
            quality=index.parent / "quality.parquet",
            nearest=index.parent / "nearest.parquet",
            manifest=index.parent / "main.manifest.json",
            metrics=MetricsSettings(kid_subsets=5),
            source_settings=SourceSettings(),
            low=LowSettings(fraction=0.25),
            classes=JUDGED_CLASSES,
            device="cpu",
        )
        found.append(pq.read_table(index.parent / "quality.parquet"))
    assert found[0].equals(found[1])


def test_an_imported_set_becomes_a_source_with_its_pixels_and_its_ancestry(elsewhere: Path, tmp_path: Path) -> None:
    folder = tmp_path / "imported"
    import_images.run(
        pictures=elsewhere / "images",
        masks=elsewhere / "masks",
        name="made",
        out=folder,
        class_names=CLASSES,
        structures=STRUCTURES,
    )

    def take(classes: tuple[str, ...], structures: tuple[str, ...] = STRUCTURES) -> Path:
        index = tmp_path / "samples" / "mine" / "index.parquet"
        source_images.run(
            images=folder / "index.parquet",
            images_manifest=folder / "manifest.json",
            source="mine",
            index=index,
            manifest=index.parent / "manifest.json",
            classes=ClassSettings(names=classes),
            structures=StructureSettings(names=structures),
        )
        return index

    old, new = ImageSet(folder / "index.parquet"), ImageSet(take(CLASSES))
    every = list(range(len(old)))
    assert (new.images(every) == old.images(every)).all()
    assert (new.masks(every) == old.masks(every)).all()
    assert saw_patients_of(tmp_path / "samples/mine/manifest.json").unknown
    name = str(new.column("image_id")[0])
    with pytest.raises(InputError, match=rf"index\.parquet: {name} was imported, so no generator is at hand"):
        regenerate.run(image_id=name, index=new.folder / "index.parquet")
    with pytest.raises(InputError, match="import it again with --class-names spot normal"):
        take(CLASSES[::-1])
    with pytest.raises(InputError, match="labels are disc, lesion, but the study's are lesion, disc"):
        take(CLASSES, STRUCTURES[::-1])
