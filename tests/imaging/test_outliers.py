from typing import Any

import numpy as np

from radgen.imaging.outliers import LISTED, RemovedTissue


def rows(series: str, shares: list[float | None]) -> list[dict[str, Any]]:
    return [
        {"series": series, "slice_index": index, "removed_tissue_fraction": share} for index, share in enumerate(shares)
    ]


def test_a_slice_that_lost_far_more_than_the_others_is_listed() -> None:
    lost = RemovedTissue()
    lost.add(rows("a", np.linspace(0.01, 0.05, 40).tolist()))
    lost.add(rows("b", [0.02, 0.6, None, 0.08]))
    notes = lost.notes()
    assert notes["beyond"] == 1
    assert notes["outliers"] == [{"series": "b", "slice_index": 1, "removed_tissue_fraction": 0.6}]
    assert 0.02 < notes["median"] < 0.04
    assert 0.1 <= notes["limit"] < 0.2


def test_small_shares_are_never_outliers_and_the_list_is_bounded() -> None:
    lost = RemovedTissue()
    lost.add(rows("a", [0.001] * 30 + [0.05]))
    assert lost.notes()["beyond"] == 0
    many = RemovedTissue()
    many.add(rows("a", [0.001] * 1000 + [0.5] * 100))
    assert many.notes()["beyond"] == 100
    assert len(many.notes()["outliers"]) == LISTED
    assert RemovedTissue().notes()["outliers"] == []
