"""Score one source's samples by the judge against held-out real patients, and audit them for copies."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.metrics.settings import MetricsSettings
from radgen.provenance import SawPatients, digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

VERSION = 4


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    judge_weights: Path,
    judge_manifest: Path,
    samples: Path,
    samples_manifest: Path,
    source: str,
    quality: Path,
    nearest: Path,
    manifest: Path,
    metrics: MetricsSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    classes: ClassSettings,
    work: Path = Path("work"),
    device: str = "auto",
) -> None:
    """Measure distance, precision, recall, density, coverage and near copies, each beside its floor.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set.
    judge_weights, judge_manifest
        The judge; the training patients it never saw set the floor.
    samples, samples_manifest
        The source's synthetic image set.
    source
        The source's name.
    quality
        Tidy scores, columns in `radgen.metrics.quality`.
    nearest
        Nearest training image of each sample and of held-out real images, columns in `radgen.metrics.audit`.
    manifest
        <source>.manifest.json beside them.
    metrics, source_settings, low, classes
        Settings.
    work
        Folder of resumable state: features of whole image sets are kept there.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError
        No training or no held-out images.
    CheckpointError
        The judge's file is not one.
    """
    from radgen.features.network import load_features
    from radgen.features.rows import patients_of, pixel_digests, source_rows
    from radgen.imageset.core import ImageSet, write_table
    from radgen.metrics.feature_tables import FeatureTables
    from radgen.metrics.score import real_side, score_source
    from radgen.metrics.summary import summary_lines
    from radgen.training.devices import use_device

    chosen, why = use_device(device, threads=metrics.threads)
    _say(f"metrics {source}: device {chosen} ({why}), {metrics.threads} thread(s)")
    images = ImageSet(slices)
    training = source_rows(images, source_settings, low, classes).pixels
    seen = saw_patients_of(judge_manifest).patients("pixels")
    made = ImageSet(samples)
    modalities = frozenset(made.column("modality"))
    # Samples of a generator may say nothing.
    known = None not in modalities and modalities <= frozenset(images.column("modality"))
    real = real_side(images, training, seen, classes, modalities if known else frozenset())
    tables = FeatureTables(work)
    judge = load_features(judge_weights, chosen)
    scores, copies = score_source(source, made, real, judge, metrics, tables=tables)
    write_table(quality, scores)
    write_table(nearest, copies)
    for line in summary_lines(scores):
        _say(line)
    settings = {"source": source, "metrics": metrics.without_places(), "source_settings": source_settings, "low": low}
    inputs = (
        pixel_digests(slices, "slices") | pixel_digests(samples, "samples") | {"judge": input_digest(judge_weights)}
    )
    files = {f"network/{name}": path for name, path in metrics.weights.items()}
    inputs |= {name: digest_file(path) for name, path in files.items()}
    read = patients_of(images, real.read)
    write_manifest(
        manifest,
        what=what_part(
            stage="metrics",
            version=VERSION,
            settings=as_plain(settings) | {"classes": [classes.by, *classes.names]},
            inputs=inputs,
            seed=metrics.seed,
        ),
        outputs={"quality": quality, "nearest": nearest},
        saw_patients=saw_patients_of(judge_manifest, samples_manifest)
        | SawPatients(pixels=read, labels={} if classes.by == "position" else read)
        | SawPatients(unknown=saw_patients_of(slices_manifest).unknown),
        device=chosen.type,
        notes={"features": sorted(tables.keys)},
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
