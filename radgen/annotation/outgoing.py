"""The images of a pack: drawn, judged, chosen class by class, and picked out of the generator's blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from radgen.annotation.choose import ImageSource, Judges, choose, look_at, share_out
from radgen.annotation.pack import PackImage
from radgen.annotation.settings import AnnotationSettings
from radgen.errors import ConfigError

Chosen = Mapping[int, Sequence[tuple[int, str]]]  # class id to (sample index, reason)


@dataclass(frozen=True)
class Choice:
    """What goes out.

    Attributes
    ----------
    chosen
        Indices and reasons by class id.
    copies
        How many samples of each class, by name, were refused as near-copies of training images; empty for a choice
        that was made before.
    nearest_allowed
        Smallest distance to a training image by features and by pixels.
    """

    chosen: Chosen
    copies: Mapping[str, int] = field(default_factory=dict)
    nearest_allowed: tuple[float, float] | None = None

    def notes(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        reasons = Counter(reason for picked in self.chosen.values() for _, reason in picked)
        found: dict[str, Any] = {"chosen_for": dict(sorted(reasons.items()))}
        if self.nearest_allowed is not None:
            limits = dict(zip(("features", "pixels"), self.nearest_allowed, strict=True))
            found |= {"near_copies_refused": dict(self.copies), "nearest_allowed": limits}
        return found


def choose_images(
    source: ImageSource, judges: Judges, settings: AnnotationSettings, earlier: Mapping[int, Sequence[int]]
) -> Choice:
    """Choose the images of one round, class by class.

    Parameters
    ----------
    source, judges
        The sampler, and what its samples are judged by.
    settings
        Of the round: how many, among how many, how many of them for the head's uncertainty.
    earlier
        Class id to the indices that earlier rounds chose.

    Raises
    ------
    ConfigError
        There are too few candidates.
    """
    chosen: dict[int, list[tuple[int, str]]] = {}
    copies: dict[str, int] = {}
    for class_id, count in enumerate(share_out(settings.count, len(source.class_names))):
        uncertain = 0 if judges.doubt is None else round(count * settings.uncertain_fraction)
        found = look_at(source, judges, class_id, settings.candidates_per_class, earlier.get(class_id, ()))
        chosen[class_id] = choose(found, uncertain=uncertain, covering=count - uncertain)
        copies[source.class_names[class_id]] = found.copies
    return Choice(chosen, copies)


def outgoing_images(source: ImageSource, chosen: Chosen, name_image: Callable[[str, int], str]) -> list[PackImage]:
    """Draw chosen images.

    Parameters
    ----------
    source
        The sampler.
    chosen
        Class id to (sample index, reason).
    name_image
        (class name, index) to image id.

    Raises
    ------
    ConfigError
        The generator's images have more than one channel.
    """
    first = source.block(0, 0).images
    if first.shape[1] != 1:
        msg = f"annotation: the generator's images have {first.shape[1]} channels, but packs hold grey images of 1"
        raise ConfigError(msg)
    images: list[PackImage] = []
    for class_id, picked in sorted(chosen.items()):
        name = source.class_names[class_id]
        for index, reason in sorted(picked):
            block, place = source.block(class_id, index // len(first)), index % len(first)
            images.append(
                PackImage(
                    image_id=name_image(name, index),
                    class_name=name,
                    class_id=class_id,
                    index=index,
                    seed=int(block.seeds[place]),
                    w=block.w[place],
                    image=block.images[place, 0],
                    reason=reason,
                )
            )
    return images


def check_classes(source: ImageSource, class_names: Sequence[str]) -> None:
    """Refuse a generator of other classes than the study's.

    Raises
    ------
    ConfigError
        With both lists.
    """
    if tuple(class_names) != tuple(source.class_names):
        msg = (
            f"classes: the study has {', '.join(class_names)}, its generator {', '.join(source.class_names)}; "
            "train the generator again"
        )
        raise ConfigError(msg)
