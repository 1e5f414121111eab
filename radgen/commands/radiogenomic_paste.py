"""Paste synthetic nodules back into whole CT slices of their backgrounds' patients: DICOM and NIfTI, with masks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.config import read_config
from radgen.errors import InputError
from radgen.study import Study
from radgen.workflow import Plan

if TYPE_CHECKING:
    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.paste import Pasted


def main(words: list[str]) -> int:
    """Write a slice with its nodule for each image: <id>.dcm, <id>.nii.gz and <id>_mask.nii.gz."""
    parser = argparse.ArgumentParser("radgen radiogenomic-paste", description=__doc__)
    parser.add_argument("config", type=Path, help="the study's YAML file; its nodules must be sampled")
    parser.add_argument("--archive", help="another place of the archive")
    parser.add_argument("--source", required=True, help="name of the source of kind radiogenomic")
    parser.add_argument("--images", nargs="+", required=True, metavar="ID", help="image ids of its samples")
    parser.add_argument("--out", type=Path, required=True, help="folder; slices of patients, so keep it safe")
    parser.add_argument("--seam-mm", type=float, default=3.0, help="width over which a nodule's change fades out (3)")
    options = parser.parse_args(words)
    if not 0 <= options.seam_mm <= 50:
        msg = f"--seam-mm {options.seam_mm:g}: give 0 to 50 mm"
        raise InputError(msg)
    plan = Plan(Study.of(read_config(options.config, {"archive": options.archive} if options.archive else None)))
    pasting = _Pasting(plan, options.source, options.seam_mm)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.images:
        pasting.write(name, options.out)
    return 0


class _Pasting:
    """The samples of one source and what they were drawn into."""

    def __init__(self, plan: Plan, source: str, seam_mm: float) -> None:
        from radgen.imageset.core import ImageSet

        self._plan, self._seam_mm = plan, seam_mm
        index = Path(plan.path("sample.part_index", source=source))
        self._samples, self._healthy = ImageSet(index), ImageSet(Path(plan.path("nodules.backgrounds")))
        self._folder = index.parent

    def write(self, name: str, out: Path) -> None:
        """Paste one image and write its three files."""
        from radgen.cohort.dicom_volumes import read_volume
        from radgen.imaging.reassemble import write_volume
        from radgen.imaging.volume import Volume, upright
        from radgen.provenance import atomic_path
        from radgen.radiogenomic.paste import paste
        from radgen.radiogenomic.pasted_dicom import slice_bytes

        row, position = self._background(name)
        sample = self._one(self._samples, name, "samples")
        ct = upright(read_volume(self._files(row["series"])))
        place = int(row["slice_index"])
        if not 0 <= place < len(ct.array):
            msg = (
                f"background {row['image_id']} is slice {place}, but its series has {len(ct.array)}; cut patches again"
            )
            raise InputError(msg)
        pasted = paste(
            ct.array[place],
            row,
            self._samples.images([sample])[0, 0],
            self._samples.covers([sample])[0],
            self._healthy.images([position])[0, 0],
            seam_mm=self._seam_mm,
        )
        affine = ct.affine.copy()
        affine[:3, 3] += place * affine[:3, 0]
        with atomic_path(out / f"{name}.dcm") as temporary:
            temporary.write_bytes(slice_bytes(name, pasted.hu, affine, ct.spacing_mm))
        write_volume(out / f"{name}.nii.gz", Volume(pasted.hu.round().astype("int16")[None], affine))
        write_volume(out / f"{name}_mask.nii.gz", Volume(pasted.mask.astype("uint8")[None], affine))
        sys.stdout.write(f"{name}: {int(pasted.mask.sum())} pixels of nodule in a slice of {_size(pasted)}\n")

    def _background(self, name: str) -> tuple[dict[str, Any], int]:
        """Return the index row and the position of what an image was drawn into."""
        import pyarrow.parquet as pq

        draws = pq.read_table(self._folder / "draws.parquet", filters=[("image_id", "=", name)]).to_pylist()
        if not draws:
            msg = f"{name!r} is no image of {self._folder}; ids stand in its index.parquet"
            raise InputError(msg)
        position = self._one(self._healthy, draws[0]["background"], "healthy patches")
        row: dict[str, Any] = self._healthy.table.slice(position, 1).to_pylist()[0]
        if row["offset_row"] is None:
            msg = f"background {row['image_id']} was not cut from a CT series, so there is no slice to paste into"
            raise InputError(msg)
        return row, position

    @staticmethod
    def _one(images: ImageSet, name: str, what: str) -> int:
        found = images.rows_where(image_id=name)
        if len(found) != 1:
            msg = f"{name!r} is {len(found)} times among the {what} of {images.folder}; sample again"
            raise InputError(msg)
        return int(found[0])

    def _files(self, series: str) -> tuple[Path, ...]:
        from radgen.cohort import tables
        from radgen.cohort.readers import file_paths

        rows = tables.read_rows(Path(self._plan.path("cohort.series")), tables.SERIES_SCHEMA)
        row = next((row for row in rows if row["series_key"] == series), None)
        if row is None:
            msg = f"series {series} is not in the cohort; cut the patches of this study again"
            raise InputError(msg)
        paths = file_paths(Path(self._plan.path("inventory.files")), self._plan.roots, row["file_ids"])
        return tuple(paths[file_id] for file_id in row["file_ids"])


def _size(pasted: Pasted) -> str:
    return " x ".join(map(str, pasted.hu.shape))
