"""ITK-SNAP: an empty label image on each picture's own grid, and the label descriptions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from radgen.annotation.packers.material import Material, Packer
from radgen.annotation.pictures import SYNTHETIC_NOTICE, nifti_bytes
from radgen.annotation.schema import Label

# Columns: id, red, green, blue, opacity, visible, visible as a mesh, name.
HEADING = f"""\
################################################
# ITK-SnAP Label Description File
# {SYNTHETIC_NOTICE}
################################################
"""


def _files(material: Material) -> Iterator[tuple[str, bytes]]:
    rows = "".join(_row(label) for label in material.labels)
    yield "labels.txt", (HEADING + rows).encode()
    for image_id, image in material.pictures.items():
        yield f"{image_id}.nii.gz", nifti_bytes(np.zeros_like(image), material.spacing_mm)


def _row(label: Label) -> str:
    red, green, blue = label.colour
    shown = 0 if label.id == 0 else 1
    name = "Clear Label" if label.id == 0 else label.name.replace('"', "'")  # the format has no escape for a quote
    return f'{label.id:5d} {red:5d} {green:4d} {blue:4d} {shown:8d} {shown:2d} {shown:2d}    "{name}"\n'


PACKER = Packer(
    folder="itksnap",
    tool="ITK-SNAP",
    files=_files,
    steps=(
        "Start it in this folder: `itksnap -g nifti/NAME.nii.gz -s itksnap/NAME.nii.gz -l itksnap/labels.txt`",
        "Paint in the axial view.",
        "`Segmentation > Save Segmentation Image` as `masks/NAME.nii.gz`.",
    ),
)
