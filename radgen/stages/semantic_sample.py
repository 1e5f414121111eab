"""Paint images on label maps: each by its own seed, with its map as mask, so that any can be made again alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import InputError
from radgen.provenance import (
    SawPatients,
    by_split,
    digest_file,
    input_digest,
    saw_patients_of,
    what_part,
    write_manifest,
)
from radgen.semantic.settings import SemanticSampleSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radgen.imageset.core import ImageSet
    from radgen.semantic.checkpoint import SemanticCard
    from radgen.semantic.maps.schema import MapSchema

VERSION = 1
HELD_OUT = ("val", "test")


def run(
    *,
    weights: Path,
    maps: Path,
    index: Path,
    manifest: Path,
    grid: Path,
    semantic_sample: SemanticSampleSettings,
    seen: Path | None = None,
    per_map: int | None = None,
    seed: int | None = None,
    device: str = "auto",
) -> None:
    """Write the image set of one source: images, the maps as masks, and whose masks and pixels are behind them.

    Parameters
    ----------
    weights
        A semantic generator; its manifest lies beside it.
    maps
        Index of a set with masks: slices, imported or drawn maps, pairs. A labels.json beside it says what ids mean;
        without one they are the generator's own labels in order.
    index
        Index of the image set to write; its shards lie beside it.
    manifest
        Beside the index.
    grid
        PNG: rows are maps, columns the map and images of other noise.
    semantic_sample
        Settings.
    seen
        What the generator saw: only maps that taught it are painted on. Without it, all maps of the set, or those of
        the split that the settings name.
    per_map, seed
        Instead of those of the settings.
    device
        auto, cpu or cuda.

    Raises
    ------
    CheckpointError, InputError, CohortError, StorageError
        The weights are damaged; maps have another size or other ids than the generator's, or show background alone; no
        map is of the split; the disk is full.
    """
    from radgen.gan.grid import write_png
    from radgen.imageset.core import ImageSet
    from radgen.semantic.checkpoint import load_semantic
    from radgen.semantic.maps.schema import plain_schema
    from radgen.semantic.run import spread
    from radgen.semantic.samples import Painting, painted_sheet, write_painted
    from radgen.semantic.sampling import SemanticSampler
    from radgen.training.devices import choose_device, set_threads

    settings = replace(semantic_sample, per_map=per_map or semantic_sample.per_map)
    settings = settings if seed is None else replace(settings, seed=seed)
    chosen, why = choose_device(device)
    set_threads(settings.threads)
    generator, card = load_semantic(weights, chosen)
    images, schema = ImageSet(maps), _schema(maps, card)
    rows = spread(_rows(images, seen, settings, schema), settings.most_maps)
    sampler = SemanticSampler(generator, source=card.source, seed=settings.seed)
    _say(
        f"semantic-sample {card.source}: {len(rows)} maps, {settings.per_map} images each; device {chosen} ({why}), "
        f"{settings.threads} thread(s)"
    )
    modality = card.settings.get("image_modality")
    digest = digest_file(weights)
    files = write_painted(index, Painting(images, rows, schema, sampler, card.source, modality, digest, settings))
    write_png(grid, painted_sheet(index, schema, settings.per_map))
    write_manifest(
        manifest,
        what=what_part(
            stage="semantic_sample",
            version=VERSION,
            settings={"semantic_sample": as_plain(settings), "source": card.source, "labels": plain_schema(schema)},
            inputs=_inputs(weights, maps, images),
            seed=settings.seed,
        ),
        outputs={file.name: file for file in [*files, grid]},
        saw_patients=_behind(weights) | _of_maps(images, rows, maps),
        device=chosen.type,
        notes={"device_reason": why, "maps": len(rows), "images": len(rows) * settings.per_map},
    )


def _schema(maps: Path, card: SemanticCard) -> MapSchema:
    """Return what ids of maps mean, and refuse labels that are not the generator's."""
    from radgen.semantic.maps.schema import MapSchema, read_schema

    beside = maps.parent / "labels.json"
    schema = read_schema(beside) if beside.is_file() else MapSchema.of_structures(card.label_names[1:])
    if schema.names != card.label_names:
        msg = (
            f"{schema.where}: labels are {', '.join(schema.names)}, but the generator of source {card.source} learnt "
            f"{', '.join(card.label_names)}; import the maps by a schema of these names"
        )
        raise InputError(msg)
    return schema


def _rows(
    images: ImageSet, seen: Path | None, settings: SemanticSampleSettings, schema: MapSchema
) -> NDArray[np.int64]:
    from radgen.semantic.maps.counts import count_labels, with_structures
    from radgen.semantic.maps.sides import rows_of
    from radgen.semantic.seen import taught_rows

    if settings.maps in HELD_OUT:
        rows = rows_of(images, (settings.maps,), "the set of maps to paint on")
    elif seen is not None:
        rows = taught_rows(seen, images)
    else:
        rows = images.rows_where()
    return with_structures(count_labels(images, rows), schema, images, empty="drop")


def _inputs(weights: Path, maps: Path, images: ImageSet) -> dict[str, str]:
    from radgen.imageset.core import masks_path

    shards = sorted(set(images.table.column("shard").to_pylist()))
    masks = {f"masks/{shard}": input_digest(masks_path(images.folder / shard)) for shard in shards}
    return {"weights": input_digest(weights), "maps": input_digest(maps)} | masks


def _behind(path: Path) -> SawPatients:
    """Return who reached a file, by the manifest beside it."""
    manifest = path.parent / "manifest.json"
    if not manifest.is_file():
        return SawPatients(unknown=frozenset({f"{path.name}: no manifest beside it"}))
    return saw_patients_of(manifest)


def _of_maps(images: ImageSet, rows: NDArray[np.int64], maps: Path) -> SawPatients:
    """Return the patients whose masks were painted on; of maps without a patient, all that is behind their set.

    A map brings its class along, which whoever labelled its patient gave.
    """
    patients = images.column("patient")[rows]
    known = [
        (str(split), str(name)) for split, name in zip(images.column("split")[rows], patients, strict=True) if name
    ]
    masks = by_split(known)
    saw = SawPatients(masks=masks, labels=masks)
    return saw | _behind(maps) if len(known) < len(rows) else saw


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
