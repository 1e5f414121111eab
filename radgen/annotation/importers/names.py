"""Which image of a pack an address means, as tools write it: with folders, a server, or a prefix of their own."""

from __future__ import annotations

import re
from urllib.parse import unquote

from radgen.annotation.returned import Sizes, image_named

UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the names of uploaded files
PARTS_OF_ADDRESS = re.compile(r"[/\\?&=]")


def known_image(address: str, sizes: Sizes) -> str | None:
    """Return the image id that an address ends with; None where the pack has no such image. Nothing is opened.

    >>> known_image("/data/upload/3/0a1b2c3d-main_normal_000001.png", {"main_normal_000001": (64, 64)})
    'main_normal_000001'
    """
    for part in reversed(PARTS_OF_ADDRESS.split(unquote(address))):
        stem = part.split(".", 1)[0]
        for candidate in (part, stem, UPLOAD_PREFIX.sub("", stem)):
            if candidate in sizes:
                return candidate
    return None


def image_at(address: str, sizes: Sizes, file: str) -> str:
    """Return the image id that an address ends with.

    Raises
    ------
    AnnotationError
        The pack has no such image.
    """
    return known_image(address, sizes) or image_named(address, sizes, file)
