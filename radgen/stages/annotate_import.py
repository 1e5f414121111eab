"""Read the masks a person painted back, and say exactly what is wrong with them if anything is."""

from __future__ import annotations

from pathlib import Path

from radgen.annotation.settings import AnnotationSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.provenance import digest_file, digest_json, input_digest, saw_patients_of, what_part, write_manifest

VERSION = 3


def run(
    *,
    pack: Path,
    pack_manifest: Path,
    source: str,
    index: Path,
    manifest: Path,
    annotation: AnnotationSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    folder: Path | None = None,
) -> None:
    """Check painted masks against their pack and store them with their images as an image set.

    Parameters
    ----------
    pack, pack_manifest
        `pack.parquet` of the pack that went out.
    source
        Name of the generator.
    index
        The image set's index; its shard and `agreement.parquet` go beside it. It has two columns more than other
        indices: seconds (spent on the image; null where unknown) and annotator.
    manifest
        Beside the index.
    folder
        Where masks lie, in `masks` inside it; the pack's own folder if None.
    annotation, structures, classes
        Settings: what becomes of overlaps, of images painted twice and of doubtful masks; the structures must be those
        of the pack's labels.json.

    Raises
    ------
    AnnotationError
        No masks, masks of another generator's images, or masks that cannot be used: each is named with its reason.
    """
    from radgen.annotation.agreement import mean_agreement
    from radgen.annotation.check import check_labels, collect
    from radgen.annotation.pack import read_pack
    from radgen.annotation.result import write_annotation
    from radgen.annotation.seconds import SECONDS_FILE, note_people
    from radgen.annotation.waiting import MASKS_FOLDER, mask_files
    from radgen.imageset.core import write_table

    folder = folder or pack.parent
    went_out = check_labels(read_pack(pack), structures.names, structures.colours)
    rules = {"overlap": annotation.overlap, "consensus": annotation.consensus, "doubt": annotation.doubt}
    came_back = collect(folder, went_out, **rules)
    masks = folder / MASKS_FOLDER
    files = [path for path in (*mask_files(folder), masks / SECONDS_FILE) if path.is_file()]
    painted = digest_json({path.relative_to(masks).as_posix(): digest_file(path) for path in files})
    what = what_part(
        stage="annotate_import",
        version=VERSION,
        settings={"source": source, "structures": list(structures.names), "classes": list(classes.names)} | rules,
        inputs={"pack": input_digest(pack), "masks": painted},
    )
    outputs = write_annotation(index, went_out, came_back.masks, source=source)
    note_people(index, came_back.seconds, came_back.annotators)
    outputs["agreement"] = index.parent / "agreement.parquet"
    write_table(outputs["agreement"], came_back.agreement)
    empty = [image_id for image_id, mask in came_back.masks.items() if not mask.any()]
    write_manifest(
        manifest,
        what=what,
        outputs=outputs,
        saw_patients=saw_patients_of(pack_manifest),
        notes={
            "annotator": {"kind": "person"},
            "images": len(came_back.masks),
            "of": len(went_out.rows),
            "empty_masks": empty,
            "overlap_px": came_back.overlaps,
            "undecided_px": came_back.undecided,
            "agreement": mean_agreement(came_back.agreement),
            "doubts": [doubt.sentence for doubt in came_back.doubts],
            "seconds": {"images": len(came_back.seconds), "total": sum(came_back.seconds.values())},
        },
    )
    _say(
        f"annotate-import {source}: {len(came_back.masks)} of {len(went_out.rows)} images have a mask, {len(empty)} of "
        f"them empty, {len(came_back.overlaps)} with overlapping labels ({annotation.overlap})"
    )
    if undecided := came_back.undecided:
        chosen = annotation.consensus
        became = "left as background" if chosen == "majority" else f"painted as {chosen} did"
        worst = max(undecided, key=lambda name: undecided[name])
        _say(
            f"annotate-import {source}: annotators disagree, no label has a majority of {sum(undecided.values())} "
            f"pixels of {len(undecided)} images ({became}); the worst is {worst}"
        )
    for doubt in came_back.doubts:
        _say(f"annotate-import {source}: doubtful, but accepted: {doubt.sentence}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
