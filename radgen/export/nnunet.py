"""nnU-Net raw data: `DatasetNNN_Name/{imagesTr,labelsTr,imagesTs,labelsTs}`, dataset.json and splits_final.json.

Cases are two-dimensional NIfTI files, which nnU-Net's SimpleITK reader takes as one slice with its spacing. Train and
val are imagesTr, test is imagesTs, and its masks wait in labelsTs. Folds hold whole patients. A finished folder is
checked by `radgen.export.nnunet_check` before it is put in place.

Source: Isensee et al., Nature Methods 2021, doi 10.1038/s41592-020-01008-z, and nnU-Net's page on its data format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from radgen.errors import ConfigError, InputError
from radgen.export.examples import ExportSet
from radgen.export.folder import write_bytes
from radgen.export.nifti import slice_bytes
from radgen.export.nnunet_check import check_dataset
from radgen.export.placed import Options, Placed
from radgen.export.splits import cross_validation
from radgen.provenance import write_json

ENDING = ".nii.gz"


def write(images: ExportSet, out: Path, options: Options) -> Iterator[Placed]:
    """Write the data set; yield where each image went.

    Raises
    ------
    InputError
        There are no masks, or no structure but the background, or no training case.
    ConfigError
        The number is not one of nnU-Net's.
    """
    folder = out / dataset_name(options)
    if not images.has_masks or len(images.labels) < 2:
        msg = (
            f"{images.index.parent}: no masks, but nnU-Net learns masks; export an image set with masks "
            "(pairs), or choose another format"
        )
        raise InputError(msg)
    for name in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (folder / name).mkdir(parents=True)
    cases: list[tuple[str, str, str]] = []
    for example in images:
        part = "Ts" if example.split == "test" else "Tr"
        files = [f"images{part}/{example.stem}_{channel:04d}{ENDING}" for channel in range(images.channels)]
        for name, plane in zip(files, example.image, strict=True):
            write_bytes(folder / name, slice_bytes(example, plane, axes=2))
        mask = f"labels{part}/{example.stem}{ENDING}"
        if example.mask is not None:
            write_bytes(folder / mask, slice_bytes(example, example.mask, axes=2))
        if part == "Tr":
            cases.append((example.stem, example.group, example.split))
        yield Placed(example.image_id, f"{folder.name}/{files[0]}", f"{folder.name}/{mask}")
    if not cases:
        msg = f"{images.index.parent}: all images are of split test, so none is left to train on; change --shares"
        raise InputError(msg)
    write_json(folder / "dataset.json", _facts(images, options, len(cases)))
    write_json(folder / "splits_final.json", cross_validation(*map(list, zip(*cases, strict=True))))
    check_dataset(folder, {case: group for case, group, _ in cases})


def dataset_name(options: Options) -> str:
    """Return DatasetNNN_Name.

    >>> dataset_name(Options("liver-pairs", 7))
    'Dataset007_liver_pairs'
    """
    if not 1 <= options.number <= 999:
        msg = f"--number {options.number}: nnU-Net numbers data sets from 1 to 999"
        raise ConfigError(msg)
    return f"Dataset{options.number:03d}_{re.sub('[^A-Za-z0-9]+', '_', options.name)}"


def _facts(images: ExportSet, options: Options, training: int) -> dict[str, object]:
    # Not "CT": nnU-Net would take windowed greys for HU and normalise them so.
    names = ["grey"] if images.channels == 1 else [f"channel_{number}" for number in range(images.channels)]
    return {
        "name": options.name,
        "description": " ".join(origin.notice for origin in images.origins),
        "licence": options.licence,
        "channel_names": {str(number): name for number, name in enumerate(names)},
        "labels": {label.name: label.id for label in images.labels},
        "numTraining": training,
        "file_ending": ENDING,
        "overwrite_image_reader_writer": "SimpleITKIO",
    }
