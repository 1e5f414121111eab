"""Let the simulated annotator paint the pack; the result says so wherever it goes."""

from __future__ import annotations

from pathlib import Path

from radgen.annotation.settings import AnnotationSettings
from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.provenance import input_digest, read_manifest, saw_patients_of, what_part, write_manifest

VERSION = 1


def run(
    *,
    pack: Path,
    pack_manifest: Path,
    annotator: Path,
    annotator_manifest: Path,
    source: str,
    index: Path,
    manifest: Path,
    annotation: AnnotationSettings,
    structures: StructureSettings,
    classes: ClassSettings,
    device: str = "auto",
) -> None:
    """Paint every image of the pack with the segmenter and store images and masks as `annotate-import` does.

    Parameters
    ----------
    pack, pack_manifest
        `pack.parquet` of the pack.
    annotator, annotator_manifest
        The segmenter, and the Dice it reached on patients held out from it.
    source
        Name of the generator.
    index
        The image set's index; its shard goes beside it.
    manifest
        Beside the index; its notes say "simulated annotator".
    annotation, structures, classes
        Settings.
    device
        auto, cpu or cuda.

    Raises
    ------
    AnnotationError
        The pack cannot be read, or was made for other structures.
    CheckpointError
        The segmenter cannot be read, or paints other labels.
    """
    import numpy as np

    from radgen.annotation.check import check_labels
    from radgen.annotation.pack import read_pack
    from radgen.annotation.result import write_annotation
    from radgen.labels.segmenter import check_segmenter, load_segmenter, predict
    from radgen.training.devices import use_device

    del annotation
    chosen, reason = use_device(device, threads=1)  # a few images: a number of threads is not worth a setting
    _say(f"annotate-simulated {source}: device {chosen} ({reason})")
    went_out = check_labels(read_pack(pack), structures.names, structures.colours)
    segmenter = load_segmenter(annotator, chosen)
    check_segmenter(segmenter.shape, ("background", *structures.names))
    ids = sorted(went_out.rows)
    images = np.stack([went_out.image(image_id)[None] for image_id in ids])
    masks = dict(zip(ids, predict(segmenter, images, chosen), strict=True))
    what = what_part(
        stage="annotate_simulated",
        version=VERSION,
        settings={"source": source, "structures": list(structures.names), "classes": list(classes.names)},
        inputs={"pack": input_digest(pack), "annotator": input_digest(annotator)},
    )
    outputs = write_annotation(index, went_out, masks, source=source)
    who = read_manifest(annotator_manifest)["run"]["notes"].get("annotator", {"kind": "simulated annotator"})
    write_manifest(
        manifest,
        what=what,
        outputs=outputs,
        saw_patients=saw_patients_of(pack_manifest, annotator_manifest),
        device=str(chosen),
        notes={"annotator": who, "images": len(masks), "of": len(went_out.rows)},
    )
    _say(f"annotate-simulated {source}: {len(masks)} masks painted by a simulated annotator: {who}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
