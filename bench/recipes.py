"""Train one variant of the generator for a budget of processor time, and score it by a network that publishes nothing.

    python bench/recipes.py config/config.yaml --change loss=relativistic --change rebuild.weight=5 --seconds 300 600

The study's slices and encoder are read from its results folder (run the `encoder` target first). Samples are scored
against held-out patients by a network of the judge's kind, with another seed and another half of the patients: the
judge publishes scores, so no setting may be chosen by it, and no test patient is looked at. Where there are lesions, a
segmenter taught on real training masks says in how many samples of each class it finds one, how far that stands out,
and how much its place varies. A row per budget is printed and appended to a table of JSON lines.

Processor time is that of training steps alone, on one thread; scores are not counted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray

from radgen.config import StudyConfig, read_config
from radgen.features.embed import features_of
from radgen.features.network import FeatureNetwork, load_features, save_network
from radgen.features.rows import TrainingRows, class_ids, judge_rows, source_rows, with_class
from radgen.features.settings import JudgeSettings
from radgen.features.train import Lesson, choose_objective, train_network
from radgen.gan.grid import sample_grid, write_png
from radgen.gan.kinds import kind_of
from radgen.gan.projected.embedding import class_means
from radgen.gan.residual_game import Guide
from radgen.gan.run import generator_shape
from radgen.gan.sampling import Sampler
from radgen.gan.settings import GanSettings
from radgen.gan.train import GanSystem, gan_trainer
from radgen.imageset.core import ImageSet
from radgen.imageset.torch import RowBatches
from radgen.labels.segmenter import Segmenter, load_segmenter, predict, save_segmenter
from radgen.labels.settings import AnnotatorSettings
from radgen.labels.teach import teach_segmenter
from radgen.metrics.audit import normalised
from radgen.metrics.distances import nearest, patient_numbers
from radgen.metrics.frechet import frechet_between
from radgen.metrics.prdc import prdc
from radgen.seeds import derive_seed, random_generator
from radgen.settings import as_plain, build
from radgen.training.adversarial import AdversarialTrainer
from radgen.training.devices import choose_precision, set_threads

CPU = torch.device("cpu")
SELECTION_SEED = 4_711  # of the selection network: its weights and its half of the patients
SEGMENTER_SEED = 77
SAMPLES = 1_024  # in the class proportions of training
COPY_QUANTILE = 0.01
FOUND_PIXELS = 3
HELD_OUT = ("val", "annotator")  # no generator learns from them, and no test patient chooses a setting


@dataclass(frozen=True)
class Study:
    """What one study's variants are trained on and scored by.

    Attributes
    ----------
    config
        The study's configuration.
    images
        Its real image set.
    rows, ids
        Positions int64 [n] the generator learns from, and their class ids.
    validation, unseen
        Positions of validation patients, and of training patients whom the selection network never saw.
    network
        The selection network.
    guide
        The encoder's class logits, or None where it has none.
    encoder
        The domain encoder.
    segmenter
        Finds structures; None where the study has no masks.
    """

    config: StudyConfig
    images: ImageSet
    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    validation: NDArray[np.int64]
    unseen: NDArray[np.int64]
    network: FeatureNetwork
    guide: Guide | None
    encoder: FeatureNetwork
    segmenter: Segmenter | None


def main() -> None:
    """Train, score at every budget, print and note."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, help="the study's YAML")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder with the study's results")
    parser.add_argument("--source", help="the generator; the study's first if left out")
    parser.add_argument("--name", default="default", help="what the row is called")
    parser.add_argument("--change", action="append", default=[], help="a setting of `gan`, as section.name=JSON")
    parser.add_argument("--seconds", type=float, nargs="+", help="budgets in processor seconds, rising")
    parser.add_argument("--images", type=int, help="the budget in images instead")
    parser.add_argument("--out", type=Path, default=Path("results/recipes"), help="table, pictures and networks")
    options = parser.parse_args()
    set_threads(1)
    config = read_config(options.config)
    source = options.source or next(iter(config.sources))
    study = open_study(config, options.results / config.study, source, options.out / config.study)
    settings = build(GanSettings, merged(as_plain(config.gan), options.change))
    print(describe())
    trainer = new_trainer(study, settings)
    for seen, seconds in training(trainer, seconds=options.seconds or (), images=options.images):
        sampler = Sampler(trainer.system.average, config.classes.names, source=source, seed=1, truncation=1.0)
        stem = f"{config.study}_{options.name}_seed-{settings.seed}_{seconds:05.0f}"
        write_png(options.out / f"{stem}.png", sample_grid(sampler))
        row = {"study": config.study, "name": options.name, "seed": settings.seed, "images": seen}
        row |= {"seconds": round(seconds), "changes": options.change} | scores(study, sampler)
        print(json.dumps(row), flush=True)
        with (options.out / "table.jsonl").open("a") as table:
            table.write(json.dumps(row) + "\n")


def merged(settings: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    """Return settings with changes such as `augment.probability=0.4` made."""
    for change in changes:
        path, _, value = change.partition("=")
        *sections, name = path.split(".")
        place = settings
        for section in sections:
            place = place[section]
        if name not in place:
            msg = f"--change {change}: gan has no setting {path}"
            raise SystemExit(msg)
        place[name] = json.loads(value) if value[:1] in '0123456789[{"tfn-' and value not in LOSS_WORDS else value
    return settings


LOSS_WORDS = ("nonsaturating",)


def open_study(config: StudyConfig, results: Path, source: str, cache: Path) -> Study:
    """Read what the workflow made; teach selection network and segmenter once, then read them from `cache`."""
    images = ImageSet(results / "slices" / "index.parquet")
    rows = source_rows(images, config.sources[source], config.low, config.classes).labelled
    cache.mkdir(parents=True, exist_ok=True)
    learnt, unseen = judge_rows(images, config.classes, SELECTION_SEED)
    encoder = load_features(results / "encoder" / source / "encoder.safetensors")
    guided = encoder.shape.has_classes and len(encoder.class_names) > 1
    return Study(
        config=config,
        images=images,
        rows=rows,
        ids=class_ids(images, rows, config.classes),
        validation=with_class(images, images.rows_where(split=HELD_OUT), config.classes),
        unseen=with_class(images, unseen, config.classes),
        network=selection_network(config, images, learnt, cache / "selection.safetensors"),
        guide=(lambda shown: encoder.module.logits(encoder.module(shown))) if guided else None,
        encoder=encoder,
        segmenter=segmenter_of(config, images, cache / "segmenter.safetensors"),
    )


def selection_network(config: StudyConfig, images: ImageSet, learnt: TrainingRows, path: Path) -> FeatureNetwork:
    """Return a network of the judge's kind and of another seed."""
    if not path.is_file():
        settings = build(JudgeSettings, as_plain(config.judge) | {"seed": SELECTION_SEED})
        objective, _ = choose_objective(settings.objective, learnt, images, config.classes)
        network, _ = train_network(Lesson(images, learnt, config.classes, objective), settings, CPU, print)
        save_network(network, path)
    return load_features(path)


def segmenter_of(config: StudyConfig, images: ImageSet, path: Path) -> Segmenter | None:
    """Return a segmenter taught on training masks, where there are masks."""
    if "lesion" not in config.structures.names:
        return None
    if not path.is_file():
        settings = AnnotatorSettings(images=5_000, seed=SEGMENTER_SEED)
        train = images.rows_where(split="train")
        save_segmenter(teach_segmenter(images, train, config.structures.names, settings, device=CPU, say=print), path)
    return load_segmenter(path, CPU)


def new_trainer(study: Study, settings: GanSettings) -> AdversarialTrainer[GanSystem]:
    """Return an untrained generator and its trainer."""
    settings = build(GanSettings, as_plain(settings) | {"precision": choose_precision(settings.precision, CPU)})
    batches = RowBatches(study.images, study.rows, study.ids, seed=settings.seed, balanced=settings.balance_classes)
    names = study.config.classes.names
    dimension = study.encoder.dimension
    shape = generator_shape(study.images, len(names), settings, embedding_dim=dimension)
    means = class_means(study.encoder.features, study.images, study.rows, study.ids, len(names))
    torch.manual_seed(derive_seed("gan", settings.seed, "weights"))
    generator = kind_of(shape).build(shape)
    return gan_trainer(generator, settings, batches, CPU, guide=study.guide, encoder=study.encoder, class_means=means)


def training(
    trainer: AdversarialTrainer[GanSystem], *, seconds: tuple[float, ...], images: int | None
) -> Iterator[tuple[int, float]]:
    """Train, and stop at every budget: yields images seen and processor seconds of the steps so far."""
    seen, spent = 0, 0.0
    for budget in seconds or (float("inf"),):
        while spent < budget and (images is None or seen < images):
            start = time.process_time()
            trainer.step(seen)
            spent += time.process_time() - start
            seen += trainer.batch_size
        yield seen, spent


def scores(study: Study, sampler: Sampler) -> dict[str, Any]:
    """Score samples and, as the floor, training images that the selection network never saw."""
    names = study.config.classes.names
    held_out = class_ids(study.images, study.validation, study.config.classes)
    counts = np.bincount(held_out, minlength=len(names))
    samples = {number: sampler.images(number, range(SAMPLES // len(names))) for number in range(len(names))}
    synthetic = np.concatenate([samples[number][:count] for number, count in enumerate(counts)])
    real = features_of(study.network, study.images, study.validation)
    (patients, floor_patients) = patient_numbers(
        study.images.column("patient")[study.validation], study.images.column("patient")[study.unseen]
    )
    floor = drawn(study.unseen, class_ids(study.images, study.unseen, study.config.classes), counts)
    floor_features = features_of(study.network, study.images, study.unseen[floor])
    features = study.network.features(synthetic)
    nobody = np.full(len(synthetic), -1)
    out: dict[str, Any] = {}
    for role, other, other_patients in (
        ("", features, nobody),
        ("floor_", floor_features, floor_patients[floor]),
    ):
        found = prdc(real, other, real_patients=patients, other_patients=other_patients)
        out |= {f"{role}fd": frechet_between(real, other), f"{role}recall": found.recall}
        out |= {f"{role}precision": found.precision, f"{role}coverage": found.coverage}
    out |= copies(study, np.concatenate(list(samples.values())))
    if study.segmenter is not None:
        for number, name in enumerate(names):
            out |= lesions(study, study.segmenter, samples[number][:256], name)
    return {name: round(value, 4) for name, value in out.items()}


def drawn(rows: NDArray[np.int64], ids: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw places among rows: as many of each class as asked for, or all there are."""
    rng = random_generator("recipes", "floor")
    parts = []
    for number, count in enumerate(counts):
        mine = np.flatnonzero(ids == number)
        parts.append(rng.choice(mine, min(count, len(mine)), replace=False))
    return np.sort(np.concatenate(parts))


def copies(study: Study, synthetic: NDArray[np.uint8]) -> dict[str, float]:
    """Compare how near samples and validation images come to training images, by features and by pixels."""
    embed = partial(features_of, study.network, study.images)
    read = study.images.images
    pairs = {
        "features": (study.network.features(synthetic), embed(study.validation), embed(study.rows)),
        "pixels": (normalised(synthetic), normalised(read(study.validation)), normalised(read(study.rows))),
    }
    out = {}
    for name, (mine, control, training_rows) in pairs.items():
        limit, middle = np.quantile(nearest(control, training_rows)[0], (COPY_QUANTILE, 0.5))
        distances = nearest(mine, training_rows)[0]
        out[f"copies_{name}"] = float((distances < limit).mean())
        out[f"nearest_{name}"] = float(np.median(distances) / middle)
    return out


def lesions(study: Study, segmenter: Segmenter, synthetic: NDArray[np.uint8], name: str) -> dict[str, float]:
    """In how many samples of a class a lesion is found, its contrast in grey levels, and its scatter in pixels."""
    label = study.config.structures.names.index("lesion") + 1
    around = study.config.structures.names.index("liver") + 1
    masks = predict(segmenter, synthetic, CPU)
    found = (masks == label).sum(axis=(1, 2)) >= FOUND_PIXELS
    out = {f"found_{name}": float(found.mean())}
    if found.mean() > 0.5:
        pictures = synthetic[:, 0].astype(float)
        contrast = [
            abs(picture[mask == label].mean() - picture[mask == around].mean())
            for picture, mask in zip(pictures[found], masks[found], strict=True)
            if (mask == around).any()
        ]
        centres = np.array([np.argwhere(mask == label).mean(axis=0) for mask in masks[found]])
        out |= {"contrast": float(np.median(contrast)), "scatter": float(centres.std(axis=0).mean())}
    return out


if __name__ == "__main__":
    main()
