"""TDID, also called DDTI: ultrasound of the thyroid, one XML file a case, with outlines and the TI-RADS category.

::

    12.xml                 <tirads>4a</tirads>, and a <mark> for each picture that is outlined (see `cohort.outlines`)
    12_1.jpg, 12_2.jpg     pictures of the case

A case is one patient. A picture's class is US/thyroid/tirads-4a; cases without a category have no class. The outlined
region is the structure nodule. A picture that its case has no outline for has no mask. Cite Pedraza et al., An open
access thyroid ultrasound image database, SIPAIM 2015; terms are on the page of the CIM@LAB group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import FileFacts
from radgen.cohort.layouts.side_files import read_bytes
from radgen.cohort.outlines import KIND, MAX_BYTES, OutlinedCase, parse_case, picture_number
from radgen.cohort.refusal import RefusalError
from radgen.errors import InputError

PICTURE = re.compile(r"(.+)_\d+\.jpe?g", re.IGNORECASE)
TIRADS = re.compile(r"[1-6][a-c]?")


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Describe pictures and the files that outline them; a damaged XML file costs its case class and masks."""
    cases: dict[str, OutlinedCase] = {}
    found: dict[str, FileFacts] = {}
    for path in (path for path in paths if path.lower().endswith(".xml")):
        name = path.removesuffix(PurePosixPath(path).suffix)
        try:
            cases[name] = parse_case(read_bytes(root, path, MAX_BYTES))
        except RefusalError as refusal:
            found[path] = FileFacts(problem=refusal.sentence)
        except InputError as error:
            found[path] = FileFacts(problem=str(error))
        else:
            found[path] = FileFacts(role="mask", case=name, mask_kind=KIND, label="nodule")
    for path in paths:
        picture = PICTURE.fullmatch(PurePosixPath(path).name)
        if picture is not None:
            name = str(PurePosixPath(path).parent / picture[1])
            found[path] = _picture(path, name, picture[1], cases.get(name, OutlinedCase()))
    return found


def _picture(path: str, name: str, patient: str, case: OutlinedCase) -> FileFacts:
    known = TIRADS.fullmatch(case.tirads) is not None
    return FileFacts(
        patient=patient,
        class_value=f"US/thyroid/tirads-{case.tirads}" if known else "",
        modality="US",
        anatomy="thyroid",
        case=name if picture_number(path) in case.outlines else "",
    )
