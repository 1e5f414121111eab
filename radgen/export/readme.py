"""The README.md of an export: what the images are, where they come from, how the folder is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radgen.export.examples import ExportSet

HOW = {
    "nnunet": (
        "`DatasetNNN_Name` goes into `$nnUNet_raw` as it is; its `splits_final.json` goes into the data set's folder "
        "of `$nnUNet_preprocessed` after planning. Fold 0 is the split of `provenance.csv`; no patient is in two parts."
    ),
    "dicom": (
        "`images` holds Secondary Capture images, `segmentations` a DICOM SEG for each image with structures. Stored "
        "values are greys from 0 to 255, not HU."
    ),
    "nifti": "`images` and `masks` hold one slice a file with one header; several channels are `_0000`, `_0001`, ...",
    "png": "`images` holds 8-bit pictures, `masks` pictures whose numbers are label ids (the palette shows colours).",
    "folders": "`{train,val,test}/{images,labels}` hold pictures of the same name; `classes.csv` names classes.",
    "coco": "`annotations.json` describes `images`; a structure of an image is one annotation, as compressed runs.",
    "hf": '`datasets.load_dataset("FOLDER")` reads it, offline too; `image` and `mask` are pictures.',
    "croissant": "`croissant.json` describes the Parquet files of `data`; `datasets` reads them too.",
}


def readme(facts: Mapping[str, Any], images: ExportSet) -> str:
    """Return the text; of Parquet exports, the header that `datasets` reads stands above it."""
    header = _card(images) if facts["to"] in {"hf", "croissant"} else ""
    counts = ", ".join(f"{count} {origin}" for origin, count in facts["images"].items())
    splits = ", ".join(f"{count} {split}" for split, count in facts["splits"].items())
    classes = ", ".join(f"`{name}` {count}" for name, count in facts["classes"].items())
    labels = ", ".join(f"{number} `{name}`" for name, number in facts["labels"].items()) or "no masks"
    size = " x ".join(map(str, facts["shape"]))
    unknown = facts["ancestry"]["unknown"]
    seen = f"the pixels of {facts['ancestry']['pixels']} patients"
    ancestry = f"not known ({unknown[0]})" if unknown else seen
    return (
        f"{header}# {facts['name']}\n\n**{' '.join(facts['notices'])}**\n\n"
        f"- Images: {counts}, of {size} (channels, rows, columns), 8 bits.\n"
        f"- Splits: {splits}.\n- Classes: {classes}.\n- Labels: {labels}.\n"
        f"- Patients behind them, through every ancestor: {ancestry}.\n"
        f"- Audit for copies of patients: {facts['release']}.\n"
        f"- Licence: {facts['licence']}.\n- Made by: {facts['made_by']}.\n\n"
        f"{HOW[facts['to']]}\n\n"
        "`provenance.csv` has a row for each image: its files, its generator's digest, its seed and truncation, its "
        "class and split. `SHA256SUMS` holds the digest of every file (`sha256sum --check SHA256SUMS`).\n"
    )


def _card(images: ExportSet) -> str:
    present = [split for split in ("train", "val", "test") if split in images.splits]
    names = {"val": "validation"}
    lines = [f"  - split: {names.get(split, split)}\n    path: data/{split}-*.parquet\n" for split in present]
    return f"---\nconfigs:\n- config_name: default\n  data_files:\n{''.join(lines)}---\n\n"
