"""Make one job's share of the synthetic images of a source; `sample` lays the shares side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import ConfigError
from radgen.gan.settings import SampleSettings
from radgen.provenance import digest_file, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

VERSION = 1


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    slices: Path,
    source: str,
    job: str,
    jobs: int,
    folder: Path,
    sample: SampleSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    classes: ClassSettings,
    device: str = "auto",
) -> None:
    """Write whole shards of the image set, as one job would write them.

    Parameters
    ----------
    weights, gan_manifest
        Published generator.
    slices
        The real image set; its training images are counted for `match: train`.
    source
        Name of the source.
    job, jobs
        Number of this job, of 0 to `jobs` - 1, and how many there are.
    folder
        Of this draft alone: shards, none where there are fewer shards than jobs, and manifest.json.
    sample, source_settings, low, classes
        Settings.
    device
        auto, cpu or cuda.

    Raises
    ------
    ConfigError, CheckpointError, StorageError
        There is no such job, a class has no such name, the weights are damaged, the disk is full.
    """
    from radgen.gan.counts import class_counts
    from radgen.gan.samples import write_shards
    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import ImageSet
    from radgen.training.devices import use_device

    number = int(job) if job.isdecimal() else -1
    if not 0 <= number < jobs:
        msg = f"--job {job}: there are {jobs} jobs, 0 to {jobs - 1}"
        raise ConfigError(msg)
    chosen, why = use_device(device, threads=sample.threads)
    sampler = load_sampler(
        weights, seed=sample.seed, truncation=sample.truncation, device=chosen, centroids=sample.centroids
    )
    counts = class_counts(sample, ImageSet(slices), source_settings, low, classes)
    checkpoint = digest_file(weights)
    _say(f"sample-draft {source}: job {number} of {jobs}; {counts}; {chosen} ({why}), {sample.threads} thread(s)")
    shutil.rmtree(folder, ignore_errors=True)
    files = write_shards(
        folder, sampler, counts, checkpoint=checkpoint, rows_per_shard=sample.rows_per_shard, share=(number, jobs)
    )
    settings = {"sample": as_plain(sample), "source": source, "counts": counts, "job": [number, jobs]}
    write_manifest(
        folder / "manifest.json",
        what=what_part(
            stage="sample_draft", version=VERSION, settings=settings, inputs={"weights": checkpoint}, seed=sample.seed
        ),
        outputs={file.name: file for file in files},
        saw_patients=saw_patients_of(gan_manifest),
        device=chosen.type,
        notes={"device_reason": why},
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
