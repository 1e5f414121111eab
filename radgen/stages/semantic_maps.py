"""Draw label maps from those of patients, mixed and smoothly deformed, as an image set of maps alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.errors import ConfigError
from radgen.provenance import SawPatients, digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.semantic.maps.settings import DrawnMapsSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet

VERSION = 1


def run(
    *,
    images: Path,
    schema: Path,
    name: str,
    count: int,
    out: Path,
    drawn: DrawnMapsSettings,
    split: tuple[str, ...] = ("train",),
    seed: int = 0,
) -> None:
    """Write the maps, the maps and patients each comes from, and a manifest.

    Parameters
    ----------
    images
        Index of the set whose masks are drawn from: slices, pairs, or imported maps.
    schema
        Label schema of these masks.
    name
        Of the source: image ids begin with it.
    count
        How many maps; the first n are the same whatever the count.
    out
        Folder of the set; index.parquet, parents.parquet, labels.json and manifest.json lie in it.
    drawn
        How far they may lie from the maps they are drawn from.
    split
        Whose maps are drawn from. Maps of background alone are left out.
    seed
        Of everything.

    Raises
    ------
    ConfigError, InputError, CohortError, StorageError
        No map is asked for; the set has no masks, or other ids than the schema; nobody is in the split; the disk is
        full.
    """
    from radgen.imageset.core import ImageSet, masks_path, write_table
    from radgen.semantic.maps.counts import check_labels, count_labels, with_structures
    from radgen.semantic.maps.draw import MapDrawer, write_drawn
    from radgen.semantic.maps.schema import read_schema, write_schema
    from radgen.semantic.maps.sides import rows_of
    from radgen.stages.import_images import check_name

    check_name(name)
    if count < 1:
        msg = f"--count {count}: no map is asked for; give 1 or more"
        raise ConfigError(msg)
    maps, labels = ImageSet(images), read_schema(schema)
    counts = count_labels(maps, rows_of(maps, split, "the set of maps to draw from"))
    check_labels(counts, labels, maps)
    rows = with_structures(counts, labels, maps, empty="drop")
    drawer = MapDrawer(maps, rows, labels, name=name, seed=seed, settings=drawn)
    for old in out.glob("shard-*"):
        old.unlink()
    parents, parts = write_drawn(out, drawer, count, maps.mask_shape)
    write_table(out / "parents.parquet", parents)
    write_schema(out / "labels.json", labels)
    files = [file for part in parts for file in (part, masks_path(part.with_name(part.name.split(".")[0])))]
    files += [out / "index.parquet", out / "parents.parquet", out / "labels.json"]
    settings = {"source": name, "count": count, "split": list(split), "drawn": as_plain(drawn)}
    write_manifest(
        out / "manifest.json",
        what=what_part(
            stage="semantic_maps",
            version=VERSION,
            settings=settings,
            inputs={"index": input_digest(images), "schema": digest_file(schema)} | _pixels(maps),
            seed=seed,
        ),
        outputs={file.name: file for file in files},
        saw_patients=_ancestry(images, drawer.saw_patients()),
        notes={"drawn_from": len(rows), "empty_left_out": len(counts.rows) - len(rows)},
    )
    mixed = sum(row is not None for row in parents.column("donor").to_pylist())
    _say(
        f"semantic-maps {name}: {count} maps drawn from {len(rows)}, {mixed} of them with another patient's structures"
    )


def _pixels(maps: ImageSet) -> dict[str, str]:
    """Return digests of the mask files, by shard."""
    from radgen.imageset.core import masks_path

    names = sorted(set(maps.table.column("shard").to_pylist()))
    return {f"masks/{name}": input_digest(masks_path(maps.folder / name)) for name in names}


def _ancestry(images: Path, drawn_from: SawPatients) -> SawPatients:
    """Return who is behind the maps: the patients drawn from; of maps without a patient, all that is behind their set.

    Masks that a label head painted rest on its generator's pixels too, so nothing of such a set is left out.
    """
    manifest = images.parent / "manifest.json"
    if not drawn_from.unknown or not manifest.is_file():
        return drawn_from
    return saw_patients_of(manifest) | SawPatients(masks=drawn_from.masks)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress
