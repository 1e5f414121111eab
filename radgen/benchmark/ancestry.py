"""Whether the patients behind a synthetic image set are those its setting allows.

Allowed patients of each aspect, by setting (splits of the task; low = the low fraction of train and of val):

=============  ====================================  ================================  ================================
setting        pixels                                class labels                      masks
=============  ====================================  ================================  ================================
external       no patient of the study               no patient of the study           no patient of the study
disjoint       generator, annotator                  generator, annotator              generator, annotator
scarce-labels  train, val, annotator                 low, annotator                    low, annotator
scarce         low, annotator                        low, annotator                    low, annotator
shared         train, val, annotator                 train, val, annotator             train, val, annotator
=============  ====================================  ================================  ================================

A generator is chosen by its distance to validation images, so validation patients are behind it and are treated as
training patients are: `scarce`, and the labels of `scarce-labels`, allow those of the low fraction only, because only
they lie inside the arm's own label budget. A class that comes from the position of a slice needs no label, so for
classes by position the labels may be of every patient whose pixels may be seen. Test patients are never allowed, and an
ancestor whose patients are unknown cannot be vouched for in any setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radgen.errors import AncestryError
from radgen.provenance import ASPECTS, SawPatients

Patients = frozenset[str]
NOBODY: Patients = frozenset()


@dataclass(frozen=True)
class Study:
    """The patients of a task.

    Attributes
    ----------
    by_split
        Patient keys of train, val, test, annotator and generator; a missing split has none.
    low
        Patient keys of the low fraction of train and of val together.
    free_labels
        Whether class labels come from the position of a slice.
    """

    by_split: Mapping[str, Patients]
    low: Patients
    free_labels: bool

    def of(self, *splits: str) -> Patients:
        """Return the patients of some splits."""
        return NOBODY.union(*(self.by_split.get(split, NOBODY) for split in splits))

    def split_of(self, patient: str) -> str:
        """Return the split of a patient, with the share of train and val that is meant."""
        for split, patients in self.by_split.items():
            if patient in patients:
                rest = split in {"train", "val"} and patient not in self.low
                return f"{split} beyond the low fraction" if rest else split
        return "outside the study"


def allowed_patients(setting: str, aspect: str, study: Study) -> Patients:
    """Return the study's patients whose pixels, labels or masks may be behind a synthetic image set."""
    everyone = study.of("train", "val", "annotator")
    scarce = study.low | study.of("annotator")
    table = {
        "external": (NOBODY, NOBODY, NOBODY),
        "disjoint": (study.of("generator", "annotator"),) * 3,
        "scarce-labels": (everyone, everyone if study.free_labels else scarce, scarce),
        "scarce": (scarce, scarce, scarce),
        "shared": (everyone, everyone, everyone),
    }
    return table[setting][ASPECTS.index(aspect)]


def check_ancestry(arm: str, setting: str, saw: SawPatients, study: Study) -> None:
    """Refuse an arm whose synthetic images rest on patients that its setting forbids.

    Parameters
    ----------
    arm
        Name of the arm, for the message.
    setting
        external, disjoint, scarce-labels, scarce or shared.
    saw
        The ancestry of the synthetic image set.
    study
        The patients of the task.

    Raises
    ------
    AncestryError
        Names arm, setting, aspect, how many patients offend and their split.
    """
    if saw.unknown:
        msg = (
            f"arm {arm}: {setting} cannot be shown, an ancestor's patients are unknown "
            f"({sorted(saw.unknown)[0]}); declare them where it is imported"
        )
        raise AncestryError(msg)
    for aspect in ASPECTS:
        seen = saw.patients(aspect)
        if setting == "external":
            offenders = seen & study.of(*study.by_split)
        else:
            offenders = seen - allowed_patients(setting, aspect, study)
        if offenders:
            raise AncestryError(_message(arm, setting, aspect, offenders, study))


def _message(arm: str, setting: str, aspect: str, offenders: Patients, study: Study) -> str:
    counts: dict[str, int] = {}
    for patient in offenders:
        split = study.split_of(patient)
        counts[split] = counts.get(split, 0) + 1
    told = ", ".join(f"{count} of {split}" for split, count in sorted(counts.items()))
    return (
        f"arm {arm}: setting {setting} is broken, its synthetic images saw the {aspect} of {len(offenders)} forbidden "
        f"patients ({told}); train its source on other patients, or name a setting that is true"
    )
