"""Label Studio: a list of tasks that point to the pack's own pictures, and the labelling interface as XML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote
from xml.etree import ElementTree

from radgen.annotation.packers.material import Material, Packer, hex_colour
from radgen.annotation.pictures import SYNTHETIC_NOTICE

# Control tag and its name in the results; each draws every label.
CONTROLS = {
    "BrushLabels": "brush",
    "PolygonLabels": "polygon",
    "EllipseLabels": "ellipse",
    "RectangleLabels": "rectangle",
}


def _files(material: Material) -> Iterator[tuple[str, bytes]]:
    yield "tasks.json", _tasks(material)
    yield "config.xml", _interface(material)


def _tasks(material: Material) -> bytes:
    """Return one task per picture; `d` of its address is a path below the document root that the steps name."""
    tasks = [
        {
            "data": {
                "image": f"/data/local-files/?d={quote(f'images/{image_id}.png')}",
                "image_id": image_id,
                "note": SYNTHETIC_NOTICE,
            }
        }
        for image_id in material.pictures
    ]
    return (json.dumps(tasks, indent=1) + "\n").encode()


def _interface(material: Material) -> bytes:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Header", value=SYNTHETIC_NOTICE)
    # Without smoothing a pixel is a square: what is seen is what is painted.
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true", smoothing="false")
    for tag, name in CONTROLS.items():
        control = ElementTree.SubElement(view, tag, name=name, toName="image")
        for label in material.shape_labels:
            ElementTree.SubElement(control, "Label", value=label.name, background=hex_colour(label))
    ElementTree.indent(view)
    return (ElementTree.tostring(view, encoding="unicode") + "\n").encode()


PACKER = Packer(
    folder="label_studio",
    tool="Label Studio",
    files=_files,
    steps=(
        "Start it with this folder as document root (write its full path for `PACK`): "
        "`LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true "
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=PACK label-studio start`",
        "Create a project. Under `Settings > Labeling Interface > Code` paste `label_studio/config.xml`.",
        "Under `Settings > Cloud Storage > Add Source Storage` choose `Local files` with the path `PACK/images`. "
        "Do not press Sync: the tasks come with the next step.",
        "Import `label_studio/tasks.json`. Brush, polygon, ellipse and rectangle may be mixed in one image; "
        "a hole in a shape is a shape `background` drawn later. Submit a picture that shows nothing as it is.",
        "Export as `JSON` and save the file as `masks/label_studio.json`.",
    ),
)
