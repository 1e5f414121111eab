"""Make one synthetic image again from its id, and compare it with the stored one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.errors import CheckpointError, InputError
from radgen.gan.settings import SampleSettings
from radgen.provenance import digest_file, read_manifest
from radgen.settings import build

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from radgen.imageset.core import ImageSet

    Maker = Callable[[Path, dict[str, Any], ImageSet, int, torch.device], NDArray[np.uint8]]

VERSION = 1


def run(
    *,
    image_id: str,
    results: Path = Path("results"),
    study: str | None = None,
    index: Path | None = None,
    weights: Path | None = None,
    out: Path | None = None,
    device: str = "cpu",
) -> None:
    """Make an image again and print whether it equals the stored one.

    Parameters
    ----------
    image_id
        Such as main_normal_000007.
    results
        Folder of the studies' results, searched for the image where no index is given.
    study
        Search this study alone: sources of other studies may have the same name, and so the same ids.
    index, weights
        samples/<source>/index.parquet, or that of pairs/, and generator.safetensors of the image's study, which lies in
        gan/<source>, semantic/<source> or radiogenomic/<source>; found if left out.
    out
        PNG to write the image to.
    device
        auto, cpu or cuda; on another device than the samples' the lowest bits may differ.

    Raises
    ------
    InputError, CheckpointError
        No such image, several studies that have one, an imported one, or other weights than those it was made with.
    """
    from radgen.gan.grid import write_png
    from radgen.imageset.core import ImageSet
    from radgen.training.devices import choose_device, set_threads

    index = index or _find_index(image_id, results, study)
    images = ImageSet(index)
    found = images.rows_where(image_id=image_id)
    if len(found) == 0:
        msg = f"{index}: no image {image_id!r} among {len(images)}; ids look like {images.column('image_id')[0]}"
        raise InputError(msg)
    settings = read_manifest(index.parent / "manifest.json")["what"]["settings"]
    kind = next((name for name in MAKERS if name in settings), None)
    if kind is None:
        msg = f"{index}: {image_id} was imported, so no generator is at hand to make it again; its file stands there"
        raise InputError(msg)
    room, make = MAKERS[kind]
    weights = weights or index.parent.parent.parent / room / str(settings["source"]) / "generator.safetensors"
    _check_weights(weights, str(images.column("checkpoint")[found[0]]), image_id)
    chosen, why = choose_device(device)
    threads = int(settings[kind]["threads"])
    set_threads(threads)
    _say(f"regenerate {image_id}: device {chosen} ({why}), {threads} thread(s)")
    made = make(weights, settings, images, int(found[0]), chosen)
    difference = abs(made.astype(int) - images.images(found)[0].astype(int))
    if out is not None:
        write_png(out, made[0])
    if difference.max() == 0:
        _say(f"equal: all {made.size} pixels")
    else:
        _say(f"different: largest difference {difference.max()} of 255 grey levels, {(difference > 0).sum()} pixels")


def _sampled(
    weights: Path, settings: dict[str, Any], images: ImageSet, row: int, device: torch.device
) -> NDArray[np.uint8]:
    from radgen.gan.sampling import load_sampler, parse_image_id

    sample = build(SampleSettings, settings["sample"])
    sampler = load_sampler(
        weights, seed=sample.seed, truncation=sample.truncation, device=device, centroids=sample.centroids
    )
    image_id = str(images.column("image_id")[row])
    _, class_name, number = parse_image_id(image_id, [str(settings["source"])], sampler.class_names)
    made: NDArray[np.uint8] = sampler.images(sampler.class_names.index(class_name), [number])[0]
    return made


def _painted(
    weights: Path, settings: dict[str, Any], images: ImageSet, row: int, device: torch.device
) -> NDArray[np.uint8]:
    """Paint the stored mask again, in the surroundings it had, with the noise of the stored seed."""
    from radgen.imageset.core import ImageSet
    from radgen.semantic.checkpoint import load_semantic
    from radgen.semantic.maps.lenders import lender_of
    from radgen.semantic.maps.schema import schema_of_plain
    from radgen.semantic.maps.surroundings import MapReader
    from radgen.semantic.samples import map_id
    from radgen.semantic.sampling import SemanticSampler
    from radgen.semantic.settings import SemanticSampleSettings

    generator, card = load_semantic(weights, device)
    sampler = SemanticSampler.of(generator, card.source, build(SemanticSampleSettings, settings["semantic_sample"]))
    name, places, maps = str(images.column("image_id")[row]), [row], images
    if card.surroundings is not None:
        maps = ImageSet(images.folder / read_manifest(images.folder / "manifest.json")["run"]["notes"]["painted_on"])
        places = maps.rows_where(image_id=map_id(card.source, name)).tolist()
    reader = MapReader(maps, schema_of_plain(settings["labels"]), card.surroundings)
    lender = lender_of(images.folder, name)
    if lender is None:
        classes = reader.classes(places)
    else:
        classes = reader.laid_over(places, maps, maps.rows_where(image_id=lender))
    made: NDArray[np.uint8] = sampler.paint(classes[0], name, [int(images.column("seed")[row])])[0]
    return made


def _drawn(
    weights: Path, settings: dict[str, Any], images: ImageSet, row: int, device: torch.device
) -> NDArray[np.uint8]:
    """Draw a nodule again from the profile, background and noise that lie beside it."""
    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.expression import load_expression
    from radgen.radiogenomic.synthesis.samples import PROFILES, draw_again
    from radgen.radiogenomic.synthesis.sampling import load_radiogenomic_sampler

    sampler = load_radiogenomic_sampler(weights, seed=int(settings["radiogenomic_sample"]["seed"]), device=device)
    place = read_manifest(images.folder / "manifest.json")["run"]["notes"]["backgrounds"]
    healthy = ImageSet(images.folder / place)
    profiles = load_expression(images.folder / PROFILES)
    nodule = draw_again(images.folder, str(images.column("image_id")[row]), sampler, healthy, profiles)
    return nodule.image[None]


# By the section that a set's manifest records: the folder of its weights, and what makes an image of it again.
MAKERS: Mapping[str, tuple[str, Maker]] = {
    "sample": ("gan", _sampled),
    "semantic_sample": ("semantic", _painted),
    "radiogenomic_sample": ("radiogenomic", _drawn),
}


def _find_index(image_id: str, results: Path, study: str | None) -> Path:
    from radgen.imageset.core import read_index

    # A study's pairs go on where its samples end, because some are drawn to be dropped; what both hold is the same.
    indexes = [
        path for kind in ("samples", "pairs") for path in sorted(results.glob(f"{study or '*'}/{kind}/*/index.parquet"))
    ]
    found = [path for path in indexes if image_id in read_index(path).column("image_id").to_pylist()]
    studies = sorted({path.parents[2].name for path in found})
    if len(studies) > 1:
        told = ", ".join(studies)
        msg = f"{image_id!r} is in {len(studies)} studies under {results}: {told}; give --study or --index of one"
        raise InputError(msg)
    if not found:
        msg = f"{image_id!r} is in none of the {len(indexes)} image sets under {results}; give --index or --results"
        raise InputError(msg)
    return found[0]


def _check_weights(weights: Path, checkpoint: str, image_id: str) -> None:
    found = digest_file(weights) if weights.is_file() else "missing"
    if found != checkpoint:
        msg = (
            f"{weights}: these weights are {found}, but {image_id} was made with {checkpoint}; "
            "give those weights, or sample again"
        )
        raise CheckpointError(msg)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the answer of this command
