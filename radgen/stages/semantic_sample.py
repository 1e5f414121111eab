"""Paint images on label maps: each by its own seed, with its map as mask, so that any can be made again alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import InputError
from radgen.provenance import digest_file, input_digest, what_part, write_manifest
from radgen.semantic.settings import SemanticSampleSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radgen.imageset.core import ImageSet
    from radgen.semantic.checkpoint import SemanticCard
    from radgen.semantic.maps.lenders import Lenders
    from radgen.semantic.maps.surroundings import MapReader

VERSION = 3
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
    from radgen.semantic.maps.surroundings import MapReader
    from radgen.semantic.run import spread
    from radgen.semantic.samples import Painting, painted_sheet, schema_of_maps, write_painted
    from radgen.semantic.sampling import SemanticSampler
    from radgen.semantic.seen import behind, behind_maps
    from radgen.training.devices import choose_precision, use_device

    settings = replace(semantic_sample, per_map=per_map or semantic_sample.per_map)
    settings = settings if seed is None else replace(settings, seed=seed)
    chosen, why = use_device(device, threads=settings.threads)
    settings = replace(settings, precision=choose_precision(settings.precision, chosen))
    generator, card = load_semantic(weights, chosen)
    images, schema = ImageSet(maps), schema_of_maps(maps, card)
    reader = MapReader(images, schema, card.surroundings)
    lenders = _lenders(images, seen, settings, card)
    rows = spread(_rows(images, seen, settings, reader, card), settings.most_maps)
    sampler = SemanticSampler.of(generator, card.source, settings)
    _say(
        f"semantic-sample {card.source}: {len(rows)} maps, {settings.per_map} images each; device {chosen} ({why}), "
        f"{settings.precision}, {settings.threads} thread(s)"
    )
    modality = card.settings.get("image_modality")
    digest = digest_file(weights)
    files = write_painted(index, Painting(reader, rows, sampler, card.source, modality, digest, settings, lenders))
    write_png(grid, painted_sheet(index, schema, settings.per_map))
    write_manifest(
        manifest,
        what=what_part(
            stage="semantic_sample",
            version=VERSION,
            settings={"semantic_sample": as_plain(settings), "source": card.source, "labels": plain_schema(schema)},
            inputs=_inputs(weights, maps, reader),
            seed=settings.seed,
        ),
        outputs={file.name: file for file in [*files, grid]},
        saw_patients=behind(weights) | behind_maps(reader, rows, maps),
        device=chosen.type,
        notes={"device_reason": why, "maps": len(rows), "images": len(rows) * settings.per_map}
        # Where surroundings are told apart an image is made again from another of the maps' set, too.
        | ({} if card.surroundings is None else {"painted_on": os.path.relpath(maps, index.parent)}),
    )


def _rows(
    images: ImageSet, seen: Path | None, settings: SemanticSampleSettings, reader: MapReader, card: SemanticCard
) -> NDArray[np.int64]:
    from radgen.semantic.maps.counts import count_labels, with_structures
    from radgen.semantic.maps.sides import rows_of
    from radgen.semantic.rows import of_map_modality
    from radgen.semantic.seen import taught_rows

    if settings.maps in HELD_OUT:
        held_out = rows_of(images, (settings.maps,), "the set of maps to paint on")
        rows = of_map_modality(images, held_out, card.map_modality)
    elif seen is not None:
        rows = taught_rows(seen, images)
    else:
        rows = images.rows_where()
    if card.surroundings is not None and card.map_modality is not None:
        others = sorted({str(name) for name in images.column("modality")[rows]} - {card.map_modality})
        if others:
            msg = (
                f"{images.folder}: maps of {', '.join(others)}, but source {card.source} tells surroundings apart by "
                f"grey levels of {card.map_modality}; give maps of {card.map_modality} alone"
            )
            raise InputError(msg)
    return with_structures(count_labels(images, rows), reader.schema, images, empty="drop")


def _lenders(
    images: ImageSet, seen: Path | None, settings: SemanticSampleSettings, card: SemanticCard
) -> Lenders | None:
    from radgen.semantic.maps.lenders import Lenders
    from radgen.semantic.seen import taught_rows

    if settings.surroundings_from == "map":
        return None
    if card.surroundings is None:
        msg = (
            f"semantic_sample.surroundings_from is images, but source {card.source} tells no surroundings apart; set "
            "it to map"
        )
        raise InputError(msg)
    modalities = [card.settings.get(f"{side}_modality") for side in ("map", "image")]
    if modalities[0] != modalities[1]:
        msg = (
            f"semantic_sample.surroundings_from is images, but source {card.source} learnt maps of {modalities[0]} and "
            f"images of {modalities[1]}: their grey levels are not told apart alike; set it to map"
        )
        raise InputError(msg)
    if seen is None:
        msg = (
            "semantic_sample.surroundings_from is images, but no table says which images the generator learnt; give it "
            "with --seen, or set it to map"
        )
        raise InputError(msg)
    return Lenders(images, taught_rows(seen, images, "pixels"), by_class=card.position_classes)


def _inputs(weights: Path, maps: Path, reader: MapReader) -> dict[str, str]:
    from radgen.imageset.core import images_path, masks_path

    bases = {shard: reader.maps.folder / shard for shard in sorted(set(reader.maps.table.column("shard").to_pylist()))}
    read = {f"masks/{shard}": masks_path(base) for shard, base in bases.items()}
    if reader.surroundings is not None:
        read |= {f"images/{shard}": images_path(base) for shard, base in bases.items()}
    return {name: input_digest(path) for name, path in {"weights": weights, "maps": maps, **read}.items()}


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
