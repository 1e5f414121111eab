"""The page on archives explains every reason, on the right side of the limit."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.refusal import SET_ASIDE, Reason

PAGE = Path(__file__).resolve().parents[2] / "docs" / "archives.md"


def test_every_reason_is_explained_where_it_counts() -> None:
    refused, _, aside = PAGE.read_text().partition("Set aside, not counted:")
    for reason in Reason:
        assert f"`{reason}`" in (aside if reason in SET_ASIDE else refused), reason
