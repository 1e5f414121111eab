"""The audit's closest pairs: in the internal edition alone, the closest first, and said where they are dropped."""

from __future__ import annotations

import pandas as pd
from conftest import Made
from report_study import DROPPED, SOURCE

from radgen.report.album import in_edition, read_list


def test_the_images_most_like_a_copy_are_shown_closest_first(made: Made) -> None:
    shown = pd.read_csv(made.figures / f"audit_samples_{SOURCE}.csv")
    assert shown["image_id"].iloc[0] == DROPPED
    assert shown["closeness"].is_monotonic_increasing
    assert f"Most like a copy: samples of {SOURCE}" in made.page
    assert "Dropped for it: 1." in made.page


def test_no_shareable_edition_shows_them(made: Made) -> None:
    pictures, _ = read_list(made.figures / "figures.json")
    assert {one.name for one in pictures} >= {f"audit_{part}_{SOURCE}" for part in ("samples", "pairs")}
    assert not [one for one in in_edition(pictures, shareable=True) if one.name.startswith("audit_")]
    assert "Most like a copy" not in (made.share / "index.html").read_text()
