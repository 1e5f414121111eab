"""CVAT: the labels as its project constructor takes them, and how to upload the pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator

from radgen.annotation.packers.material import Material, Packer, hex_colour
from radgen.annotation.pictures import SYNTHETIC_NOTICE

UPLOAD = """\
{notice}

The same upload from a command line, in the folder that holds images:

    cvat-cli --server-host HOST --auth USER task create "radgen synthetic images" \\
        --labels cvat/labels.json --image_quality 100 local images/*.png

image_quality 100 matters: below it CVAT shows pictures that were blurred by JPEG.
What nobody painted is background. The label background is for holes, and as a tag for pictures that show nothing.
"""


def _files(material: Material) -> Iterator[tuple[str, bytes]]:
    # A bare list on purpose: the constructor refuses anything else around it.
    labels = [
        {"name": label.name, "color": hex_colour(label), "type": "any", "attributes": []}
        for label in material.shape_labels
    ]
    yield "labels.json", (json.dumps(labels, indent=1) + "\n").encode()
    yield "upload.txt", UPLOAD.format(notice=SYNTHETIC_NOTICE).encode()


PACKER = Packer(
    folder="cvat",
    tool="CVAT",
    files=_files,
    steps=(
        "Create a project. Under `Labels > Raw` replace all text by that of `cvat/labels.json` and press `Done`.",
        "Create a task in it and select all files of `images`. Under `Advanced configuration` set `Image quality` to "
        "100. (`cvat/upload.txt` does both from a command line.)",
        "Paint with brush (mask), polygon, ellipse or rectangle. A hole is a shape `background` above the other one; "
        "a picture that shows nothing to paint gets the tag `background`.",
        "`Export task dataset > CVAT for images 1.1`, without images. Save the archive, as it is, into `masks`.",
    ),
)
