"""Write an image set as nnU-Net, DICOM, NIfTI, PNG, folders, COCO, Parquet or Croissant, marked as synthetic."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from radgen.errors import ConfigError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
FORMATS = ("nnunet", "dicom", "nifti", "png", "folders", "coco", "hf", "croissant")


def main(words: list[str]) -> int:
    """Export one image set; what leaves is counted on standard output, a warning of real images on standard error."""
    parser = argparse.ArgumentParser("radgen export", description=__doc__)
    parser.add_argument(
        "image_set", type=Path, help="index.parquet of an image set (samples, pairs, slices), or its folder"
    )
    parser.add_argument("--to", required=True, choices=FORMATS, help="the format")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, whole or not at all")
    parser.add_argument("--real", action="store_true", help="let images of real patients leave, under their pseudonyms")
    parser.add_argument("--audit", type=Path, help="*.verdict.json of the set's audit; found where the study has it")
    parser.add_argument("--unaudited", action="store_true", help="let synthetic images leave without an audit")
    parser.add_argument("--replace", action="store_true", help="replace an earlier export; any other folder is refused")
    parser.add_argument("--name", help="of the data set (the image set's folder and the format)")
    parser.add_argument("--number", type=int, default=900, help="of an nnU-Net data set, 1 to 999 (900)")
    parser.add_argument("--licence", default="unspecified", help="under which the folder may be used")
    parser.add_argument("--labels", type=Path, help="labels.json of a pack: names and colours of the label ids")
    parser.add_argument(
        "--shares",
        type=float,
        nargs=3,
        default=(0.8, 0.1, 0.1),
        metavar=("TRAIN", "VAL", "TEST"),
        help="of images without a split of their own, so of synthetic ones (0.8 0.1 0.1)",
    )
    options = parser.parse_args(words)
    shares = (options.shares[0], options.shares[1], options.shares[2])
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        msg = f"--shares {shares[0]:g} {shares[1]:g} {shares[2]:g}: give three numbers from 0 to 1 that add up to 1"
        raise ConfigError(msg)
    index = options.image_set / "index.parquet" if options.image_set.is_dir() else options.image_set
    name = options.name or re.sub("[^A-Za-z0-9_-]+", "-", index.absolute().parent.name).strip("-_") or "images"
    if not NAME.fullmatch(name):
        msg = f"--name {name!r}: give letters, digits, _ and -, 64 at most, a letter or digit first"
        raise ConfigError(msg)
    from radgen.annotation.schema import read_labels
    from radgen.export.examples import ExportSet
    from radgen.export.notice import Origin
    from radgen.export.placed import Options
    from radgen.export.run import export

    labels = None if options.labels is None else read_labels(options.labels)
    kept, said = _released(index, options.audit, unaudited=options.unaudited)
    images = ExportSet(index, labels, shares, kept)
    chosen = Options(name=name, number=options.number, licence=options.licence, release=said)
    export(images, options.to, options.out, chosen, real=options.real, replace=options.replace)
    if Origin.REAL in images.origins:
        sys.stderr.write(
            f"warning: {images.origins[Origin.REAL]} images of {images.patients} real patients lie in {options.out}, "
            "under pseudonyms; keep the folder as their terms of use say\n"
        )
    sys.stdout.write(f"audit for copies of patients: {said}\n")
    counts = ", ".join(f"{count} {origin.value}" for origin, count in images.origins.items())
    sys.stdout.write(f"export: {counts} images to {options.out} as {options.to}\n")
    return 0


def _released(index: Path, audit: Path | None, *, unaudited: bool) -> tuple[frozenset[str] | None, str]:
    """Return the ids that may leave (None for all) and what an audit says of them; real images need no audit."""
    from radgen.imageset.core import read_index
    from radgen.safety.gate import release_of

    rows = read_index(index).select(["image_id", "source"]).to_pylist()
    real = {str(row["image_id"]) for row in rows if row["source"] == "real"}
    if len(real) == len(rows):
        return None, "these are real images"
    if unaudited:
        return None, "not audited"
    release = release_of(index, audit)
    return release.kept | real, release.sentence
