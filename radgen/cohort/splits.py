"""Which patients train, choose and test: by a stable coin, by exact ranks kept in a file, by a given file, by rows.

The coin is dealt to groups of patients; where no group table is given, every patient is its own group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from radgen.cohort.csv_tables import read_csv, read_pairs
from radgen.cohort.groups import read_groups
from radgen.cohort.labels import RAW_AND_HASHED, matching_keys
from radgen.cohort.refusal import Reason
from radgen.cohort.settings import SPLITS, CohortSettings
from radgen.cohort.table_rows import Rows
from radgen.errors import CohortError
from radgen.provenance import write_text
from radgen.seeds import stable_unit

Row = Mapping[str, Any]
# A series' split, or the reason why it has none.
Answer = str | tuple[Reason, str]


def coin_split(group: str, settings: CohortSettings) -> str:
    """Return a group's split by the hash of its name alone: adding others moves nobody.

    >>> coin_split("patient", CohortSettings()) in ("train", "val", "test")
    True
    """
    unit = stable_unit("split", settings.seed, group)
    for split, end in _thresholds(settings):
        if unit < end:
            return split
    return "train"


def rank_splits(strata: Mapping[str, str], settings: CohortSettings) -> dict[str, str]:
    """Split groups in exact shares within each stratum, by the rank of their hashes.

    Parameters
    ----------
    strata
        Group (usually a patient's key) to stratum, usually its class.
    settings
        Shares and seed.
    """
    splits = {}
    for members in _by_stratum(strata, settings):
        ends = [(split, round(end * len(members))) for split, end in _thresholds(settings)]
        for rank, group in enumerate(members):
            splits[group] = next((split for split, end in ends if rank < end), "train")
    return splits


def deal_late(strata: Mapping[str, str], dealt: Mapping[str, str], settings: CohortSettings) -> dict[str, str]:
    """Split the groups that came after the ranking: each goes where its stratum lacks most.

    Parameters
    ----------
    strata
        All groups, old and new, to stratum.
    dealt
        The splits of the old ones, which stay.
    settings
        Shares and seed.

    Returns
    -------
    dict
        Splits of the new groups.
    """
    shares = {"test": settings.test, "val": settings.val, "annotator": settings.annotator}
    shares = {split: share for split, share in shares.items() if share} | {"train": 1 - sum(shares.values())}
    late = {}
    for members in _by_stratum(strata, settings):
        held = dict.fromkeys(shares, 0) | Counter(dealt[group] for group in members if group in dealt)
        for group in members:
            if group in dealt:
                continue
            total = sum(held.values()) + 1
            late[group] = max(shares, key=lambda split: shares[split] * total - held[split])
            held[late[group]] += 1
    return late


def _by_stratum(strata: Mapping[str, str], settings: CohortSettings) -> list[list[str]]:
    """List the groups of each stratum by the rank of their hashes."""
    ranked = sorted(strata, key=lambda group: (stable_unit("split", settings.seed, group), group))
    return [[group for group in ranked if strata[group] == stratum] for stratum in sorted(set(strata.values()))]


def _thresholds(settings: CohortSettings) -> list[tuple[str, float]]:
    """List the splits other than train with the unit interval's point where each ends.

    Test comes first and annotator last, so that asking for an annotator takes patients from train and from nobody else.
    """
    test, val = settings.test, settings.test + settings.val
    return [("test", test), ("val", val), ("annotator", val + settings.annotator)]


def split_series(
    rows: Rows,
    classes: Sequence[str | None],
    settings: CohortSettings,
    *,
    split_file: Path | None,
    group_table: Path | None = None,
    files: Mapping[str, Row],
    ranking: Path,
) -> tuple[list[Answer], dict[str, Any], dict[str, str]]:
    """Find the split of every series.

    Parameters
    ----------
    rows
        Rows of the inventory.
    classes
        Class of each series, None when decided by slice.
    settings
        Shares, seed, ranges.
    split_file
        A CSV with columns patient or file, and split: it is obeyed before anything else.
    group_table
        A CSV with columns patient or file, and group: patients of one group are given one split.
    files
        Rows of the private table by file id.
    ranking
        Where exact ranks are kept; read if it is there.

    Returns
    -------
    answers, notes, ranks
        For each series its split or why it has none; what the manifest should tell; with exact shares, the split of
        every patient ever ranked, for `write_ranking`.

    Raises
    ------
    CohortError
        A patient, or a group of patients, would be in two splits; hashed keys and both splits are named.
    """
    groups, notes = read_groups(rows, group_table, files)
    ranks: dict[str, str] = {}
    if split_file is not None:
        answers, notes["split_file"] = _from_file(rows, split_file, files)
    elif settings.given_splits:
        answers = [_from_layout(row["given_split"], groups[row["patient_key"]], settings) for row in rows]
    elif settings.ranges:
        answers = _by_ranges(rows, groups, settings)
    else:
        ranks = _ranked(rows, classes, groups, settings, ranking) if settings.exact else {}
        coins = {patient: ranks.get(patient) or coin_split(groups[patient], settings) for patient in groups}
        answers = [coins[row["patient_key"]] for row in rows]
    check_one_split(zip((row["patient_key"] for row in rows), answers, strict=True))
    _check_groups(zip((row["patient_key"] for row in rows), answers, strict=True), groups)
    return answers, notes, ranks


def write_ranking(ranking: Path, ranks: Mapping[str, str], settings: CohortSettings) -> None:
    """Keep exact splits, so that the next run obeys them."""
    lines = [_shares(settings), "patient,split", *(f"{patient},{split}" for patient, split in sorted(ranks.items()))]
    write_text(ranking, "\n".join(lines) + "\n")


def check_one_split(pairs: Iterable[tuple[str, Answer]]) -> None:
    """Raise CohortError if a patient is in two splits."""
    split_of: dict[str, str] = {}
    for patient, answer in pairs:
        if isinstance(answer, str) and split_of.setdefault(patient, answer) != answer:
            first, second = sorted((split_of[patient], answer))
            msg = (
                f"patient {patient} is in splits {first} and {second}; "
                "put all series of a patient into one split, or widen the guard between row ranges"
            )
            raise CohortError(msg)


def _check_groups(pairs: Iterable[tuple[str, Answer]], groups: Mapping[str, str]) -> None:
    """Raise CohortError if the patients of a group are in two splits."""
    first: dict[str, tuple[str, str]] = {}
    for patient, answer in pairs:
        if not isinstance(answer, str):
            continue
        other, split = first.setdefault(groups[patient], (patient, answer))
        if split != answer:
            msg = (
                f"patients {other} and {patient} are of one group, but in splits {split} and {answer}; "
                "give them one split, or correct the group table"
            )
            raise CohortError(msg)


NO_SPLIT = {
    "layout": (Reason.NO_SPLIT, "the archive's layout names no split for the series"),
    "ranges": (Reason.NO_SPLIT, "the file name holds no row number, and splits are row ranges"),
    "guard": (Reason.GUARD, "the row lies between the ranges of the splits"),
    "file": (Reason.NO_SPLIT, "the split file does not name the series"),
}
"""Why a series has no split, each once for a million of them."""


def _from_layout(split: str, group: str, settings: CohortSettings) -> Answer:
    """Obey the layout; the annotator's share is taken from train, which no layout sets apart."""
    if split == "train" and stable_unit("split", settings.seed, group) < settings.annotator:
        return "annotator"
    return split or NO_SPLIT["layout"]


def _by_ranges(rows: Rows, groups: Mapping[str, str], settings: CohortSettings) -> list[Answer]:
    """Deal numbered archives by ranges of rows, and archives beside them in which nothing has a number by shares."""
    numbered = {row["archive"] for row in rows if row["row_number"] is not None}
    return [
        _from_ranges(row["row_number"], settings)
        if not numbered or row["archive"] in numbered
        else coin_split(groups[row["patient_key"]], settings)
        for row in rows
    ]


def _from_ranges(row: int | None, settings: CohortSettings) -> Answer:
    if row is None:
        return NO_SPLIT["ranges"]
    for split, (start, end) in settings.ranges.items():
        if start <= row < end:
            return split
    return NO_SPLIT["guard"]


def _from_file(rows: Rows, split_file: Path, files: Mapping[str, Row]) -> tuple[list[Answer], dict[str, int]]:
    columns = read_csv(split_file).columns
    key = next((name for name in (*RAW_AND_HASHED, "file") if name in columns), None)
    if key is None or "split" not in columns:
        msg = f"{split_file.name}: columns are {', '.join(columns)}; give split and one of patient, study, series, file"
        raise CohortError(msg)
    split_of = read_pairs(split_file, key, "split")
    unknown = sorted(set(split_of.values()) - set(SPLITS))
    if unknown:
        msg = f"{split_file.name}: {unknown[0]!r} is not a split; splits are {', '.join(SPLITS)}"
        raise CohortError(msg)
    answers: list[Answer] = []
    used: set[str] = set()
    for row in rows:
        keys = matching_keys(row, files, key, split_of)
        used.update(keys)
        check_one_split((row["patient_key"], split_of[name]) for name in keys)
        answers.append(split_of[keys[0]] if keys else NO_SPLIT["file"])
    return answers, {
        "rows": len(split_of),
        "rows_without_series": len(split_of) - len(used),
        "series_without_row": sum(not isinstance(answer, str) for answer in answers),
    }


def _ranked(
    rows: Rows,
    classes: Sequence[str | None],
    groups: Mapping[str, str],
    settings: CohortSettings,
    ranking: Path,
) -> dict[str, str]:
    """Return the exact splits of patients: read from the ranking once it is written; later ones join their group's."""
    strata = _strata((groups[row["patient_key"]] for row in rows), classes)
    known: dict[str, str] = {}
    if ranking.is_file():
        shares, first = _shares(settings), ranking.read_text(encoding="utf-8").partition("\n")[0]
        if first != shares:
            msg = f"{ranking}: was ranked with {first[2:]!r}, the config says {shares[2:]!r}; delete it to rank anew"
            raise CohortError(msg)
        known = read_pairs(ranking, "patient", "split")
        _check_groups(((patient, known[patient]) for patient in sorted(groups.keys() & known)), groups)
        dealt = {groups[patient]: known[patient] for patient in groups.keys() & known}
        dealt |= deal_late(strata, dealt, settings)
    else:
        dealt = rank_splits(strata, settings)
    return known | {patient: dealt[groups[patient]] for patient in groups}


def _shares(settings: CohortSettings) -> str:
    return f"# seed {settings.seed} val {settings.val:g} test {settings.test:g} annotator {settings.annotator:g}"


def _strata(groups: Iterable[str], classes: Sequence[str | None]) -> dict[str, str]:
    """Name each group's stratum: all classes of its series, so that a patient of two classes is a kind of its own."""
    found: dict[str, set[str]] = {}
    for group, name in zip(groups, classes, strict=True):
        found.setdefault(group, set()).add(name or "")
    return {group: "+".join(sorted(names)) for group, names in found.items()}
