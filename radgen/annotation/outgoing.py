"""The images of a pack: drawn, chosen class by class, and picked out of the generator's blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from radgen.annotation.choose import Block, Embedder, ImageSource, choose_indices, share_out
from radgen.annotation.pack import PackImage
from radgen.annotation.settings import AnnotationSettings
from radgen.errors import ConfigError


def outgoing_images(
    source: ImageSource,
    embedder: Embedder,
    class_names: Sequence[str],
    settings: AnnotationSettings,
    name_image: Callable[[str, int], str],
) -> list[PackImage]:
    """Choose the images that go out for annotation.

    Parameters
    ----------
    source, embedder
        The sampler and the encoder.
    class_names
        The study's classes.
    settings
        How many, among how many.
    name_image
        (class name, index) to image id.

    Raises
    ------
    ConfigError
        The generator has other classes, or images of more than one channel, or there are too few candidates.
    """
    if tuple(class_names) != tuple(source.class_names):
        msg = (
            f"classes: the study has {', '.join(class_names)}, its generator {', '.join(source.class_names)}; "
            "train the generator again"
        )
        raise ConfigError(msg)
    size = len(source.block(0, 0).images)
    chosen: list[PackImage] = []
    for class_id, count in enumerate(share_out(settings.count, len(class_names))):
        indices = choose_indices(
            source, embedder, class_id=class_id, candidates=settings.candidates_per_class, count=count
        )
        for index in sorted(indices.tolist()):
            name = class_names[class_id]
            block = source.block(class_id, index // size)
            chosen.append(_pick(block, index % size, name_image(name, index), (name, class_id, index)))
    return chosen


def _pick(block: Block, place: int, image_id: str, where: tuple[str, int, int]) -> PackImage:
    if block.images.shape[1] != 1:
        found = block.images.shape[1]
        msg = f"annotation: the generator's images have {found} channels, but packs hold grey images of 1"
        raise ConfigError(msg)
    return PackImage(
        image_id=image_id,
        class_name=where[0],
        class_id=where[1],
        index=where[2],
        seed=int(block.seeds[place]),
        w=block.w[place],
        image=block.images[place, 0],
    )
