"""Folders that most training scripts read: `{train,val,test}/{images,labels}/<id>.png`, and classes.csv of each split.

All six folders exist, empty or not. Without masks, `labels` stays empty and classes.csv is what is learnt.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from radgen.export.examples import ExportSet
from radgen.export.folder import write_bytes
from radgen.export.pictures import image_png, mask_png
from radgen.export.placed import Options, Placed
from radgen.export.splits import SPLITS


def write(images: ExportSet, out: Path, _options: Options) -> Iterator[Placed]:
    """Write the pictures; yield where each went."""
    for split in SPLITS:
        for kind in ("images", "labels"):
            (out / split / kind).mkdir(parents=True)
    classes: dict[str, list[tuple[str, str]]] = {split: [("image", "class_name")] for split in SPLITS}
    for example in images:
        file = f"{example.stem}.png"
        image = f"{example.split}/images/{file}"
        write_bytes(out / image, image_png(example))
        painted = mask_png(example, images.labels)
        mask = f"{example.split}/labels/{file}" if painted is not None else ""
        if painted is not None:
            write_bytes(out / mask, painted)
        classes[example.split].append((file, example.row["class_name"] or ""))
        yield Placed(example.image_id, image, mask)
    for split, lines in classes.items():
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        write_bytes(out / split / "classes.csv", text.getvalue().encode())
