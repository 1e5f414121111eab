"""Measure whether the heads' uncertainty tells their error: on inverted held-out slices, and against an oracle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.gan.settings import SampleSettings
from radgen.keyed import run_keyed
from radgen.labels.settings import AnnotatorSettings, CalibrationSettings
from radgen.provenance import (
    SawPatients,
    digest_file,
    input_digest,
    read_manifest,
    saw_patients_of,
    what_part,
    write_manifest,
)
from radgen.settings import as_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radgen.keyed import Finished, KeyedJob

VERSION = 4
TEACHING_SPLIT = "train"  # of the oracle: all real masks a study has for training


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    head: Path,
    labels_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    images: Path,
    curve: Path,
    manifest: Path,
    calibration: CalibrationSettings,
    annotator: AnnotatorSettings,
    sample: SampleSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Write errors and uncertainties of masks whose truth is known, and the risk-coverage curves.

    Held-out slices are inverted into the generator, painted by the heads, and compared with their real masks. Samples
    are compared with the masks of an oracle, a segmenter taught on all real training masks; nothing else ever uses it.

    Parameters
    ----------
    weights, gan_manifest, head, labels_manifest
        Generator and label heads.
    slices, slices_manifest
        The real image set with masks.
    source
        Name of the generator.
    images
        One row per image: `radgen.labels.calibration.IMAGES_SCHEMA`.
    curve
        `radgen.labels.calibration.CURVE_SCHEMA`; the same as CSV beside it.
    manifest
        Beside them; its notes hold areas, PSNR and ceilings.
    calibration, annotator, sample, structures, classes
        Settings; those of the annotator teach the oracle.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    CheckpointError, CohortError
        The head is another generator's; the split has no masks.
    """
    import numpy as np

    from radgen.features.rows import patients_of
    from radgen.imageset.core import ImageSet
    from radgen.labels.digests import rows_digest
    from radgen.labels.inverted import held_out_rows

    real = ImageSet(slices)
    held = held_out_rows(real, classes.names, calibration)
    teaching = real.rows_where(split=TEACHING_SPLIT)
    what = what_part(
        stage="labels_calibration",
        version=VERSION,
        settings={
            "source": source,
            "calibration": as_plain(calibration),
            "oracle": as_plain(annotator),
            "sample": {"seed": sample.seed, "truncation": sample.truncation, "centroids": sample.centroids},
            "structures": list(structures.names),
            "classes": list(classes.names),
        },
        inputs={
            "weights": digest_file(weights),
            "head": input_digest(head),
            "teaching": rows_digest(real, teaching, with_masks=True),
            "held_out": rows_digest(real, held, with_masks=True),
        },
        seed=calibration.seed,
    )
    outputs = {"images": images, "curve": curve, "csv": curve.with_suffix(".csv")}
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            files = {"weights": weights, "head": head, "slices": slices}
            given, names = (calibration, annotator, sample), (classes.names, structures.names)
            finished = _measure(job, files=files, held=held, given=given, names=names, device=device)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"labels-calibration {source}: unchanged, published again")
        looked_at = patients_of(real, np.concatenate([teaching, held]))
        who = read_manifest(labels_manifest)["run"]["notes"].get("annotator")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=saw_patients_of(gan_manifest, labels_manifest)
            | SawPatients(pixels=looked_at, masks=looked_at, unknown=saw_patients_of(slices_manifest).unknown),
            device=str(finished.notes["device"]),
            notes=dict(finished.notes) | {"annotator": who},
            reused=done is not None,
        )


def _measure(
    job: KeyedJob,
    *,
    files: dict[str, Path],
    held: NDArray[np.int64],
    given: tuple[CalibrationSettings, AnnotatorSettings, SampleSettings],
    names: tuple[tuple[str, ...], tuple[str, ...]],
    device: str,
) -> Finished:
    import pyarrow.csv

    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import ImageSet, write_table
    from radgen.labels.calibration import curve_table
    from radgen.labels.head import check_head, load_heads
    from radgen.labels.known_truth import curves_of, held_out_errors, sample_errors
    from radgen.labels.painting import Painter
    from radgen.labels.teach import teach_segmenter
    from radgen.training.devices import use_device

    calibration, annotator, sample = given
    chosen, reason = use_device(device, threads=calibration.threads)
    sampler = load_sampler(
        files["weights"], seed=sample.seed, truncation=sample.truncation, device=chosen, centroids=sample.centroids
    )
    heads, labels = load_heads(files["head"], chosen), ("background", *names[1])
    check_head(heads.shape, generator=digest_file(files["weights"]), class_names=names[0], labels=labels)
    painter, real = Painter(sampler, heads), ImageSet(files["slices"])
    _say(f"labels-calibration: {len(held)} held-out slices, {calibration.samples} samples a class; {chosen} ({reason})")
    teaching = real.rows_where(split=TEACHING_SPLIT)
    oracle = teach_segmenter(real, teaching, names[1], annotator, device=chosen, say=_say)
    table = held_out_errors(painter, oracle, real, held, calibration)
    table = pa.concat_tables([table, sample_errors(painter, oracle, calibration.samples)])
    curves = curves_of(table)
    paths = {name: job.path(f"{name}.parquet") for name in ("images", "curve")} | {"csv": job.path("curve.csv")}
    write_table(paths["images"], table)
    write_table(paths["curve"], curve_table(curves))
    pyarrow.csv.write_csv(curve_table(curves), paths["csv"])
    notes = {"sets": {name: _set_notes(table, name) | {"areas": curve.areas} for name, curve in curves.items()}}
    for name, told in notes["sets"].items():
        _say(f"labels-calibration: {name}: {told}")
    return job.finish(paths, notes | {"device": chosen.type})


def _set_notes(table: pa.Table, name: str) -> dict[str, Any]:
    """Return number and means of a set; what it does not have is left out."""
    rows = [row for row in table.to_pylist() if row["set"] == name]
    told: dict[str, Any] = {"images": len(rows)}
    for column in ("error", "psnr_db", "oracle_error", "inverted_oracle_error"):
        values = [row[column] for row in rows if row[column] is not None]
        if values:
            told[f"mean_{column}"] = round(sum(values) / len(values), 4)
    return told


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
