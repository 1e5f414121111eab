"""The seal of the test set: until it is opened for a configuration, scores are of development folds.

A log beside the benchmark's results has one line for every opening. A configuration that was changed since is sealed
again: opening it anew adds a line, and the report says how often the test was looked at.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from radgen.errors import ConfigError
from radgen.provenance import write_json


@dataclass(frozen=True)
class Opening:
    """One opening of the test set.

    Attributes
    ----------
    date
        As YYYY-MM-DD.
    config
        Digest of the configuration for which the test was opened.
    reason
        In the words of who opened it.
    """

    date: str
    config: str
    reason: str


def read_openings(path: Path) -> tuple[Opening, ...]:
    """Read the log; none where there is no log.

    Raises
    ------
    ConfigError
        The file is no such log.
    """
    if not path.is_file():
        return ()
    try:
        return tuple(Opening(**row) for row in json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        msg = (
            f"{path}: not a log of openings ({error}); restore it from a copy, for it says how often the test was read"
        )
        raise ConfigError(msg) from error


def open_test(path: Path, opening: Opening) -> tuple[Opening, ...]:
    """Add an opening unless the test is open for this configuration already; return the whole log."""
    before = read_openings(path)
    if is_open(before, opening.config):
        return before
    write_json(path, [asdict(one) for one in (*before, opening)])
    return (*before, opening)


def is_open(openings: tuple[Opening, ...], config: str) -> bool:
    """Tell whether the test was opened for a configuration."""
    return any(one.config == config for one in openings)


def seal_in_words(openings: tuple[Opening, ...], config: str, *, sealed: bool) -> str:
    """Say what the scores rest on, for the report.

    Parameters
    ----------
    openings
        The log.
    config
        Digest of today's configuration.
    sealed
        Whether the study keeps a seal at all.
    """
    count = f"{len(openings)} time{'s' * (len(openings) != 1)}"
    dates = ", ".join(f"{one.date} for configuration {one.config[:12]}" for one in openings)
    if not sealed:
        return "The test set was never sealed in this study: settings may have been chosen on it."
    if is_open(openings, config):
        return f"The test set was opened {count}: {dates}."
    looked = f" It was opened {count} for other configurations: {dates}." if openings else ""
    return (
        "Development scores: cross-validation over patients of train and validation; the test set is sealed. A "
        f"generator may have seen the pixels of these patients, so nothing here is a result of the study.{looked}"
    )
