"""Every setting holds for the patients it allows and is refused for each that it forbids."""

from __future__ import annotations

import pytest

from radgen.benchmark.ancestry import Study, allowed_patients, check_ancestry
from radgen.benchmark.settings import SETTINGS
from radgen.errors import AncestryError
from radgen.provenance import ASPECTS, SawPatients

SPLITS = {
    split: frozenset(f"{split}{number}" for number in range(count))
    for split, count in {"train": 20, "val": 6, "test": 5, "annotator": 4, "generator": 8}.items()
}
LOW = frozenset({"train0", "train1", "val0"})
STUDY = Study(by_split=SPLITS, low=LOW, free_labels=False)
POSITION_STUDY = Study(by_split=SPLITS, low=LOW, free_labels=True)


def saw(**aspects: set[str]) -> SawPatients:
    def split_of(patient: str) -> str:
        return patient.rstrip("0123456789")

    return SawPatients(
        **{
            aspect: {split_of(name): frozenset(n for n in names if split_of(n) == split_of(name)) for name in names}
            for aspect, names in aspects.items()
        }
    )


HOLDS = [
    ("external", {"pixels": {"elsewhere1"}, "labels": {"elsewhere1"}}),
    ("disjoint", {"pixels": {"generator1"}, "labels": {"generator2"}, "masks": {"annotator0"}}),
    ("scarce-labels", {"pixels": {"train19", "val5", "annotator0"}, "labels": {"train0"}, "masks": {"annotator1"}}),
    ("scarce", {"pixels": {"train1", "val0", "annotator1"}, "labels": {"train0"}, "masks": {"train0", "annotator3"}}),
    ("shared", {"pixels": {"train19"}, "labels": {"train19", "val5"}, "masks": {"train19", "annotator0"}}),
]


@pytest.mark.parametrize(("setting", "aspects"), HOLDS)
def test_setting_holds_for_what_it_allows(setting: str, aspects: dict[str, set[str]]) -> None:
    check_ancestry("arm", setting, saw(**aspects), STUDY)


# setting, aspect, offender, the split that the message must name
BROKEN = [
    ("external", "pixels", "train0", "train"),
    ("external", "labels", "generator1", "generator"),
    ("external", "masks", "annotator1", "annotator"),
    ("disjoint", "pixels", "train0", "train"),
    ("disjoint", "pixels", "val0", "val"),
    ("disjoint", "labels", "train19", "train beyond the low fraction"),
    ("disjoint", "pixels", "elsewhere1", "outside the study"),
    ("scarce-labels", "pixels", "generator0", "generator"),
    ("scarce-labels", "labels", "train19", "train beyond the low fraction"),
    ("scarce-labels", "masks", "train19", "train beyond the low fraction"),
    ("scarce-labels", "labels", "val5", "val beyond the low fraction"),
    ("scarce", "pixels", "train19", "train beyond the low fraction"),
    ("scarce", "pixels", "val5", "val beyond the low fraction"),
    ("scarce", "labels", "train19", "train beyond the low fraction"),
    ("scarce", "masks", "train19", "train beyond the low fraction"),
    ("shared", "pixels", "generator0", "generator"),
    *[(setting, aspect, "test0", "test") for setting in SETTINGS for aspect in ASPECTS],
]


@pytest.mark.parametrize(("setting", "aspect", "offender", "split"), BROKEN)
def test_setting_is_refused_for_what_it_forbids(setting: str, aspect: str, offender: str, split: str) -> None:
    good = dict(HOLDS)[setting]
    check_ancestry("low_plus", setting, saw(**good), STUDY)
    bad = good | {aspect: good.get(aspect, set()) | {offender}}
    with pytest.raises(AncestryError, match=rf"arm low_plus: .*{setting}.*{aspect} of 1 .*\(1 of {split}\)") as error:
        check_ancestry("low_plus", setting, saw(**bad), STUDY)
    assert offender not in str(error.value)


def test_message_counts_offenders_by_split() -> None:
    with pytest.raises(AncestryError, match=r"pixels of 3 forbidden patients \(2 of test, 1 of val\)"):
        check_ancestry("a", "disjoint", saw(pixels={"test1", "test2", "val0"}), STUDY)


def test_classes_by_position_need_no_label() -> None:
    labels = saw(pixels={"train19"}, labels={"train19", "val5"})
    check_ancestry("a", "scarce-labels", labels, POSITION_STUDY)
    with pytest.raises(AncestryError, match="labels of 2"):
        check_ancestry("a", "scarce-labels", labels, STUDY)
    with pytest.raises(AncestryError, match="labels of 1"):
        check_ancestry("a", "scarce", saw(labels={"train19"}), POSITION_STUDY)
    with pytest.raises(AncestryError, match="masks of 1"):
        check_ancestry("a", "scarce-labels", saw(masks={"train19"}), POSITION_STUDY)


@pytest.mark.parametrize("setting", SETTINGS)
def test_unknown_ancestors_cannot_be_vouched_for(setting: str) -> None:
    unknown = SawPatients(unknown=frozenset({"published checkpoint"}))
    with pytest.raises(AncestryError, match=f"{setting} cannot be shown.*published checkpoint.*declare"):
        check_ancestry("a", setting, unknown, STUDY)


def test_settings_are_ordered_by_strictness() -> None:
    for aspect in ASPECTS:
        scarce, labels, shared = (
            allowed_patients(name, aspect, STUDY) for name in ("scarce", "scarce-labels", "shared")
        )
        assert scarce <= labels <= shared
        assert not shared & SPLITS["test"]
