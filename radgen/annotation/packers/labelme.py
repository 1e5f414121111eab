"""LabelMe: the list of labels, their colours, and an annotation file without shapes for each picture.

LabelMe finds pictures by folder, so the empty files are only needed for pictures that show nothing to paint: it saves
nothing for a picture that nobody drew on. They point to `../images`, and hold no pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from radgen.annotation.packers.material import Material, Packer
from radgen.annotation.pictures import SYNTHETIC_NOTICE

FORMAT_VERSION = "5.5.0"


def _files(material: Material) -> Iterator[tuple[str, bytes]]:
    yield "labels.txt", "".join(f"{label.name}\n" for label in material.shape_labels).encode()
    yield "colours.yaml", _colours(material)
    for image_id, image in material.pictures.items():
        annotation = {
            "version": FORMAT_VERSION,
            "flags": {},
            "shapes": [],
            "imagePath": f"../images/{image_id}.png",
            "imageData": None,
            "imageHeight": image.shape[0],
            "imageWidth": image.shape[1],
            "note": SYNTHETIC_NOTICE,
        }
        yield f"{image_id}.json", (json.dumps(annotation, indent=1) + "\n").encode()


def _colours(material: Material) -> bytes:
    """Return a configuration: JSON's strings and lists are YAML's too, so no name can break it."""
    colours = {label.name: list(label.colour) for label in material.shape_labels}
    lines = (
        f"# {SYNTHETIC_NOTICE}",
        "validate_label: exact",
        "shape_color: manual",
        f"label_colors: {json.dumps(colours)}",
    )
    return ("\n".join(lines) + "\n").encode()


PACKER = Packer(
    folder="labelme",
    tool="LabelMe",
    files=_files,
    steps=(
        "Start it in this folder: "
        "`labelme images --output masks --labels labelme/labels.txt --config labelme/colours.yaml`",
        "Draw polygons, rectangles, circles or masks; a hole is a shape `background` drawn later. "
        "Each picture is saved as `masks/NAME.json`.",
        "For a picture that shows nothing to paint, copy `labelme/NAME.json` into `masks`.",
    ),
)
