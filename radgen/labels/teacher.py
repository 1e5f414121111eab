"""The heads' teachers: a segmenter of whole images for each member, and what it paints on samples without end.

An image can be moved, turned, shaded and blurred together with its mask; the generator's features cannot. So a network
that sees images learns more from a few masks than heads that see features, and hands it on to them: what a head asks
for are no masks any more but samples, and the generator gives as many as one likes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radgen.gan.sampling import Sampler, to_grey
from radgen.labels.annotated import Annotated
from radgen.labels.loss import ensemble_loss, label_weights_of
from radgen.labels.segmenter import Segmenter, to_network
from radgen.labels.settings import AnnotatorSettings, LabelHeadSettings
from radgen.labels.teach import teach_segmenter
from radgen.seeds import derive_seed


@dataclass(frozen=True)
class Lesson:
    """Samples of one step, and what each member's teacher thinks of them.

    Attributes
    ----------
    features
        Float maps [n, c, h, w] by scale name.
    class_ids
        int64 [n].
    probabilities
        Float32 [members, n, labels, H, W].
    """

    features: dict[str, Tensor]
    class_ids: Tensor
    probabilities: Tensor


@dataclass(frozen=True)
class Teachers:
    """One segmenter for each member of the ensemble; a lesson is a function of seed and step alone.

    Source: Hinton, Vinyals and Dean 2015, Distilling the knowledge in a neural network (arXiv 1503.02531), section 2,
    at temperature 1; Zhang et al. 2021, DatasetGAN (arXiv 2104.06490), for a generator that gives data without end.

    Attributes
    ----------
    segmenters
        By member.
    sampler
        Draws the samples, at the truncation of the annotated ones.
    classes
        Ids of the classes that somebody annotated, int64 [k]; they take turns.
    batch_size
        Samples of a lesson.
    seed
        Of the samples.
    """

    segmenters: Sequence[Segmenter]
    sampler: Sampler
    classes: Tensor
    batch_size: int
    seed: int

    @torch.no_grad()
    def lesson(self, step: int) -> Lesson:
        """Draw the samples of a step and ask every teacher about them; no sample comes twice."""
        generator, count = self.sampler.generator, self.batch_size
        device = generator.mapping.w_avg.device
        random = torch.Generator().manual_seed(derive_seed("labels", "samples", self.seed, step))
        draws = torch.randn(count, generator.shape.z_dim + generator.noise_length, generator=random).to(device)
        z, noise = draws.split_with_sizes([generator.shape.z_dim, generator.noise_length], dim=1)
        class_ids = self.classes[(step * count + torch.arange(count)) % len(self.classes)].to(device)
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            images, features = generator.synthesise(self.sampler.styles(z, class_ids), noise)
            seen = to_network(to_grey(images)).to(device, memory_format=torch.channels_last)
            opinions = torch.stack([segmenter(seen) for segmenter in self.segmenters])
        return Lesson(features, class_ids, opinions.softmax(dim=2))


def teach_teachers(
    annotated: Annotated,
    held: NDArray[np.bool_],
    labels: Sequence[str],
    settings: LabelHeadSettings,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> Teachers:
    """Teach each member's segmenter on the annotated images that the member does not hold out.

    Parameters
    ----------
    annotated
        Images and masks.
    held
        bool [members, n]: rows that neither a member nor its teacher learns from.
    labels
        Names of label ids, background first.
    settings
        Budget.
    device
        Where it runs.
    say
        Where progress lines go.
    """
    known = _Pictures(annotated.images(), annotated.masks.numpy())
    segmenters = []
    for number, left_out in enumerate(held):
        rows = np.flatnonzero(~left_out)
        own = AnnotatorSettings(
            images=settings.teacher_images,
            channels=settings.teacher_channels,
            seed=derive_seed("labels", "teacher", settings.seed, number),
            threads=settings.threads,
        )
        loss = _balanced(annotated.masks[rows], len(labels), settings, device)
        name = f"teacher {number + 1} of {len(held)}"
        segmenter = teach_segmenter(known, rows, labels[1:], own, device=device, say=say, loss=loss, name=name)
        segmenters.append(segmenter.eval().requires_grad_(requires_grad=False))
    classes = torch.tensor(sorted(set(annotated.class_ids.tolist())))
    return Teachers(segmenters, annotated.sampler, classes, settings.batch_size, settings.seed)


def _balanced(
    masks: Tensor, labels: int, settings: LabelHeadSettings, device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the heads' loss for one network: a small lesion must not drown in background."""
    counts = torch.bincount(masks.long().flatten(), minlength=labels)
    weights = label_weights_of(counts[None].float(), settings.balance).to(device)

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        alike = torch.ones(1, len(truth), device=logits.device)
        return ensemble_loss(logits[None], truth, alike, label_weights=weights, focus=settings.focus)[0]

    return loss


@dataclass(frozen=True)
class _Pictures:
    """Images and masks in memory, as `teach_segmenter` asks for them."""

    _images: NDArray[np.uint8]
    _masks: NDArray[np.uint8]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        channels, height, width = self._images.shape[1:]
        return channels, height, width

    def images(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._images[positions]

    def masks(self, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._masks[positions]
