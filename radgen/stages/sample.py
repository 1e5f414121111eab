"""Make synthetic images of one source: each by its own seed, so that any of them can be made again alone."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.gan.settings import SampleSettings
from radgen.provenance import digest_file, input_digest, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

VERSION = 1


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    index: Path,
    manifest: Path,
    sample: SampleSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    classes: ClassSettings,
    drafts: tuple[Path, ...] = (),
    device: str = "auto",
) -> None:
    """Write the synthetic image set of one source.

    Parameters
    ----------
    weights, gan_manifest
        Published generator.
    slices, slices_manifest
        The real image set; its training images are counted for `match: train`.
    source
        Name of the source.
    index
        Index of the image set to write; its shards lie beside it.
    manifest
        Beside the index.
    sample, source_settings, low, classes
        Settings.
    drafts
        Folders of `sample-draft` in the order of their jobs: these hold the images, and none is made here. The bytes
        are the same, those of the manifest too.
    device
        auto, cpu or cuda.

    Raises
    ------
    ConfigError, CheckpointError, StorageError
        A class has no such name, the weights are damaged, the disk is full.
    InputError
        A draft was made with other weights or settings, or a job's is missing.
    """
    from radgen.gan.counts import class_counts
    from radgen.gan.samples import join_shards, write_samples
    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import ImageSet
    from radgen.imageset.gather import check_drafts
    from radgen.training.devices import use_device

    checkpoint = digest_file(weights)
    counts = class_counts(sample, ImageSet(slices), source_settings, low, classes)
    settings = {"sample": as_plain(sample), "source": source, "counts": counts}
    if drafts:
        check_drafts(drafts, {"weights": checkpoint} | settings, stage="sample-draft")
        made = read_manifest(drafts[0] / "manifest.json")["run"]
        used, why = made["device"], made["notes"]["device_reason"]
        _say(f"sample {source}: {counts}, of {len(drafts)} drafts")
        files = join_shards(drafts, index)
    else:
        chosen, why = use_device(device, threads=sample.threads)
        used = chosen.type
        sampler = load_sampler(
            weights, seed=sample.seed, truncation=sample.truncation, device=chosen, centroids=sample.centroids
        )
        _say(f"sample {source}: {counts}; device {chosen} ({why}), {sample.threads} thread(s)")
        files = write_samples(index, sampler, counts, checkpoint=checkpoint, rows_per_shard=sample.rows_per_shard)
    write_manifest(
        manifest,
        # Of the real images only the counts per class matter, and they stand in the settings.
        what=what_part(
            stage="sample", version=VERSION, settings=settings, inputs={"weights": checkpoint}, seed=sample.seed
        ),
        outputs={file.name: file for file in files},
        saw_patients=saw_patients_of(gan_manifest),
        device=used,
        notes={"device_reason": why, "setting": source_settings.setting, "slices": input_digest(slices_manifest)},
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
