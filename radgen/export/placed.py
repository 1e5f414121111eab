"""What formats are told, and what they tell: options, and where each image's files went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What a user may say of an export.

    Attributes
    ----------
    name
        Of the data set: letters, digits, _ and -.
    number
        Of an nnU-Net data set, 1 to 999.
    licence
        Under which the folder may be used; an SPDX name or an address.
    release
        What an audit for copies of patients says of the images.
    """

    name: str
    number: int = 900
    licence: str = "unspecified"
    release: str = "not audited"


@dataclass(frozen=True)
class Placed:
    """Files of one image, relative to the export's folder; `mask` is empty where there is none."""

    image_id: str
    image: str
    mask: str = ""
