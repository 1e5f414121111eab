"""Join the annotations of several rounds, and refuse those of a generator that is no longer there."""

from __future__ import annotations

from pathlib import Path

from radgen.provenance import (
    digest_file,
    input_digest,
    read_manifest,
    saw_patients_of,
    what_part,
    write_manifest,
)

VERSION = 1


def run(
    *,
    weights: Path,
    packs: tuple[Path, ...],
    parts: tuple[Path, ...],
    part_manifests: tuple[Path, ...],
    source: str,
    index: Path,
    pack: Path,
    manifest: Path,
) -> None:
    """Write one index and one table of latents over all rounds; pixels and masks stay where they are.

    Parameters
    ----------
    weights
        The generator as it is now.
    packs
        `pack.parquet` of each round, in order.
    parts, part_manifests
        Index of each round's annotated images, in the index's folder or below it, and its manifest.
    source
        Name of the generator.
    index
        The joined index of annotated images.
    pack
        Rows of all packs (columns: `radgen.annotation.pack.PACK_SCHEMA`).
    manifest
        Beside them; its notes say who annotated, and how many images of each round.

    Raises
    ------
    AnnotationError
        A round is of another generator, was drawn otherwise than the first, or repeats an image.
    InputError
        A part cannot be read or lies outside the index's folder.
    """
    from radgen.annotation.rounds import join_rounds
    from radgen.annotation.seconds import carry_people
    from radgen.imageset.core import write_table
    from radgen.imageset.gather import join_index

    generator = digest_file(weights)
    rows = join_rounds(packs, generator)
    images = join_index(parts, index)
    carry_people(parts, index)
    write_table(pack, rows)
    numbered = enumerate(zip(packs, parts, strict=True), start=1)
    inputs = {
        f"{kind}/{number}": input_digest(path)
        for number, both in numbered
        for kind, path in zip(("pack", "part"), both, strict=True)
    }
    notes = [read_manifest(path)["run"]["notes"] for path in part_manifests]
    write_manifest(
        manifest,
        what=what_part(
            stage="annotate_gather",
            version=VERSION,
            settings={"source": source},
            inputs=inputs | {"weights": generator},
        ),
        outputs={"index": index, "pack": pack},
        saw_patients=saw_patients_of(*part_manifests),
        notes={
            "annotator": notes[-1].get("annotator"),
            "rounds": [{"images": note.get("images"), "of": note.get("of")} for note in notes],
        },
    )
    _say(f"annotate-gather {source}: {images} annotated images of {len(parts)} rounds")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
