"""Read the expression table, join it with the patients who have nodules, and fit its transform on training patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import PatientKeySettings
from radgen.provenance import SawPatients, digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.radiogenomic.settings import RnaSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.radiogenomic.prepare import Cohort

VERSION = 1


def run(
    *,
    rna_table: Path,
    gene_list: Path | None = None,
    clinical: Path | None = None,
    series: Path,
    files: Path,
    nodules: Path,
    nodules_manifest: Path,
    key_file: Path | None = None,
    codes: Path,
    transform: Path,
    joined: Path,
    manifest: Path,
    rna: RnaSettings,
    patient_key: PatientKeySettings,
) -> None:
    """Write the genes of every patient who has some, the transform, and who has what.

    Parameters
    ----------
    rna_table
        Genes and patients; see `radgen.radiogenomic.rna_table`.
    gene_list
        For `rna.select: list`.
    clinical
        Table of the clinical stage, for `rna.select: cox`.
    series
        The cohort's table: classes, for `rna.select: class`.
    files
        private/files.parquet: the ids that the archive gives its patients.
    nodules, nodules_manifest
        Image set of the nodules: who has some, and in which split.
    key_file
        The private patient key; public studies name theirs in the config.
    codes
        See `radgen.radiogenomic.expression`.
    transform
        What a later table, such as an edited profile, goes through.
    joined
        Who has what; see `radgen.radiogenomic.prepare`.
    manifest
        Beside them.
    rna, patient_key
        Settings.

    Raises
    ------
    InputError, CohortError
        The table lies the wrong way round, is of another scale, or has no patient in common with the images.
    """
    from functools import partial

    import pyarrow.parquet as pq

    from radgen.cohort import keys
    from radgen.imageset.core import write_table
    from radgen.radiogenomic.clinical import from_table
    from radgen.radiogenomic.expression import save_expression
    from radgen.radiogenomic.prepare import prepare
    from radgen.radiogenomic.rna_table import SAW_ALL, read_rna
    from radgen.radiogenomic.rna_transform import read_gene_list, save

    key = keys.load_key(patient_key.public, key_file)
    cohort = _cohort(series, files, nodules)
    # Ids of other people's images say nothing about which way round the table lies.
    known = frozenset(cohort.ids.values()) if rna.pairing == "ids" else frozenset()
    table = read_rna(rna_table, rna.scale, rna.orientation, known)
    found = prepare(
        table,
        cohort,
        rna,
        partial(keys.patient_key, key),
        clinical=None if clinical is None else from_table(pq.read_table(clinical)),
        listed=() if gene_list is None else read_gene_list(gene_list),
    )
    save_expression(codes, found.expression)
    save(transform, found.transform)
    write_table(joined, found.joined)
    inputs = {"rna_table": digest_file(rna_table), "nodules": input_digest(nodules), "series": input_digest(series)}
    inputs |= {"files": input_digest(files)} if rna.pairing == "ids" else {}
    inputs |= {"clinical": input_digest(clinical)} if clinical is not None and rna.select == "cox" else {}
    inputs |= {"gene_list": digest_file(gene_list)} if gene_list is not None and rna.select == "list" else {}
    settings = {"rna": as_plain(rna), "patient_key": {"fingerprint": keys.fingerprint(key)}}
    saw_all = frozenset({f"the expression table: {SAW_ALL}"} if found.transform.caption else ())
    notes = {"join": found.line, "genes": vars(found.transform.counts), "caption": found.expression.caption}
    write_manifest(
        manifest,
        what=what_part(stage="rna", version=VERSION, settings=settings, inputs=inputs, seed=rna.pairing_seed),
        outputs={"codes": codes, "transform": transform, "joined": joined},
        saw_patients=SawPatients(
            labels={"train": frozenset(found.training)},
            unknown=saw_all | saw_patients_of(nodules_manifest).unknown,
        ),
        notes=notes,
    )
    counts = found.transform.counts
    _say(f"rna: {found.line}")
    _say(
        f"rna: {counts.kept} of {counts.read} genes stay ({counts.dropped_missing} were missing, "
        f"{counts.dropped_constant} constant, {counts.not_selected} not selected in {len(found.training)} training "
        "patients)"
    )
    if found.expression.caption:
        _say(f"rna: {found.expression.caption}")


def _cohort(series: Path, files: Path, nodules: Path) -> Cohort:
    """Return the patients with nodules; ids are read from the private table."""
    import pyarrow.parquet as pq

    from radgen.imageset.core import read_index
    from radgen.radiogenomic.prepare import Cohort

    index = read_index(nodules)
    pairs = zip(index.column("patient").to_pylist(), index.column("split").to_pylist(), strict=True)
    splits = dict(sorted(set(pairs)))
    rows = pq.read_table(series, columns=["patient_key", "class_name"]).to_pylist()
    private = pq.read_table(files, columns=["patient_key", "patient"]).to_pylist()
    return Cohort(
        splits,
        {row["patient_key"]: row["class_name"] for row in rows if row["class_name"]},
        {row["patient_key"]: row["patient"] for row in private if row["patient_key"] in splits and row["patient"]},
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
