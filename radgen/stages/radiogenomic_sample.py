"""Draw nodules from genes: images, masks and switch maps of given patients, a gene table or edited profiles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.errors import ConfigError
from radgen.provenance import (
    SawPatients,
    by_split,
    digest_file,
    input_digest,
    saw_patients_of,
    what_part,
    write_manifest,
)
from radgen.radiogenomic.settings import RnaSettings
from radgen.radiogenomic.synthesis.settings import RadiogenomicSampleSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.expression import Expression

VERSION = 3
NODULE = "nodule"
TRAINING = "training.parquet"


def run(
    *,
    weights: Path,
    training_manifest: Path,
    nodules: Path,
    backgrounds: Path,
    nodules_manifest: Path,
    rna: Path,
    index: Path,
    manifest: Path,
    radiogenomic_sample: RadiogenomicSampleSettings,
    rna_settings: RnaSettings = RnaSettings(),  # noqa: B008 - frozen
    table: Path | None = None,
    transform: Path | None = None,
    edits: Path | None = None,
    device: str = "auto",
) -> None:
    """Write the synthetic image set of one source, its grids, embeddings and gene saliency.

    Parameters
    ----------
    weights, training_manifest
        Published generator, and the manifest beside it.
    nodules, backgrounds, nodules_manifest
        Image sets: of the nodules the splits of patients are read, into the healthy patches nodules are drawn.
    rna
        Standardised expression.
    index
        Index of the image set to write. Beside it lie its shards, `switches/`, draws.parquet (of what each image is
        made), profiles.parquet, embeddings.parquet, saliency.parquet and grid_{background,gene,noise}.png; and
        training.parquet with a manifest of its own, the images from training patients' genes: no held-out patient is
        behind these.
    manifest
        Beside the index.
    radiogenomic_sample
        Whose genes, how many images, which seed.
    rna_settings
        Scale and orientation of `table`.
    table, transform
        An expression table of other people, and the transform that the rna stage fitted: used instead of the patients.
    edits
        A csv of profile, patient, gene and value: edited profiles, drawn beside the patients'.
    device
        auto, cpu or cuda.

    Raises
    ------
    ConfigError, InputError, CohortError, CheckpointError, StorageError
        A table without its transform, another gene set than the generator's, a patient without RNA, no background,
        damaged weights, a full disk.
    """
    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.expression import load_expression
    from radgen.radiogenomic.synthesis.profiles import edited, joined, read_edits
    from radgen.radiogenomic.synthesis.samples import Healthy, Order, write_nodules
    from radgen.radiogenomic.synthesis.sampling import load_radiogenomic_sampler
    from radgen.radiogenomic.synthesis.views import write_views
    from radgen.training.devices import use_device

    settings = radiogenomic_sample
    chosen, why = use_device(device, threads=settings.threads)
    sampler = load_radiogenomic_sampler(weights, seed=settings.seed, device=chosen)
    known, patches = load_expression(rna), ImageSet(nodules)
    sampler.card.check_genes(known.genes, str(rna))
    profiles = _of_table(table, transform, rna_settings) if table else _of_patients(known, patches, settings)
    sampler.card.check_genes(profiles.genes, str(table or rna))
    if edits is not None:
        profiles = joined(profiles, edited(known, read_edits(edits)))
    images = ImageSet(backgrounds)
    order = Order(
        profiles,
        Healthy(images, images.rows_where(split="train"), seed=settings.seed, own=settings.backgrounds == "own"),
        digest_file(weights),
        settings,
    )
    source, count = sampler.card.source, len(profiles.patients)
    _say(
        f"radiogenomic-sample {source}: {settings.per_patient} images of each of {count} profiles; device {chosen} "
        f"({why}), {settings.threads} thread(s)"
    )
    files = write_nodules(index, sampler, order) + write_views(index.parent, sampler, order)
    given = {"table": table, "transform": transform, "edits": edits}
    inputs = {"weights": input_digest(weights), "rna": input_digest(rna), "nodules": input_digest(nodules_manifest)}
    inputs |= {name: digest_file(path) for name, path in given.items() if path is not None}
    plain = {"radiogenomic_sample": as_plain(settings), "rna_settings": as_plain(rna_settings), "source": source}
    plain |= {"structures": [NODULE]}
    taught = index.with_name(TRAINING)
    sets = {
        manifest: (files, _used(index.parent, patches, images, of_others=bool(table))),
        taught.with_name(f"{taught.stem}.manifest.json"): (
            [taught],
            _write_training(taught, patches, images, of_others=bool(table)),
        ),
    }
    for beside, (written, used) in sets.items():
        write_manifest(
            beside,
            what=what_part(
                stage="radiogenomic_sample", version=VERSION, settings=plain, inputs=inputs, seed=settings.seed
            ),
            outputs={str(file.relative_to(index.parent)): file for file in written},
            saw_patients=saw_patients_of(training_manifest) | used,
            device=chosen.type,
            notes={
                "device_reason": why,
                "caption": sampler.card.caption,
                "profiles": count,
                "backgrounds": os.path.relpath(backgrounds, index.parent),  # where `radgen regenerate` finds them
            },
        )


def _of_patients(known: Expression, patches: ImageSet, settings: RadiogenomicSampleSettings) -> Expression:
    """Return the profiles of the patients asked for: those named, or all of the splits who have RNA."""
    import dataclasses

    if settings.patients:
        names = settings.patients
    else:
        rows = patches.rows_where(split=settings.splits)
        names = tuple(sorted(set(patches.column("patient")[rows].tolist()) & set(known.patients)))
    return dataclasses.replace(known, patients=names, values=known.of(names))


def _of_table(table: Path, transform: Path | None, settings: RnaSettings) -> Expression:
    from radgen.radiogenomic.expression import Expression
    from radgen.radiogenomic.rna_table import read_rna
    from radgen.radiogenomic.rna_transform import load

    if transform is None:
        msg = f"--table {table} comes without --transform; give the transform that the rna stage fitted for training"
        raise ConfigError(msg)
    fitted = load(transform)
    people = read_rna(table, settings.scale, settings.orientation)
    return Expression(people.patients, fitted.genes, fitted.apply(people), fitted.caption)


def _write_training(index: Path, patches: ImageSet, images: ImageSet, *, of_others: bool) -> SawPatients:
    """Write the index of the images from training patients' genes; return who is in them, as `_used` does."""
    from radgen.imageset.core import read_index, write_table

    train = patches.column("patient")[patches.rows_where(split="train")].tolist()
    people = frozenset() if of_others else frozenset(train)
    taught = {row["image_id"] for row in _draws(index.parent) if row["profile"] in people}
    table = read_index(index.with_name("index.parquet"))
    rows = [place for place, name in enumerate(table.column("image_id").to_pylist()) if name in taught]
    write_table(index, table.take(rows) if rows else table.slice(0, 0))
    return _used(index.parent, patches, images, of_others=of_others, profiles=people)


def _used(
    folder: Path, patches: ImageSet, images: ImageSet, *, of_others: bool, profiles: frozenset[str] | None = None
) -> SawPatients:
    """Return whose genes and whose healthy patches are in the images of some profiles, by default of all."""
    draws = [row for row in _draws(folder) if profiles is None or row["profile"] in profiles]
    split_of = dict(zip(patches.column("patient").tolist(), patches.column("split").tolist(), strict=True))
    rows = images.rows_where(image_id={row["background"] for row in draws})
    behind = zip(images.column("split")[rows].tolist(), images.column("patient")[rows].tolist(), strict=True)
    owners = {row["profile"] for row in draws} & set(split_of)
    return SawPatients(
        pixels=by_split(behind),
        labels=by_split((split_of[name], name) for name in owners if not of_others),
        unknown=frozenset({"an expression table of other people"} if of_others else ()),
    )


def _draws(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(folder / "draws.parquet").to_pylist()
    return rows


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
