"""The joint-label-fusion demonstration of ANTs: T1 MR slabs of the head with their tissues, brains taken out.

`ilist<number>.nii.gz` is a scan and `slist<number>.nii.gz` its labels: 1 fluid, 2 grey matter, 3 white matter, 4 deep
grey matter, made automatically. A scan is no person: several scans are of one, and the set does not say which. Who they
are is given by `group_table`.

Source: github.com/stnava/ANTsTutorial, data/JLF. Licence of the repository: GPL-2; origin of the scans not stated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from radgen.cohort.layouts import FileFacts

FILE = re.compile(r"(?:.*/)?(?P<kind>[is])list(?P<scan>\d+)\.nii(?:\.gz)?")


def describe(root: Path, paths: Sequence[str]) -> Mapping[str, FileFacts]:
    """Say what each file is; a scan is called scan<number>, as patient and as case.

    Parameters
    ----------
    root
        Not looked at: names say everything.
    paths
        Of the archive's files.
    """
    del root
    return {path: _facts(found) for path in paths if (found := FILE.fullmatch(path))}


def _facts(found: re.Match[str]) -> FileFacts:
    scan = f"scan{int(found['scan'])}"
    if found["kind"] == "s":
        return FileFacts(role="mask", patient=scan, case=scan)
    return FileFacts(patient=scan, case=scan, modality="MR", anatomy="BRAIN", class_value="MR/brain")
