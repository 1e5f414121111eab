"""The self-supervised loss is zero where nothing is wrong, and punishes collapse, redundancy and disagreement."""

from __future__ import annotations

import pytest
import torch

from radgen.features.objectives import GRADES, INVARIANCE, VARIANCE, Expander, graded_views, vicreg


def _independent(count: int = 4096, columns: int = 4) -> torch.Tensor:
    return 3 * torch.randn(count, columns, generator=torch.Generator().manual_seed(0))


def test_equal_views_of_independent_spread_directions_cost_nothing() -> None:
    assert float(vicreg(_independent(), _independent())) < 0.2


def test_collapse_costs_the_whole_variance_term() -> None:
    still = torch.ones(64, 4)
    assert float(vicreg(still, still)) == pytest.approx(VARIANCE * 0.99, rel=1e-3)


def test_disagreement_costs_its_square() -> None:
    values = _independent()
    assert float(vicreg(values, values + 2) - vicreg(values, values)) == pytest.approx(INVARIANCE * 4, rel=1e-3)


def test_saying_the_same_twice_costs_more_than_saying_two_things() -> None:
    values = _independent()
    twice = torch.cat([values[:, :2], values[:, :2]], dim=1)
    assert float(vicreg(twice, twice)) > float(vicreg(values, values)) + 1


def test_only_differences_of_grades_count() -> None:
    torch.manual_seed(0)
    expander = Expander(4)
    features, grades = _independent(64), torch.rand(64, 3)
    loss = graded_views(features, grades, expander).detach()
    torch.testing.assert_close(graded_views(features, grades + 0.7, expander).detach(), loss)
    worse = graded_views(features, grades * torch.tensor([3.0, 1, 1]), expander).detach()
    assert GRADES > 0
    assert float((worse - loss).abs()) > 0.01
