"""Judge generated nodules: do they follow genes, are their masks right, and whom do they copy."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import CohortError
from radgen.keyed import run_keyed
from radgen.provenance import SawPatients, digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.radiogenomic.evaluation.settings import RadiogenomicScoresSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.keyed import KeyedJob
    from radgen.radiogenomic.evaluation.score import Evidence
    from radgen.radiogenomic.evaluation.tables import Score

VERSION = 2
FILES = ("scores", "shuffles", "agreement", "nearest", "saliency")


def run(
    *,
    nodules: Path,
    backgrounds: Path,
    nodules_manifest: Path,
    codes: Path,
    judge: Path,
    judge_manifest: Path,
    weights: Path,
    samples: Path,
    samples_manifest: Path,
    draws: Path,
    gene_saliency: Path,
    planted: Path | None = None,
    source: str,
    scores: Path,
    shuffles: Path,
    agreement: Path,
    nearest: Path,
    saliency: Path,
    manifest: Path,
    radiogenomic_scores: RadiogenomicScoresSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Write every statistic of one source.

    Parameters
    ----------
    nodules, backgrounds, nodules_manifest
        The real image sets.
    codes
        Genes of every patient.
    judge, judge_manifest
        A feature network that no training of the generator used.
    weights
        The generator, for gene swaps.
    samples, samples_manifest, draws
        Generated nodules, and whose genes made each.
    gene_saliency
        How much each gene moves a picture.
    planted
        The phantom's truth; real studies have none.
    source
        The source's name.
    scores
        Tidy scores; columns of this and the other tables in `radgen.radiogenomic.evaluation.tables`.
    shuffles, agreement, nearest, saliency
        What their figures are drawn from.
    manifest
        Beside them.
    radiogenomic_scores
        Settings.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError
        Fewer than three held-out patients have genes and nodules.
    """
    settings = radiogenomic_scores
    inputs = {
        "nodules": input_digest(nodules_manifest),
        "codes": input_digest(codes),
        "judge": input_digest(judge),
        "weights": input_digest(weights),
        "samples": input_digest(samples_manifest),
    } | ({"planted": digest_file(planted)} if planted is not None else {})
    plain = as_plain({"source": source, "radiogenomic_scores": settings})
    what = what_part(stage="radiogenomic_scores", version=VERSION, settings=plain, inputs=inputs, seed=settings.seed)
    outputs = dict(zip(FILES, (scores, shuffles, agreement, nearest, saliency), strict=True))
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            evidence, chosen = _evidence(
                nodules, backgrounds, samples, draws, codes, weights=weights, judge=judge, device=device
            )
            files = _judge(job, evidence, settings, saliency=(gene_saliency, planted), device=chosen)
            finished = job.finish(files, {"device": chosen, "caption": evidence.expression.caption})
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"radiogenomic-scores {source}: unchanged, published again")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=_saw(nodules) | saw_patients_of(nodules_manifest, judge_manifest, samples_manifest),
            device=str(finished.notes["device"]),
            notes=finished.notes,
            reused=done is not None,
        )


def _evidence(
    nodules: Path,
    backgrounds: Path,
    samples: Path,
    draws: Path,
    codes: Path,
    *,
    weights: Path,
    judge: Path,
    device: str,
) -> tuple[Evidence, str]:
    """Open everything; return it and the device."""
    import numpy as np
    import pyarrow.parquet as pq

    from radgen.features.network import load_features
    from radgen.features.rows import HELD_OUT
    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.evaluation.score import Evidence
    from radgen.radiogenomic.expression import load_expression
    from radgen.radiogenomic.synthesis.sampling import load_radiogenomic_sampler
    from radgen.training.devices import choose_device

    chosen, why = choose_device(device)
    _say(f"radiogenomic-scores: device {chosen} ({why})")
    made = ImageSet(samples)
    owner = {row["image_id"]: row["profile"] for row in pq.read_table(draws).to_pylist()}
    evidence = Evidence(
        ImageSet(nodules),
        ImageSet(backgrounds),
        made,
        np.array([owner[image_id] for image_id in made.column("image_id")], dtype=object),
        load_expression(codes),
        load_radiogenomic_sampler(weights, seed=0, device=chosen),
        load_features(judge, chosen),
    )
    evidence.sampler.card.check_genes(evidence.expression.genes, codes.name)
    people = evidence.patients(*HELD_OUT) & set(owner.values())
    if len(people) < 3:
        msg = (
            f"{len(people)} held-out patients have genes, nodules and generated images, where a permutation test needs "
            "3; raise the shares of validation and test, or sample their splits"
        )
        raise CohortError(msg)
    return evidence, chosen.type


def _judge(
    job: KeyedJob,
    evidence: Evidence,
    settings: RadiogenomicScoresSettings,
    *,
    saliency: tuple[Path, Path | None],
    device: str,
) -> dict[str, Path]:
    """Write the tables into the work folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from radgen.imageset.core import write_table
    from radgen.radiogenomic.evaluation.score import judge, saliency_rows
    from radgen.radiogenomic.evaluation.tables import SALIENCY_SCHEMA, scores_table
    from radgen.training.devices import set_threads

    set_threads(settings.threads)
    found = judge(evidence, settings, torch.device(device), _say)
    strength = {row["gene"]: row["strength"] for row in pq.read_table(saliency[0]).to_pylist()}
    planted = _read_planted(saliency[1])
    scores = [*found.scores, *saliency_rows(strength, planted)]
    rows = [{"gene": gene, "strength": value, "pathway": planted.get(gene)} for gene, value in strength.items()]
    tables = {
        "scores": scores_table(evidence.sampler.card.source, scores),
        "shuffles": found.shuffles,
        "agreement": found.agreement,
        "nearest": found.nearest,
        "saliency": pa.Table.from_pylist(rows, schema=SALIENCY_SCHEMA),
    }
    _tell(scores, evidence.expression.caption)
    files = {name: job.path(f"{name}.parquet") for name in FILES}
    for name, path in files.items():
        write_table(path, tables[name])
    return files


def _read_planted(path: Path | None) -> dict[str, str]:
    """Return gene to pathway of the phantom's truth; nothing without one."""
    if path is None:
        return {}
    with path.open(encoding="utf-8") as file:
        return {row["gene"]: row["pathway"] for row in csv.DictReader(file)}


def _saw(nodules: Path) -> SawPatients:
    """Held-out nodules are read, pixels and masks."""
    from radgen.features.rows import HELD_OUT, patients_of
    from radgen.imageset.core import ImageSet

    images = ImageSet(nodules)
    people = patients_of(images, images.rows_where(split=("train", *HELD_OUT)))
    return SawPatients(pixels=people, masks=people)


def _tell(scores: list[Score], caption: str) -> None:
    for score in scores:
        if score.words:
            _say(score.words)
    if caption:
        _say(caption)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
