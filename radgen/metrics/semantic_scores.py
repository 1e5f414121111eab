"""Final scores of a semantic generator on maps of test patients: each beside what real images reach in its place.

Source: Eskandar et al. 2021, USIS, section 6 (MS-SSIM between images of one map; alignment by a segmenter); pairs are
compared in the paired mode alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.features.network import FeatureNetwork
from radgen.metrics.alexnet import AlexNetDistance
from radgen.metrics.extractors import JUDGE, Extractor, judge_extractor
from radgen.metrics.frechet import IMAGES_PER_DIMENSION, frechet_between, too_few_images
from radgen.metrics.names import names_of
from radgen.metrics.semantic_ticks import Exam, grey_tensor, pair_scores
from radgen.metrics.surface import surface_distance
from radgen.seeds import random_generator
from radgen.semantic.losses import soft_body
from radgen.semantic.sampling import SemanticSampler

SCORES_SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),  # judge_fd | fid | dice | ms_ssim | psnr | lpips | ...
        pa.field("label", pa.string(), nullable=False),  # a structure, or empty
        pa.field("role", pa.string(), nullable=False),  # synthetic | floor | real | outline
        pa.field("value", pa.float64()),
        pa.field("n", pa.int64(), nullable=False),  # images, or maps
        pa.field("reason", pa.string()),  # why a value is missing
    ]
)
Images = NDArray[np.uint8]
Row = dict[str, str | float | int | None]


def score_semantic(
    source: str,
    sampler: SemanticSampler,
    exam: Exam,
    judge: FeatureNetwork,
    floor: NDArray[np.int64],
    *,
    published: Sequence[Extractor],
    perceptual: AlexNetDistance | None,
    samples_per_map: int,
    body: tuple[float, tuple[int, ...]],
    seed: int,
) -> pa.Table:
    """Score a generator on held-out maps.

    Parameters
    ----------
    source
        Name of the source.
    sampler
        Paints.
    exam
        Maps and images of test patients, and a segmenter that learnt from others.
    judge
        The judge.
    floor
        Positions of real images of other patients in the exam's images.
    published
        Networks beside the judge, such as Inception.
    perceptual
        Compares pairs, beside the judge's distance.
    samples_per_map
        Images of one map that are compared with each other.
    body
        Grey level in [-1, 1] above which a pixel is body, and the classes that are not.
    seed
        Of the noise in outlines.
    """
    made = exam.painted(sampler)
    real = exam.images.images(exam.image_rows)
    others = exam.images.images(floor)
    rows = [row for one in (judge_extractor(judge), *published) for row in _distances(made, real, others, one)]
    rows += _agreement(exam, made, real, outlines_filled(exam, real, body[1], seed))
    likeness = exam.likeness(sampler, samples_per_map)
    rows.append(_row("ms_ssim", "synthetic", float(np.mean(likeness)), len(likeness)))
    rows += _outlines(exam, made, real, *body)
    if exam.paired:
        originals = exam.maps.images(exam.map_rows)
        pairs = pair_scores(made, originals, judge)
        if perceptual is not None:
            pairs[perceptual.name] = float(perceptual.between(made, originals).mean())
        rows += [_row(name, "synthetic", value, len(made)) for name, value in pairs.items()]
    return pa.Table.from_pylist([{"source": source, **row} for row in rows], schema=SCORES_SCHEMA)


def _row(metric: str, role: str, value: float, n: int, *, label: str = "", reason: str | None = None) -> Row:
    known = value if np.isfinite(value) else None
    return {"metric": metric, "label": label, "role": role, "value": known, "n": n, "reason": reason}


def _distances(made: Images, real: Images, floor: Images, extractor: Extractor) -> list[Row]:
    sides = {"synthetic": extractor.features(made), "floor": extractor.features(floor)}
    against, name = extractor.features(real), names_of(extractor.name)["fd"]
    per_dimension = IMAGES_PER_DIMENSION if extractor.name == JUDGE else 1
    rows = []
    for role, features in sides.items():
        count = min(len(features), len(against))
        reason = too_few_images(count, extractor.dimension, per_dimension)
        value = float("nan") if count < 2 else frechet_between(features, against)
        rows.append(_row(name, role, value, len(features), reason=reason))
    return rows


def _agreement(exam: Exam, made: Images, real: Images, filled: Images) -> list[Row]:
    sides = {"synthetic": (made, exam.map_rows), "real": (real, exam.image_rows), "outline": (filled, exam.map_rows)}
    rows = []
    for role, (images, places) in sides.items():
        found = exam.dice(images, places)
        rows += [_row("dice", role, value, len(images), label=name) for name, value in found.items()]
    return rows


def outlines_filled(exam: Exam, real: Images, outside: tuple[int, ...], seed: int) -> Images:
    """Return outlines of maps filled with noise of real images' mean and spread, uint8 [m, C, H, W].

    A segmenter knows where organs lie in a body: what it finds here no image has shown it.
    """
    bodies = ~np.isin(exam.classes(exam.map_rows), outside)
    tissue = real[real > 0]
    random = random_generator("semantic outlines", seed)
    noise = random.normal(tissue.mean(), tissue.std(), (len(bodies), real.shape[1], *bodies.shape[1:]))
    filled: Images = (noise.clip(0, 255) * bodies[:, np.newaxis]).astype(np.uint8)
    return filled


def _outlines(exam: Exam, made: Images, real: Images, threshold: float, outside: tuple[int, ...]) -> list[Row]:
    sides = {"synthetic": (made, exam.map_rows), "real": (real, exam.image_rows)}
    rows = []
    for role, (images, places) in sides.items():
        maps = exam.classes(places)
        bodies = soft_body(grey_tensor(images) / 127.5 - 1, threshold, 1e-3).numpy() > 0.5
        apart = [surface_distance(one, ~np.isin(two, outside)) for one, two in zip(bodies, maps, strict=True)]
        known = [value for value in apart if np.isfinite(value)]
        reason = None if known else "no image with a body in both"
        rows.append(
            _row("body_distance_px", role, float(np.mean(known)) if known else float("nan"), len(known), reason=reason)
        )
    return rows
