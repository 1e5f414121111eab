"""Laws of the splits: nobody is in two, nobody moves when others come, and what a file says is obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.cohort.fractions import low_patients
from radgen.cohort.groups import read_groups
from radgen.cohort.limit import spread_patients
from radgen.cohort.refusal import Reason
from radgen.cohort.settings import CohortSettings
from radgen.cohort.splits import coin_split, deal_late, rank_splits, split_series, write_ranking
from radgen.errors import CohortError

PATIENTS = st.sets(st.text("0123456789abcdef", min_size=4, max_size=4), min_size=1, max_size=60)
SHARES = st.sampled_from([(0.15, 0.25, 0.0), (0.1, 0.1, 0.1), (0.3, 0.3, 0.3), (0.0, 0.5, 0.0)])


def made(shares: tuple[float, float, float], **more: Any) -> CohortSettings:
    return CohortSettings(val=shares[0], test=shares[1], annotator=shares[2], **more)


def rows(*patients: str, row_number: int | None = None, archive: str = "") -> list[dict[str, Any]]:
    return [
        {
            "patient_key": name,
            "study_key": f"t{n}",
            "series_key": f"s{n}",
            "row_number": row_number,
            "archive": archive,
            "file_ids": [f"f{n}"],
        }
        for n, name in enumerate(patients)
    ]


def files_of(series: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        row["file_ids"][0]: {
            "path": f"a/{row['file_ids'][0]}.nii",
            "patient": f"raw {row['patient_key']}",
            "study": None,
        }
        | {"series": None}
        for row in series
    }


def split(
    series: list[dict[str, Any]],
    cohort: CohortSettings,
    tmp_path: Path,
    split_file: Path | None = None,
    group_table: Path | None = None,
    classes: list[str] | None = None,
) -> list[Any]:
    classes = classes or ["a"] * len(series)
    ranking = tmp_path / "split.csv"
    more = {"split_file": split_file, "group_table": group_table, "files": files_of(series), "ranking": ranking}
    answers, _, ranks = split_series(series, classes, cohort, **more)
    if ranks:
        write_ranking(ranking, ranks, cohort)
    return answers


# ---------------------------------------------------------------- by hash


@settings(max_examples=50, deadline=None)
@given(PATIENTS, PATIENTS, SHARES)
def test_adding_patients_moves_nobody(old: set[str], new: set[str], shares: tuple[float, float, float]) -> None:
    cohort = made(shares)
    before = {patient: coin_split(patient, cohort) for patient in old}
    after = {patient: coin_split(patient, cohort) for patient in old | new}
    assert before.items() <= after.items()


def test_shares_are_met_on_average_and_seeds_differ() -> None:
    cohort = made((0.15, 0.25, 0.1))
    dealt = [coin_split(str(number), cohort) for number in range(4000)]
    for name, share in (("train", 0.5), ("val", 0.15), ("test", 0.25), ("annotator", 0.1)):
        assert dealt.count(name) / 4000 == pytest.approx(share, abs=0.025)
    assert dealt != [coin_split(str(number), made((0.15, 0.25, 0.1), seed=1)) for number in range(4000)]


def test_an_annotator_takes_patients_from_train_alone() -> None:
    without, beside = made((0.15, 0.25, 0.0)), made((0.15, 0.25, 0.2))
    for number in range(500):
        before, after = coin_split(str(number), without), coin_split(str(number), beside)
        assert after == before or (before, after) == ("train", "annotator")


# ---------------------------------------------------------------- by exact ranks


@settings(max_examples=50, deadline=None)
@given(PATIENTS, SHARES)
def test_exact_shares_hold_in_each_stratum(patients: set[str], shares: tuple[float, float, float]) -> None:
    strata = {patient: patient[0] for patient in patients}
    dealt = rank_splits(strata, made(shares))
    assert set(dealt) == patients
    for stratum in set(strata.values()):
        members = [dealt[patient] for patient in patients if strata[patient] == stratum]
        for name, share in zip(("val", "test", "annotator"), shares, strict=True):
            assert abs(members.count(name) - share * len(members)) <= 1


def test_the_ranking_is_kept_and_obeyed_when_patients_come(tmp_path: Path) -> None:
    cohort = made((0.25, 0.25, 0.0), exact=True)
    names = [f"{number:04d}" for number in range(20)]
    before = dict(zip(names, split(rows(*names), cohort, tmp_path), strict=True))
    assert sorted(before.values()) == ["test"] * 5 + ["train"] * 10 + ["val"] * 5
    more = [*names, "n1", "n2", "n3"]
    after = dict(zip(more, split(rows(*more), cohort, tmp_path), strict=True))
    assert before.items() <= after.items()
    assert {after["n1"], after["n2"], after["n3"]} <= {"train", "val", "test"}
    again = dict(zip(names[:4], split(rows(*names[:4]), cohort, tmp_path), strict=True))
    assert again.items() <= before.items()


def test_a_ranking_of_other_shares_is_not_used_silently(tmp_path: Path) -> None:
    split(rows("a", "b"), made((0.25, 0.25, 0.0), exact=True), tmp_path)
    with pytest.raises(
        CohortError, match=r"split\.csv: was ranked with 'seed 0 val 0\.25 .* config says 'seed 0 val 0\.1"
    ):
        split(rows("a", "b"), made((0.1, 0.25, 0.0), exact=True), tmp_path)


@settings(max_examples=60, deadline=None)
@given(PATIENTS, PATIENTS, SHARES)
def test_patients_who_come_late_are_dealt_to_what_their_stratum_lacks(
    old: set[str], new: set[str], shares: tuple[float, float, float]
) -> None:
    cohort = made(shares)
    strata = {patient: patient[0] for patient in old | new}
    first = rank_splits({patient: strata[patient] for patient in old}, cohort)
    late = deal_late(strata, first, cohort)
    assert set(late) == new - old
    dealt = first | late
    for stratum in set(strata.values()):
        members = [dealt[patient] for patient in old | new if strata[patient] == stratum]
        for name, share in zip(("val", "test", "annotator"), shares, strict=True):
            assert abs(members.count(name) - share * len(members)) < 1.5
            assert share > 0 or name not in members


# ---------------------------------------------------------------- groups of patients


def table_of(tmp_path: Path, groups: Mapping[str, str]) -> Path:
    text = "patient,group\n" + "".join(f"{patient},{group}\n" for patient, group in groups.items())
    (tmp_path / "groups.csv").write_text(text)
    return tmp_path / "groups.csv"


@pytest.mark.parametrize("exact", [False, True])
def test_groups_never_split_and_nobody_moves_when_patients_come(tmp_path: Path, *, exact: bool) -> None:
    cohort = made((0.25, 0.25, 0.1), exact=exact)
    names = [f"{number:04d}" for number in range(60)]
    families = {name: f"family {number // 3}" for number, name in enumerate(names) if number < 45}
    table = table_of(tmp_path, families)

    def dealt(who: list[str]) -> dict[str, str]:
        classes = ["ab"[int(name) % 2] for name in who]
        return dict(zip(who, split(rows(*who), cohort, tmp_path, group_table=table, classes=classes), strict=True))

    before, after = dealt(names[:40]), dealt(names)  # one of the third family's three comes late, and whole families
    assert before.items() <= after.items()
    for family in set(families.values()):
        assert len({after[name] for name in names if families.get(name) == family}) == 1
    assert len(set(after.values())) == 4


def test_a_patient_of_two_groups_makes_them_one(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("file,group\nf0.nii,a\nf1.nii,b\nf2.nii,b\nf3.nii,\nf4.nii,\n")
    series = rows("one", "two", "one", "three", "four")
    for row, file in zip(series, ("f0", "f1", "f2", "f3", "f4"), strict=True):
        row["file_ids"] = [file]
    groups, notes = read_groups(series, tmp_path / "groups.csv", files_of(series))
    assert groups == {"one": "group a", "two": "group a", "three": "three", "four": "four"}
    assert notes["group_table"] == {
        "rows": 5,
        "rows_without_series": 0,
        "groups": 1,
        "patients_without_group": 2,
    }


def test_without_a_group_table_a_patient_is_dealt_as_ever(tmp_path: Path) -> None:
    cohort, names = CohortSettings(), [f"p{number}" for number in range(30)]
    assert split(rows(*names), cohort, tmp_path) == [coin_split(name, cohort) for name in names]


def test_a_split_file_that_parts_a_group_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "given.csv").write_text("patient,split\n7ab5,test\n8cd6,train\n")
    table = table_of(tmp_path, {"7ab5": "x", "8cd6": "x"})
    with pytest.raises(CohortError, match="patients 7ab5 and 8cd6 are of one group, but in splits test and"):
        split(rows("7ab5", "8cd6"), CohortSettings(), tmp_path, tmp_path / "given.csv", table)


def test_a_ranking_that_parts_a_group_is_an_error(tmp_path: Path) -> None:
    cohort, names = made((0.25, 0.25, 0.0), exact=True), [f"{number:04d}" for number in range(12)]
    split(rows(*names), cohort, tmp_path)
    table = table_of(tmp_path, dict.fromkeys(names, "all"))
    with pytest.raises(CohortError, match="are of one group, but in splits"):
        split(rows(*names), cohort, tmp_path, group_table=table)


def test_a_group_table_without_its_columns_says_so(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("who,group\na,b\n")
    with pytest.raises(CohortError, match="columns are who, group; give group and one of patient, study, series, file"):
        split(rows("a"), CohortSettings(), tmp_path, group_table=tmp_path / "groups.csv")


# ---------------------------------------------------------------- by file


@pytest.mark.parametrize(
    "text",
    [
        "patient,split\nraw one,test\nraw two,train\nraw nine,val\n",
        "patient,split\none,test\ntwo,train\nnine,val\n",
        "file,split\nf0.nii,test\na/f1.nii,train\nf9.nii,val\n",
        "series,split\ns0,test\ns1,train\ns9,val\n",
    ],
)
def test_a_split_file_is_obeyed_by_raw_or_hashed_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "given.csv").write_text(text)
    series = rows("one", "two", "three")
    answers, notes, ranks = split_series(
        series,
        [None] * 3,
        CohortSettings(exact=True),
        split_file=tmp_path / "given.csv",
        files=files_of(series),
        ranking=tmp_path / "split.csv",
    )
    assert answers[:2] == ["test", "train"]
    assert answers[2][0] == Reason.NO_SPLIT
    assert notes["split_file"] == {"rows": 3, "rows_without_series": 1, "series_without_row": 1}
    assert ranks == {}


def test_one_patient_in_two_splits_of_a_file_is_named_by_hash(tmp_path: Path) -> None:
    (tmp_path / "given.csv").write_text("file,split\nf0.nii,test\nf1.nii,train\n")
    with pytest.raises(CohortError, match="patient 7ab5 is in splits test and train; put all series"):
        split(rows("7ab5", "7ab5"), CohortSettings(), tmp_path, tmp_path / "given.csv")


def test_the_ranking_may_be_given_back_as_a_split_file(tmp_path: Path) -> None:
    series = rows(*[f"p{n}" for n in range(12)])
    first = split(series, CohortSettings(exact=True), tmp_path)
    assert split(series, CohortSettings(), tmp_path, tmp_path / "split.csv") == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patient,split\nraw one,holdout\n", "'holdout' is not a split; splits are train, val, test"),
        ("who,split\nraw one,train\n", "columns are who, split; give split and one of patient"),
    ],
)
def test_a_bad_split_file_says_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "given.csv").write_text(text)
    with pytest.raises(CohortError, match=words):
        split(rows("one"), CohortSettings(), tmp_path, tmp_path / "given.csv")


# ---------------------------------------------------------------- by rows


def test_row_ranges_have_guards_between_them(tmp_path: Path) -> None:
    cohort = CohortSettings(ranges={"generator": (0, 100), "train": (120, 200), "test": (220, 300)})
    answers = [split(rows("p", row_number=row), cohort, tmp_path)[0] for row in (0, 99, 120, 299)]
    assert answers == ["generator", "generator", "train", "test"]
    for row in (100, 119, 200, 300):
        assert split(rows("p", row_number=row), cohort, tmp_path)[0][0] == Reason.GUARD
    assert split(rows("p"), cohort, tmp_path)[0][0] == Reason.NO_SPLIT


def test_archives_without_row_numbers_are_dealt_by_shares_beside_ranges(tmp_path: Path) -> None:
    cohort = CohortSettings(ranges={"train": (0, 100), "test": (120, 200)})
    numbered = rows("rows 0", row_number=5, archive="patches") + rows("rows 1", row_number=130, archive="patches")
    others = rows(*(f"p{n}" for n in range(200)), archive="volumes")
    answers = split([*numbered, *others], cohort, tmp_path)
    assert answers[:2] == ["train", "test"]
    assert answers[2:] == split(others, CohortSettings(), tmp_path)
    assert {"train", "val", "test"} == set(answers[2:])
    stray = rows("rows 2", archive="patches")
    assert split([*numbered, *stray], cohort, tmp_path)[-1][0] == Reason.NO_SPLIT


def test_a_patient_across_two_ranges_is_an_error(tmp_path: Path) -> None:
    cohort = CohortSettings(ranges={"train": (0, 10), "test": (10, 20)})
    series = rows("7ab5", row_number=9) + rows("7ab5", row_number=10)
    with pytest.raises(CohortError, match=r"patient 7ab5 is in splits test and train.*widen the guard"):
        split(series, cohort, tmp_path)


# ---------------------------------------------------------------- subsets


@settings(max_examples=50, deadline=None)
@given(PATIENTS, st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 5))
def test_small_fractions_are_parts_of_large_ones(patients: set[str], one: float, two: float, seed: int) -> None:
    small, large = sorted((one, two))
    assert low_patients(patients, small, seed) <= low_patients(patients, large, seed) <= patients
    assert len(low_patients(patients, small, seed)) == max(1, round(small * len(patients)))


@settings(max_examples=50, deadline=None)
@given(PATIENTS, st.integers(1, 20))
def test_a_limit_spreads_over_splits_and_kinds_and_grows_nested(patients: set[str], count: int) -> None:
    strata = {patient: (("train", "val", "test")[int(patient[0], 16) % 3], patient[1]) for patient in patients}
    chosen = spread_patients(strata, count)
    assert len(chosen) == min(count, len(patients))
    assert chosen <= spread_patients(strata, count + 1)
    present = set(strata.values())
    assert len({strata[patient] for patient in chosen}) == min(count, len(present))


def test_given_splits_are_obeyed_and_the_annotator_comes_from_train(tmp_path: Path) -> None:
    rows = [
        {"patient_key": f"p{number}", "given_split": ("train", "val", "test", "")[number % 4]} for number in range(400)
    ]
    shares = CohortSettings(given_splits=True, annotator=0.3)
    answers, _, _ = split_series(rows, ["a"] * 400, shares, split_file=None, files={}, ranking=tmp_path / "split.csv")
    for row, answer in zip(rows, answers, strict=True):
        if row["given_split"] == "train":
            assert answer in {"train", "annotator"}
        elif row["given_split"]:
            assert answer == row["given_split"]
        else:
            assert answer == (Reason.NO_SPLIT, "the archive's layout names no split for the series")
    assert 15 <= answers.count("annotator") <= 45
