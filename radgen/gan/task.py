"""A training as the first process leads it, others follow it, or a probe looks at it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.features.network import FeatureNetwork, load_features
from radgen.gan.begin import Start
from radgen.gan.projected.embedding import class_means
from radgen.gan.residual_game import Guide
from radgen.gan.run import Evaluate, Lesson, Means, best_score, build_trainer, train_generator
from radgen.gan.scale import enlarged
from radgen.gan.settings import GanSettings
from radgen.keyed import Finished, KeyedJob
from radgen.training.probe import probe
from radgen.training.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained, from what, and by whom.

    Attributes
    ----------
    lesson
        Real images and classes.
    settings
        Of the training, its precision chosen.
    encoder
        Weights of the domain encoder.
    previous
        Weights of the stage before, of a growing generator.
    scorer
        Makes the function that scores samples at ticks, or None; called by the first process alone.
    ranks
        The processes that train together.
    device_reason
        Why this device was chosen.
    """

    lesson: Lesson
    settings: GanSettings
    encoder: Path
    previous: Path | None
    scorer: Callable[[], Evaluate | None]
    ranks: Ranks
    device_reason: str

    def lead(self, job: KeyedJob) -> tuple[Finished, bool]:
        """Train unless the key is finished; return the result, and whether it was there before."""
        tag, name, images = f"images-{self.settings.images:010d}", self.lesson.source, self.settings.images
        done = job.finished(tag)
        if not self.ranks.any(done is None):
            assert done is not None  # noqa: S101 - no process has anything to do
            say(f"gan {name}: {images} images were trained before, published again")
            if done.code != job.code:
                say(f"gan {name}: other code made it ({done.code}; today's is {job.code}), see docs/determinism.md")
            return done, True
        files, notes = self._train(job.folder)
        return job.finish(files, notes, tag=tag), False

    def follow(self, folder: Path) -> None:
        """Train beside the first process, which holds the work folder, if there is anything to do."""
        if self.ranks.any(flag=False):
            train_generator(folder, self.lesson, self.settings, self._means(None))

    def probe(self) -> None:
        """Print what a training of this kind needs."""
        trainer = build_trainer(self.lesson, self.settings, self._means(None))
        networks = {"generator": trainer.system.generator, "discriminator": trainer.system.discriminator}
        first_image = self.settings.rebuild.alone_images if self.settings.discriminator == "residual" else 0
        for line in probe(trainer, networks, self.ranks.device, self.settings.images, first_image=first_image):
            say(f"gan {self.lesson.source}: {line}")

    def _train(self, folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
        gan, lesson, ranks = self.settings, self.lesson, self.ranks
        say(
            f"gan {lesson.source}: {len(lesson.rows)} real images, {len(lesson.class_names)} classes; "
            f"device {ranks.device} ({self.device_reason}), {ranks.count} process(es), {gan.threads} thread(s), "
            f"{gan.precision}"
        )
        outcome = train_generator(folder, lesson, gan, self._means(self.scorer()))
        assert outcome is not None  # noqa: S101 - this is the first process
        score = best_score(outcome)
        say(f"gan {lesson.source}: published the weights of {outcome.published_images} images, domain FID {score}")
        notes = {
            "device": ranks.device.type,
            "device_reason": self.device_reason,
            "processes": ranks.count,
            "threads": gan.threads,
            "precision": gan.precision,
            "published_images": outcome.published_images,
            "domain_fid": score,
            "seen_images": outcome.result.seen_images,
            "resumed_images": outcome.result.resumed_images,
            "images_per_second": round(outcome.result.images_per_second, 1),
        }
        return outcome.files, notes

    def _means(self, evaluate: Evaluate | None) -> Means:
        lesson, gan = self.lesson, self.settings
        network = load_features(self.encoder, self.ranks.device)

        @functools.cache
        def means() -> NDArray[np.float64]:
            return class_means(network.features, lesson.images, lesson.rows, lesson.class_ids, len(lesson.class_names))

        init_from = Path(gan.init_from) if gan.init_from else None
        start = Start(self.previous, init_from, lesson.class_names, means, network)
        guide = guide_of(network) if gan.guidance > 0 else None
        return Means(self.ranks.device, evaluate, guide, start, self.ranks, say)


def guide_of(network: FeatureNetwork) -> Guide | None:
    """Return the encoder's class logits as a differentiable function of images, where it saw labels of two classes."""
    if not network.shape.has_classes or len(network.class_names) < 2:
        return None
    module, size = network.module, network.shape.height
    return lambda images: module.logits(module(enlarged(images, size)))


def say(line: str) -> None:
    """Print one line of progress."""
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
