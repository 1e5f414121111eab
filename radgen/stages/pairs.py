"""Write image and mask pairs: painted by the label head, the most uncertain ones dropped."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.gan.settings import SampleSettings, SourceSettings
from radgen.labels.settings import PairsSettings
from radgen.provenance import digest_file, input_digest, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain

VERSION = 1


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    head: Path,
    labels_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    index: Path,
    uncertainty: Path,
    manifest: Path,
    pairs: PairsSettings,
    sample: SampleSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    device: str = "auto",
) -> None:
    """Draw images, paint them, and keep those on which the heads agree; counts are those of `sample`.

    Parameters
    ----------
    weights, gan_manifest
        The generator.
    head, labels_manifest
        The ensemble of label heads.
    slices, slices_manifest
        The real image set; its training images are counted for `match: train`.
    source
        Name of the generator.
    index
        Index of the image set with masks; its shards go beside it.
    uncertainty
        One row per image drawn, kept or not: `radgen.labels.pairs.UNCERTAINTY_SCHEMA`.
    manifest
        Beside the index; its notes say who annotated.
    pairs, sample, source_settings, low, structures, classes
        Settings.
    device
        auto, cpu or cuda.

    Raises
    ------
    CheckpointError
        The head was made for another generator, other classes or other labels.
    ConfigError
        `sample` names an unknown class or asks for nothing.
    """
    from radgen.gan.counts import class_counts
    from radgen.gan.sampling import load_sampler
    from radgen.imageset.core import ImageSet, write_table
    from radgen.labels.head import check_head, load_heads
    from radgen.labels.pairs import PairsPlan, make_pairs
    from radgen.training.devices import choose_device, set_threads

    chosen, why = choose_device(device)
    set_threads(sample.threads)
    heads = load_heads(head, chosen)
    generator = digest_file(weights)
    labels = ("background", *structures.names)
    check_head(heads.shape, generator=generator, class_names=classes.names, labels=labels)
    plan = PairsPlan(
        counts=class_counts(sample, ImageSet(slices), source_settings, low, classes),
        drop_fraction=pairs.drop_fraction,
        source=source,
        checkpoint=generator,
        rows_per_shard=sample.rows_per_shard,
    )
    _say(f"pairs {source}: {dict(plan.counts)}; device {chosen} ({why}), {sample.threads} thread(s)")
    sampler = load_sampler(
        weights, seed=sample.seed, truncation=sample.truncation, device=chosen, centroids=sample.centroids
    )
    table, files = make_pairs(sampler, heads, plan, index, _say)
    write_table(uncertainty, table)
    notes = read_manifest(labels_manifest)["run"]["notes"]
    write_manifest(
        manifest,
        what=what_part(
            stage="pairs",
            version=VERSION,
            settings={
                "source": source,
                "pairs": as_plain(pairs),
                "sample": as_plain(sample),
                "counts": dict(plan.counts),
                "structures": list(structures.names),
            },
            # Of the real images only the counts per class matter, and they stand in the settings.
            inputs={"weights": input_digest(weights), "head": input_digest(head)},
            seed=sample.seed,
        ),
        outputs={path.name: path for path in (index, uncertainty, *files)},
        saw_patients=saw_patients_of(gan_manifest, labels_manifest),
        device=str(chosen),
        notes={
            "annotator": notes.get("annotator"),
            "label_head_validation_dice": notes.get("validation_dice"),
            "setting": source_settings.setting,
            "slices": input_digest(slices_manifest),
            "drawn": table.num_rows,
            "kept": int(sum(plan.counts.values())),
        },
    )
    _say(f"pairs {source}: {sum(plan.counts.values())} of {table.num_rows} kept; annotator: {notes.get('annotator')}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
