"""HyperKvasir: endoscopy images in folders tract/category/class, and polyps with masks and boxes.

::

    labeled-images/lower-gi-tract/pathological-findings/polyps/<id>.jpg
    labeled-images/image-labels.csv                     columns Video file,Organ,Finding,Classification
    segmented-images/images/<id>.jpg                    polyps
    segmented-images/masks/<id>.jpg                     white where the polyp is, with JPEG's noise
    segmented-images/bounding-boxes.json                of the masks, not needed

An image's class is ES/tract/class (ES is DICOM's word for endoscopy). The table repeats the folders; where it puts an
image into the folder of another class, the image has none. Nothing names patients. Cite Borgli et al., HyperKvasir,
Scientific Data 2020; licence CC BY 4.0, on the data set's page at datasets.simula.no.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_columns

MODALITY = "ES"
TRACTS = ("lower-gi-tract", "upper-gi-tract")
TABLE = "image-labels.csv"
POLYP = f"{MODALITY}/{TRACTS[0]}/polyps"
PICTURES = (".jpg", ".jpeg", ".png")


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Describe the labelled images, and the segmented ones with their masks.

    Raises
    ------
    InputError
        The table of labels cannot be read or has other columns.
    """
    pictures = [path for path in paths if path.lower().endswith(PICTURES)]
    classes = {PurePosixPath(path).parent.name for path in pictures if _tract(path)}
    finding_of = _findings(root, paths)
    found = {}
    for path in pictures:
        place = PurePosixPath(path)
        tract = _tract(path)
        if tract:
            finding = finding_of.get(place.stem, place.parent.name)
            agreed = finding == place.parent.name or finding not in classes
            value = f"{MODALITY}/{tract}/{place.parent.name}" if agreed else ""
            found[path] = FileFacts(class_value=value, modality=MODALITY, anatomy=tract)
        elif place.parts[-3:-1] == ("segmented-images", "images"):
            found[path] = FileFacts(class_value=POLYP, modality=MODALITY, anatomy=TRACTS[0])
        elif place.parts[-3:-1] == ("segmented-images", "masks"):
            image = str(place.parent.parent / "images" / place.name)
            found[path] = FileFacts(role="mask", mask_of=image, mask_kind="binary_picture", label="polyp")
    return found


def _tract(path: str) -> str:
    """Return the tract of a labelled image, empty for other files."""
    parts = PurePosixPath(path).parts
    return next((part for part in parts[:-3] if part in TRACTS), "")


def _findings(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """Return what the table of labels finds in each image, by the image's name without its ending."""
    tables = [path for path in paths if PurePosixPath(path).name == TABLE]
    rows = [row for path in tables for row in read_columns(root, path, ("video file", "finding"), separators=",;")]
    return {PurePosixPath(name).stem: finding.lower() for name, finding in rows}
