"""The pack: a folder of synthetic images for a person to paint, and all that is needed to trace each one back.

pack/
├── images/<image_id>.png         8-bit grey
├── nifti/<image_id>.nii.gz       the same picture as one slice, for ITK-SNAP or 3D Slicer
├── label_studio/, cvat/, labelme/, slicer/, itksnap/, dicom/
│                                 what each tool opens (`radgen.annotation.packers`); contents.json lists these files
├── labels.json                   id, name and colour of each label
├── instructions.html             what to do, tool by tool, with pictures
├── README.txt                    what to do, in short
├── masks/                        painted masks come here; generator.json in it names the pack they belong to
└── pack.parquet                  one row per image: how to draw it again (columns of PACK_SCHEMA)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.annotation.choose import COVERAGE
from radgen.annotation.instruction_page import instruction_page
from radgen.annotation.instructions import readme
from radgen.annotation.packers import tool_files, write_tool_files
from radgen.annotation.packers.material import Material
from radgen.annotation.pictures import read_grey, write_nifti, write_png
from radgen.annotation.schema import Label, read_labels, write_labels
from radgen.annotation.settings import FIRST_ROUND
from radgen.annotation.waiting import MASKS_FOLDER, mask_files
from radgen.errors import AnnotationError
from radgen.imageset.core import write_table
from radgen.provenance import write_json, write_text

GENERATOR_FILE = "generator.json"

PACK_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("class_id", pa.int32(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),  # sample index within its class
        pa.field("seed", pa.int64(), nullable=False),  # of this image's latent
        pa.field("sampler_seed", pa.int64(), nullable=False),  # from which the sampler derives all seeds
        pa.field("truncation", pa.float64(), nullable=False),
        pa.field("generator", pa.string(), nullable=False),  # digest of the weights
        pa.field("w", pa.list_(pa.float32()), nullable=False),
        pa.field("round", pa.string()),  # null in packs of before there were rounds
        pa.field("reason", pa.string()),  # coverage | uncertainty
    ]
)


@dataclass(frozen=True)
class PackImage:
    """One image of a pack: its row without the columns that all rows share, and its pixels (uint8 [H, W])."""

    image_id: str
    class_name: str
    class_id: int
    index: int
    seed: int
    w: NDArray[np.float32]
    image: NDArray[np.uint8]
    reason: str = COVERAGE


@dataclass(frozen=True)
class Pack:
    """A pack as read back: its folder, its rows by image id (columns of PACK_SCHEMA), its labels."""

    folder: Path
    rows: dict[str, dict[str, Any]]
    labels: tuple[Label, ...]

    @property
    def generator(self) -> str:
        """Digest of the generator's weights."""
        return str(next(iter(self.rows.values()))["generator"])

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """Return an image's pixels: uint8 [H, W].

        Raises
        ------
        AnnotationError
            The picture is missing or damaged.
        """
        return read_grey(self.folder / "images" / f"{image_id}.png")


def write_pack(
    path: Path,
    images: Sequence[PackImage],
    labels: Sequence[Label],
    *,
    generator: str,
    truncation: float,
    sampler_seed: int,
    spacing_mm: tuple[float, float] = (1.0, 1.0),
    round_name: str = FIRST_ROUND,
) -> None:
    """Write a pack, taking away files of an earlier one; what was painted is never touched.

    Parameters
    ----------
    path
        Of `pack.parquet`; everything else goes beside it.
    images
        What goes out.
    labels
        What may be painted.
    generator, truncation, sampler_seed
        Digest of the weights, and how the images were drawn.
    spacing_mm
        Distance of rows and of columns in every file that has a physical grid; 1 mm where nothing is known.
    round_name
        Of the round of annotation.

    Raises
    ------
    AnnotationError
        A tool's file of an earlier pack was painted over.
    """
    folder = path.parent
    ordered = sorted(images, key=lambda item: item.image_id)
    material = Material({item.image_id: item.image for item in ordered}, tuple(labels), generator, spacing_mm)
    write_tool_files(folder, material)
    _remove_others(folder, {item.image_id for item in ordered})
    for item in ordered:
        facts = {"image_id": item.image_id, "class": item.class_name, "generator": generator, "seed": str(item.seed)}
        write_png(folder / "images" / f"{item.image_id}.png", item.image, facts)
        write_nifti(folder / "nifti" / f"{item.image_id}.nii.gz", item.image, spacing_mm)
    write_labels(folder / "labels.json", labels)
    write_text(folder / "README.txt", readme(ordered[0].image_id, len(ordered), labels))
    write_text(folder / "instructions.html", instruction_page(material))
    _open_masks_folder(folder, generator)
    shared = {"sampler_seed": sampler_seed, "truncation": truncation, "generator": generator, "round": round_name}
    rows = [
        {
            "image_id": item.image_id,
            "class_name": item.class_name,
            "class_id": item.class_id,
            "index": item.index,
            "seed": item.seed,
            "w": [float(value) for value in item.w],
            "reason": item.reason,
        }
        | shared
        for item in ordered
    ]
    write_table(path, pa.Table.from_pylist(rows, schema=PACK_SCHEMA))


def pack_files(path: Path) -> list[Path]:
    """Return the files that a pack consists of, painted masks left out."""
    folder = path.parent
    pictures = [*folder.glob("images/*.png"), *folder.glob("nifti/*.nii.gz")]
    texts = [folder / name for name in ("labels.json", "README.txt", "instructions.html")]
    return [*sorted(pictures), *tool_files(folder), *texts, path]


def _remove_others(folder: Path, keep: set[str]) -> None:
    for name, suffix in (("images", ".png"), ("nifti", ".nii.gz")):
        for path in (folder / name).glob(f"*{suffix}"):
            if path.name.removesuffix(suffix) not in keep:
                path.unlink()


def _open_masks_folder(folder: Path, generator: str) -> None:
    """Make the folder for masks; one that already holds masks keeps the mark of the generator they were painted for."""
    if not mask_files(folder):
        write_json(folder / MASKS_FOLDER / GENERATOR_FILE, {"generator": generator})


def read_rows(path: Path) -> pa.Table:
    """Read a pack's table, at least one row of PACK_SCHEMA.

    Raises
    ------
    AnnotationError
        The table is missing, damaged or empty.
    """
    try:
        rows = pq.read_table(path, schema=PACK_SCHEMA)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path}: not a readable pack ({error}); run annotate-pack again"
        raise AnnotationError(msg) from error
    if rows.num_rows == 0:
        msg = f"{path}: the pack holds no images; set annotation.count above 0 and run annotate-pack again"
        raise AnnotationError(msg)
    return rows


def read_pack(path: Path) -> Pack:
    """Read a pack by its pack.parquet.

    Raises
    ------
    AnnotationError
        The table or labels.json is missing, damaged or empty.
    """
    rows = read_rows(path).to_pylist()
    return Pack(path.parent, {row["image_id"]: row for row in rows}, read_labels(path.parent / "labels.json"))
