"""Draw and paint one job's share of the pairs; `pairs` joins the shares and drops the uncertain ones."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.errors import ConfigError
from radgen.gan.settings import SampleSettings
from radgen.labels.settings import PairsSettings
from radgen.provenance import digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

VERSION = 4


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    head: Path,
    labels_manifest: Path,
    encoder: Path,
    encoder_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    job: str,
    folder: Path,
    pairs: PairsSettings,
    sample: SampleSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    device: str = "auto",
) -> None:
    """Write a draft: pairs, the errors expected of them, and what the encoder says of their class.

    Parameters
    ----------
    weights, gan_manifest
        The generator.
    head, labels_manifest
        The ensemble of label heads.
    encoder, encoder_manifest
        The domain encoder; its class head is asked where `pairs.least_class_probability` is above 0.
    slices, slices_manifest
        The real image set; its training images are counted for `match: train`.
    source
        Name of the generator.
    job
        Number of this job, of 0 to `pairs.jobs` - 1.
    folder
        Of this draft alone: scores.parquet (`radgen.labels.drafts.DRAFT_SCHEMA`), shards, manifest.json.
    pairs, sample, source_settings, low, structures, classes
        Settings.
    device
        auto, cpu or cuda.

    Raises
    ------
    CheckpointError
        The head was made for another generator, other classes or other labels; the encoder knows other classes.
    ConfigError
        `sample` names an unknown class or asks for nothing; there is no such job.
    """
    from radgen.gan.counts import class_counts
    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import ImageSet
    from radgen.labels.drafts import write_draft
    from radgen.labels.head import check_head, load_heads
    from radgen.labels.painting import Painter, load_classifier
    from radgen.labels.plan import PairsPlan
    from radgen.training.devices import use_device

    number = int(job) if job.isdecimal() else -1
    if not 0 <= number < pairs.jobs:
        msg = f"--job {job}: pairs.jobs is {pairs.jobs}, so jobs are 0 to {pairs.jobs - 1}"
        raise ConfigError(msg)
    chosen, why = use_device(device, threads=sample.threads)
    sampler = load_sampler(
        weights, seed=sample.seed, truncation=sample.truncation, device=chosen, centroids=sample.centroids
    )
    heads = load_heads(head, chosen)
    checkpoint = digest_file(weights)
    labels = ("background", *structures.names)
    check_head(heads.shape, generator=checkpoint, class_names=classes.names, labels=labels)
    classifier = load_classifier(encoder, classes.names, pairs, chosen)
    counts = class_counts(sample, ImageSet(slices), source_settings, low, classes)
    plan = PairsPlan.of(pairs, counts, (source, checkpoint), sample.rows_per_shard, asked=classifier is not None)
    _say(f"pairs-draft {source}: job {number} of {pairs.jobs}; {counts}; {chosen} ({why}), {sample.threads} thread(s)")
    files = write_draft(Painter(sampler, heads, classifier), plan, folder, number, pairs.jobs)
    write_manifest(
        folder / "manifest.json",
        what=what_part(
            stage="pairs_draft",
            version=VERSION,
            settings={
                "source": source,
                "job": [number, pairs.jobs],
                "pairs": as_plain(pairs),
                "sample": as_plain(sample),
                "counts": dict(plan.counts),
                "structures": list(structures.names),
            },
            inputs={"weights": checkpoint, "head": input_digest(head), "encoder": input_digest(encoder)},
            seed=sample.seed,
        ),
        outputs={path.name: path for path in files},
        saw_patients=saw_patients_of(gan_manifest, labels_manifest, encoder_manifest),
        device=str(chosen),
        notes={"slices": input_digest(slices_manifest)},
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
