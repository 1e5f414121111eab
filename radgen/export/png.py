"""PNG: `images/<id>.png` (8-bit grey or RGB) and `masks/<id>.png` (label ids; the palette holds their colours)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from radgen.export.examples import ExportSet
from radgen.export.folder import write_bytes
from radgen.export.pictures import image_png, mask_png
from radgen.export.placed import Options, Placed


def write(images: ExportSet, out: Path, _options: Options) -> Iterator[Placed]:
    """Write the pictures; yield where each went."""
    for example in images:
        image = f"images/{example.stem}.png"
        write_bytes(out / image, image_png(example))
        painted = mask_png(example, images.labels)
        mask = f"masks/{example.stem}.png" if painted is not None else ""
        if painted is not None:
            write_bytes(out / mask, painted)
        yield Placed(example.image_id, image, mask)
