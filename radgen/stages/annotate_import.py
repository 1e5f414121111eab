"""Read the masks a person painted back, and say exactly what is wrong with them if anything is."""

from __future__ import annotations

from pathlib import Path

from radgen.annotation.settings import AnnotationSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.provenance import digest_file, digest_json, input_digest, saw_patients_of, what_part, write_manifest

VERSION = 1


def run(
    *,
    pack: Path,
    pack_manifest: Path,
    folder: Path,
    source: str,
    index: Path,
    manifest: Path,
    annotation: AnnotationSettings,
    structures: StructureSettings,
    classes: ClassSettings,
) -> None:
    """Check painted masks against their pack and store them with their images as an image set.

    Parameters
    ----------
    pack, pack_manifest
        `pack.parquet` of the pack that went out.
    folder
        The pack's folder: masks lie in `masks` inside it.
    source
        Name of the generator.
    index
        The image set's index; its shard goes beside it.
    manifest
        Beside the index.
    annotation, structures, classes
        Settings; the structures must be those of the pack's labels.json.

    Raises
    ------
    AnnotationError
        No masks, masks of another generator's images, or masks that cannot be used: each is named with its reason.
    """
    from radgen.annotation.check import check_labels, collect_masks
    from radgen.annotation.pack import read_pack
    from radgen.annotation.result import write_annotation
    from radgen.annotation.waiting import mask_files

    del annotation  # who paints decides which stage runs; the masks speak for themselves
    went_out = read_pack(pack)
    check_labels(went_out, structures.names)
    masks = collect_masks(folder, went_out)
    painted = digest_json({path.name: digest_file(path) for path in mask_files(folder)})
    what = what_part(
        stage="annotate_import",
        version=VERSION,
        settings={"source": source, "structures": list(structures.names), "classes": list(classes.names)},
        inputs={"pack": input_digest(pack), "masks": painted},
    )
    outputs = write_annotation(index, went_out, masks, source=source)
    empty = [image_id for image_id, mask in masks.items() if not mask.any()]
    write_manifest(
        manifest,
        what=what,
        outputs=outputs,
        saw_patients=saw_patients_of(pack_manifest),
        notes={
            "annotator": {"kind": "person"},
            "images": len(masks),
            "of": len(went_out.rows),
            "empty_masks": empty,
        },
    )
    _say(
        f"annotate-import {source}: {len(masks)} of {len(went_out.rows)} images have a mask, {len(empty)} of them empty"
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
