"""Public archive layouts as they come: each is one small file with one function, and one line in `LAYOUTS`.

A layout looks at an archive's folder names, file names and tables, never at pixels, and says of each file what those
mean. What it does not mention is set aside. `auto` is no adapter: files are recognised by content and position alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROLES = ("image", "mask")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a layout knows of one file.

    Parameters
    ----------
    role
        image | mask.
    patient
        Who it is, as the layout names people; None where it does not. Two archives may name different people alike:
        the archive's name is put before it.
    class_value
        What the layout calls its class, such as CT/abdomen/normal; `classes.values` may give it another name. Before a
        leading slash the modality is put that the file's header says.
    split
        train | val | test where the layout fixes it, else empty; obeyed if `cohort.given_splits` is set.
    modality, anatomy
        Where the layout knows them better than the file.
    series
        Files with the same name here are one series, whatever their headers say.
    channel
        Which of several images of a case it is, where the layout numbers them; `inventory.channel` chooses.
    case
        Images and masks of one case belong together. Label maps in another archive are named after it (see
        `case_names`).
    mask_of
        For a mask that belongs to one file, such as one slice or one picture: that file's path in the same archive.
    also_of
        Further files that the same mask is for, each of another series on the same grid.
    mask_kind
        How a mask is read where its content does not tell: binary_picture, picture_stack, ... (see `readers`).
    label
        The name of the one structure that a whole mask file shows; empty where the mask holds label numbers.
    problem
        Why the file cannot be used, where the layout is who notices: a sentence without names or paths.
    """

    role: str = "image"
    patient: str | None = None
    class_value: str = ""
    split: str = ""
    modality: str = ""
    anatomy: str = ""
    series: str = ""
    channel: int | None = None
    case: str = ""
    mask_of: str = ""
    also_of: tuple[str, ...] = ()
    mask_kind: str = ""
    label: str = ""
    problem: str = ""


# Root folder of the archive and the paths of its files, relative to it with forward slashes, in order.
Layout = Callable[[Path, Sequence[str]], Mapping[str, FileFacts]]

# Name of a layout to its module in this package.
LAYOUTS: Mapping[str, str | None] = {
    "auto": None,
    "ants_jlf": "ants_jlf",
    "autopet": "autopet",
    "bids": "bids",
    "chaos": "chaos",
    "data_dir": "data_dir",
    "hyperkvasir": "hyperkvasir",
    "mrnet": "mrnet",
    "nnunet": "nnunet",
    "nsclc_radiogenomics": "nsclc_radiogenomics",
    "radimagenet": "radimagenet",
    "synthrad2023": "synthrad2023",
    "tdid": "tdid",
    "totalsegmentator": "totalsegmentator",
}


def module_of(layout: str) -> str | None:
    """Return the full name of a layout's module; None for auto."""
    name = LAYOUTS[layout]
    return None if name is None else f"{__name__}.{name}"


def load_layout(layout: str) -> Layout | None:
    """Import the adapter of a layout alone; None for auto."""
    name = module_of(layout)
    describe: Layout | None = None if name is None else importlib.import_module(name).describe
    return describe
