"""All statistics of one source's nodules: coupling, agreement, gene swaps, masks, copies, saliency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from radgen.features.network import FeatureNetwork
from radgen.features.rows import HELD_OUT
from radgen.imageset.core import ImageSet
from radgen.radiogenomic.evaluation.coupled import CouplingScore, coupling_scores
from radgen.radiogenomic.evaluation.segmented import by_patient, dice_of, teach
from radgen.radiogenomic.evaluation.settings import RadiogenomicScoresSettings
from radgen.radiogenomic.evaluation.sides import ENCODER, PIXELS, RADIOMIC, Side, side_of
from radgen.radiogenomic.evaluation.swap import FACTORS, draw_design, variance_shares
from radgen.radiogenomic.evaluation.tables import AGREEMENT_SCHEMA, NEAREST_SCHEMA, SHUFFLES_SCHEMA, Score
from radgen.radiogenomic.expression import Expression
from radgen.radiogenomic.groups import group_means
from radgen.radiogenomic.nodule_features import FEATURES
from radgen.radiogenomic.patient_audit import Audit, nearest_patient_audit
from radgen.radiogenomic.saliency_scores import area_under_roc
from radgen.radiogenomic.synthesis.sampling import RadiogenomicSampler

Say = Callable[[str], None]
AUDIT_SPACES = (ENCODER, PIXELS)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is judged, and by what.

    Parameters
    ----------
    nodules, backgrounds
        The real image sets.
    samples
        Generated nodules.
    profiles
        Object [samples]: the patient whose genes made each.
    expression
        Of all patients.
    sampler
        The generator, for gene swaps.
    network
        A feature network that no training of the generator used.
    """

    nodules: ImageSet
    backgrounds: ImageSet
    samples: ImageSet
    profiles: NDArray[np.object_]
    expression: Expression
    sampler: RadiogenomicSampler
    network: FeatureNetwork

    def patients(self, *splits: str) -> set[str]:
        """Return the patients with nodules and genes in some splits."""
        rows = self.nodules.rows_where(split=splits)
        return set(self.nodules.column("patient")[rows].tolist()) & set(self.expression.patients)

    def real(self, *splits: str) -> Side:
        """Return the real nodules of some splits."""
        rows = self.nodules.rows_where(split=splits)
        return side_of(self.nodules, rows, self.nodules.column("patient")[rows], self.network)

    def generated(self) -> Side:
        """Return all generated nodules."""
        return side_of(self.samples, np.arange(len(self.samples)), self.profiles, self.network)


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores and the tables of their figures."""

    scores: list[Score]
    shuffles: pa.Table
    agreement: pa.Table
    nearest: pa.Table


def judge(evidence: Evidence, settings: RadiogenomicScoresSettings, device: torch.device, say: Say) -> Judged:
    """Compute every statistic but the saliency's.

    Raises
    ------
    ValueError
        Too few held-out patients have genes and nodules.
    """
    made, held_out, training = evidence.generated(), evidence.real(*HELD_OUT), evidence.real("train")
    new = made.of(evidence.patients(*HELD_OUT))
    coupled = coupling_scores(new, held_out, settings)
    agreement = agreement_table(new, held_out)
    audits = audit_spaces(made, training, held_out, settings)
    total = len(evidence.samples)
    empty = total - len(made.rows)
    scores = [Score("empty_masks", empty / total, n=total, words=_empty_words(empty, total))]
    for score in coupled:
        scores += _coupling_rows(score)
    scores += _agreement_rows(agreement)
    scores += swap_rows(evidence, settings)
    for space, audit in audits.items():
        scores += audit_rows(space, audit, len(evidence.patients("train")))
    scores += mask_rows(evidence, settings, device, say)
    shuffles = [
        {"space": score.space, "shuffle": number, "p_value": p}
        for score in coupled
        for number, p in enumerate(score.shuffled)
    ]
    ids = evidence.samples.column("image_id")
    nearest = pa.concat_tables([_nearest_table(ids, made, audit, space) for space, audit in audits.items()])
    return Judged(scores, pa.Table.from_pylist(shuffles, schema=SHUFFLES_SCHEMA), agreement, nearest)


def _empty_words(empty: int, total: int) -> str:
    return f"{empty} of {total} generated images have an empty mask and are left out" if empty else ""


def _coupling_rows(score: CouplingScore) -> list[Score]:
    found, (low, high) = score.found, score.bounds
    return [
        Score("coupling_p", found.p_value, score.space, n=found.patients, words=score.words),
        Score("coupling_own", found.own, score.space, n=found.patients),
        Score("coupling_others", found.others, score.space, n=found.patients),
        Score("coupling_shuffles", float(score.below_level), score.space, float(low), float(high), len(score.shuffled)),
    ]


def agreement_table(generated: Side, real: Side) -> pa.Table:
    """Return real and generated patient means of each radiomic feature."""
    names = np.intersect1d(generated.patients.astype(str), real.patients.astype(str)).astype(object)
    made, there = (group_means(side.spaces[RADIOMIC], side.patients, names) for side in (generated, real))
    rows = [
        {"patient": name, "feature": feature, "real": there[place, column], "generated": made[place, column]}
        for column, feature in enumerate(FEATURES)
        for place, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, schema=AGREEMENT_SCHEMA)


def _agreement_rows(table: pa.Table) -> list[Score]:
    frame = table.to_pylist()
    scores = []
    for feature in FEATURES:
        pairs = np.array([(row["real"], row["generated"]) for row in frame if row["feature"] == feature])
        varies = bool((pairs.std(axis=0) > 0).all())
        found = float(np.corrcoef(pairs.T)[0, 1]) if varies else float("nan")
        scores.append(Score("agreement_r", found, feature, n=len(pairs)))
    return scores


def swap_rows(evidence: Evidence, settings: RadiogenomicScoresSettings) -> list[Score]:
    """Swap genes, backgrounds and noise of held-out patients; backgrounds are theirs too."""
    people = sorted(evidence.patients(*HELD_OUT))[: settings.profiles]
    healthy = evidence.backgrounds.rows_where(split=HELD_OUT)[: settings.backgrounds]
    if len(people) < 2 or len(healthy) < 2:
        return []
    profiles, pictures = evidence.expression.of(people), evidence.backgrounds.images(healthy)[:, 0]
    first = {
        name: evidence.backgrounds.column(name)[healthy[0]] for name in ("window_low", "window_high", "spacing_row_mm")
    }

    def draw(profile: int, background: int, noise: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        nodule = evidence.sampler.draw(profiles[profile], pictures[background], noise)
        return nodule.image, nodule.mask

    pixel_mm = float(first["spacing_row_mm"])
    window = (float(first["window_low"][0]), float(first["window_high"][0]))
    levels = (len(people), len(healthy), settings.noises)
    values = draw_design(draw, levels, window, pixel_mm if np.isfinite(pixel_mm) else 1.0)
    shares = variance_shares(values)
    return [
        Score(f"variance_{factor}", float(shares[place, column]), feature, n=int(np.prod(levels)))
        for place, factor in enumerate(FACTORS)
        for column, feature in enumerate(FEATURES)
    ]


def audit_spaces(made: Side, training: Side, held_out: Side, settings: RadiogenomicScoresSettings) -> dict[str, Audit]:
    """Find the nearest training nodule of each generated one, by a feature network and by pixels."""
    return {
        space: nearest_patient_audit(
            made.spaces[space],
            made.patients,
            training.spaces[space],
            training.patients,
            held_out.spaces[space],
            quantile=settings.quantile,
        )
        for space in AUDIT_SPACES
    }


def audit_rows(space: str, audit: Audit, training_patients: int) -> list[Score]:
    """Return the audit's numbers, the first with the sentence that says them all."""
    own = (
        ""
        if np.isnan(audit.own)
        else (
            f" Of the images made from a training patient's genes, {audit.own:.0%} are nearest to that very patient, "
            f"where chance gives {1 / max(1, training_patients):.0%}."
        )
    )
    words = (
        f"With {training_patients} training patients, memorising them is the default outcome: {audit.copies:.1%} of "
        f"the generated images are nearer to a training nodule than all but the nearest held-out nodules are "
        f"({space}). The most frequent nearest patient takes {audit.most_frequent:.0%} of the images.{own}"
    )
    return [
        Score("copies", audit.copies, space, n=len(audit.distance), words=words),
        Score("nearest_is_own", audit.own, space, n=len(audit.distance)),
        Score("most_frequent_nearest", audit.most_frequent, space, n=len(audit.distance)),
    ]


def _nearest_table(ids: NDArray[np.object_], made: Side, audit: Audit, space: str) -> pa.Table:
    rows = {
        "image_id": ids[made.rows].tolist(),
        "space": [space] * len(made.rows),
        "profile": made.patients.tolist(),
        "nearest_patient": audit.patient.tolist(),
        "distance": audit.distance,
        "limit": np.full(len(made.rows), audit.limit),
    }
    return pa.table(rows, schema=NEAREST_SCHEMA)


def mask_rows(evidence: Evidence, settings: RadiogenomicScoresSettings, device: torch.device, say: Say) -> list[Score]:
    """Judge masks by a segmenter of real training nodules: those of held-out patients, and generated ones."""
    nodules, samples = evidence.nodules, evidence.samples
    segmenter = teach(nodules, nodules.rows_where(split="train"), settings.segmenter, device, say)
    held_out = nodules.rows_where(split=HELD_OUT)
    sides = {
        "held-out": (nodules, held_out, nodules.column("patient")[held_out]),
        "generated": (samples, np.arange(len(samples)), evidence.profiles),
    }
    found = {
        name: by_patient(dice_of(segmenter, images, rows, device), owners, settings.bootstrap_samples, settings.seed)
        for name, (images, rows, owners) in sides.items()
    }
    words = (
        "A segmenter taught on real training nodules agrees with generated masks with Dice "
        f"{found['generated'].mean:.3f}, and with held-out real ones with {found['held-out'].mean:.3f}"
    )
    return [
        Score("mask_dice", one.mean, name, one.low, one.high, one.patients, words if name == "generated" else "")
        for name, one in found.items()
    ]


def saliency_rows(strength: Mapping[str, float], planted: Mapping[str, str]) -> list[Score]:
    """Return the area under the curve of gene saliency against the planted genes; none where nothing was planted.

    Parameters
    ----------
    strength
        Of each gene.
    planted
        Gene to pathway; genes of noise are not in it.
    """
    if not planted:
        return []
    genes = sorted(strength)
    driven = np.array([gene in planted for gene in genes], dtype=bool)
    found = area_under_roc(np.array([strength[gene] for gene in genes]), driven)
    words = f"Gene saliency finds the {int(driven.sum())} planted genes with area under the curve {found:.3f}"
    return [Score("saliency_auc", found, n=len(genes), words=words)]
