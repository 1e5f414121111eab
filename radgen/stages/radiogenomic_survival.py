"""Compare the embedding of genes with clinical variables by the survival that they tell."""

from __future__ import annotations

from pathlib import Path

from radgen.errors import CohortError
from radgen.provenance import SawPatients, by_split, input_digest, saw_patients_of, what_part, write_manifest
from radgen.radiogenomic.evaluation.settings import SurvivalSettings
from radgen.settings import as_plain

VERSION = 1
CLINICAL, EMBEDDING, BOTH = "clinical", "embedding", "clinical + embedding"


def run(
    *,
    codes: Path,
    joined: Path,
    clinical: Path,
    weights: Path,
    training_manifest: Path,
    source: str,
    table: Path,
    manifest: Path,
    survival: SurvivalSettings,
    device: str = "auto",
) -> None:
    """Write the cross-validated concordance of clinical variables, of the embedding, and of both.

    Parameters
    ----------
    codes, joined
        Genes of every patient, and whose they are.
    clinical
        Survival and variables.
    weights, training_manifest
        The generator, whose encoder makes the embedding; it saw no survival.
    source
        The source's name.
    table
        See `radgen.radiogenomic.evaluation.tables.SURVIVAL_SCHEMA`.
    manifest
        Beside it.
    survival
        Folds and intervals.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError
        Nobody has both, or too few of them died.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from radgen.imageset.core import write_table
    from radgen.radiogenomic.clinical import from_table
    from radgen.radiogenomic.evaluation.tables import SURVIVAL_SCHEMA
    from radgen.radiogenomic.expression import load_expression
    from radgen.radiogenomic.survival import cross_validate
    from radgen.radiogenomic.synthesis.sampling import load_radiogenomic_sampler
    from radgen.training.devices import use_device

    chosen, _ = use_device(device, threads=survival.threads)
    known, people = from_table(pq.read_table(clinical)), load_expression(codes)
    rows_of_join = pq.read_table(joined).to_pylist()
    donor = {row["patient"]: row["rna_patient"] for row in rows_of_join}
    splits = {row["patient"]: row["split"] or "genes alone" for row in rows_of_join}
    place = {patient: number for number, patient in enumerate(known.patients)}
    both = [patient for patient in people.patients if donor.get(patient) in place]
    if not both:
        msg = (
            f"none of {len(people.patients)} patients with genes is among the {len(known.patients)} of the clinical "
            "table; bring their ids to one form"
        )
        raise CohortError(msg)
    sampler = load_radiogenomic_sampler(weights, seed=0, device=chosen)
    sampler.card.check_genes(people.genes, codes.name)
    rows = np.array([place[donor[patient]] for patient in both])
    embedding = sampler.codes(people.of(both)).astype(np.float64)
    sets = {CLINICAL: known.variables[rows], EMBEDDING: embedding}
    sets[BOTH] = np.concatenate([sets[CLINICAL], embedding], axis=1)
    times, died = known.time_days[rows], known.died[rows]
    scores = cross_validate(
        sets,
        times,
        died,
        reference=CLINICAL,
        folds=survival.folds,
        repeats=survival.repeats,
        bootstrap_samples=survival.bootstrap_samples,
        confidence=survival.confidence,
        seed=survival.seed,
    )
    sizes = {"source": source, "patients": len(both), "deaths": int(died.sum())}
    plain = [vars(score) | sizes | {"variables": score.name, "count": score.variables} for score in scores]
    write_table(table, pa.Table.from_pylist(plain, schema=SURVIVAL_SCHEMA))
    for score in scores:
        gain = (
            f", {score.gain:+.3f} ({score.gain_low:+.3f} to {score.gain_high:+.3f})" if score.name != CLINICAL else ""
        )
        _say(f"{score.name}: concordance {score.concordance:.3f} ({score.low:.3f} to {score.high:.3f}){gain}")
    inputs = {"codes": codes, "joined": joined, "clinical": clinical, "weights": weights}
    write_manifest(
        manifest,
        what=what_part(
            stage="radiogenomic_survival",
            version=VERSION,
            settings={"source": source, "survival": as_plain(survival)},
            inputs={name: input_digest(path) for name, path in inputs.items()},
            seed=survival.seed,
        ),
        outputs={"table": table},
        saw_patients=saw_patients_of(training_manifest)
        | SawPatients(labels=by_split((splits[one], one) for one in both)),
        device=chosen.type,
        notes={"caption": people.caption, "patients": len(both), "deaths": int(died.sum())},
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
