"""Make an image set of label maps alone from a folder of masks without images: NIfTI volumes or pictures."""

from __future__ import annotations

from pathlib import Path

from radgen.errors import ConfigError
from radgen.provenance import digest_file, digest_json, what_part, write_manifest

VERSION = 1


def run(
    *,
    pictures: Path,
    schema: Path,
    name: str,
    out: Path,
    size_px: int | None = None,
    field_of_view_mm: float | None = None,
    patients: Path | None = None,
    val: float = 0.15,
    test: float = 0.0,
    seed: int = 0,
    modality: str = "",
    ancestry: Path | None = None,
    workers: int = 1,
) -> None:
    """Write maps, their index, counts per label, the source grids of volumes, and a manifest.

    Parameters
    ----------
    pictures
        The folder of masks, and nothing else in it.
    schema
        Label schema of the masks (`radgen.semantic.maps.schema`): ids are checked against it, both ways.
    name
        Of the source: ids begin with it.
    out
        Folder of the set; new, empty, or an earlier import of this name, which is replaced.
    size_px
        Side of the stored maps; by default slices stay as they are. Always by nearest pixel.
    field_of_view_mm
        Physical side of the stored maps, for volumes; by default the whole slice, padded to a square.
    patients
        CSV of file, patient and, if wanted, group: who is one person, and who must stay together.
    val, test, seed
        Shares of the people, and which deal.
    modality
        Of what the maps were drawn on, such as CT.
    ancestry
        A declaration of the patients behind the maps (`radgen.imports.ancestry`); without one they are unknown.
    workers
        Processes that read.

    Raises
    ------
    ConfigError, InputError, CohortError, AncestryError, StorageError
        An option is impossible; a file is unfit or holds an id that the schema does not know, which the message names.
    """
    from radgen.cohort.settings import CohortSettings
    from radgen.export.folder import swapped_folder
    from radgen.imageset.core import ImageSet, write_table
    from radgen.imports.ancestry import read_declaration, unknown_ancestry
    from radgen.imports.found import files_by_stem
    from radgen.imports.maps import MapRecipe, people, write_maps
    from radgen.semantic.maps.counts import check_labels, count_labels
    from radgen.semantic.maps.schema import read_schema, write_schema
    from radgen.stages.import_images import check_name, check_out

    check_name(name)
    if field_of_view_mm is not None and size_px is None:
        msg = f"--field-of-view-mm {field_of_view_mm:g}: give --size-px too, the pixels of that field"
        raise ConfigError(msg)
    check_out(out, name, "import_maps")
    try:
        splits = CohortSettings(val=val, test=test, seed=seed)
    except ValueError as error:
        msg = f"--val {val:g} --test {test:g}: {error}"
        raise ConfigError(msg) from error
    labels = read_schema(schema)
    statement, saw = (None, unknown_ancestry(name)) if ancestry is None else read_declaration(ancestry)
    files = files_by_stem(pictures)
    recipe = MapRecipe(name, labels, size_px, field_of_view_mm, splits, modality)
    persons = people(files, patients, recipe)
    with swapped_folder(out) as draft:
        written = write_maps(draft, files, persons, recipe, workers)
        maps = ImageSet(draft / "index.parquet")
        counts = check_labels(count_labels(maps, range(len(maps))), labels, maps, str(pictures))
        write_table(draft / "counts.parquet", counts)
        write_schema(draft / "labels.json", labels)
        settings = {
            "kind": "imported",
            "source": name,
            "size_px": size_px,
            "field_of_view_mm": field_of_view_mm,
            "val": val,
            "test": test,
            "modality": modality,
            "ancestry": "unknown" if statement is None else f"declared: {statement}",
        }
        inputs = {"maps": digest_json([digest_file(path) for path in files.values()]), "schema": digest_file(schema)}
        inputs |= {"patients": digest_file(patients)} if patients is not None else {}
        outputs = [*written.files, draft / "counts.parquet", draft / "labels.json"]
        write_manifest(
            draft / "manifest.json",
            what=what_part(stage="import_maps", version=VERSION, settings=settings, inputs=inputs, seed=seed),
            outputs={file.name: file for file in outputs},
            saw_patients=saw,
            notes={"files": len(files), "maps": written.maps, "empty_slices_left_out": written.empty},
        )
    shown = " x ".join(map(str, written.shape or ()))
    _say(
        f"import-maps {name}: {written.maps} maps of {shown} from {len(files)} files, "
        f"{written.empty} slices of background alone left out"
    )
    for row in counts.to_pylist():
        _say(f"  {row['id']:3d} {row['name']}: {row['maps']} maps, {row['share']:.2%} of the pixels")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command's progress
