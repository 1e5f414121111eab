"""What a network is taught without labels: two views of one image belong together, and how degraded each is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EXPANDED = 128
# Weights of VICReg's three terms and of the grades. The paper's invariance weighs 25, for class recognition; a judge
# must keep what tells a good image from a poor one: with 5 it saw blur and noise several times better, classes as well.
INVARIANCE, VARIANCE, COVARIANCE, GRADES = 5.0, 25.0, 1.0, 10.0
# Weight of the class labels where a judge may use them: by views alone it did not see the phantom's lesions at all.
CLASSES = 10.0
WANTED_DEVIATION = 1.0
NUMBER_OF_GRADES = 3


class Expander(nn.Module):
    """What lies between features and the self-supervised loss; thrown away after training.

    Parameters
    ----------
    dimension
        Number of features.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dimension, EXPANDED), nn.BatchNorm1d(EXPANDED), nn.ReLU(), nn.Linear(EXPANDED, EXPANDED)
        )
        self.grades = nn.Linear(dimension, NUMBER_OF_GRADES)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Map features [n, D] to the space of the loss [n, 128] and to grades [n, 3]."""
        return self.layers(features), self.grades(features)


def graded_views(features: Tensor, grades: Tensor, expander: Expander) -> Tensor:
    """Join VICReg and the reading of grades: how much more degraded is the first view than the second.

    Differences, because a real image brings blur, noise and spots of its own, which both of its views share.

    Parameters
    ----------
    features
        Raw features [2 n, D] of first and second views, in this order.
    grades
        How degraded each view is, [2 n, 3].
    expander
        Trained with the network.
    """
    expanded, read = expander(features)
    one, two = expanded.chunk(2)
    difference = _difference(read) - _difference(grades)
    loss: Tensor = vicreg(one, two) + GRADES * difference.square().mean()
    return loss


def vicreg(one: Tensor, two: Tensor) -> Tensor:
    """Pull two views together while every direction keeps its spread and no two say the same.

    Parameters
    ----------
    one, two
        Expanded features [n, E] of two views of the same n images.

    Notes
    -----
    Source: Bardes, Ponce and LeCun, "VICReg: variance-invariance-covariance regularization", 2022, equation 6.
    """
    spread = F.relu(WANTED_DEVIATION - _deviation(one)).mean() + F.relu(WANTED_DEVIATION - _deviation(two)).mean()
    loss: Tensor = (
        INVARIANCE * F.mse_loss(one, two)
        + VARIANCE * spread / 2
        + COVARIANCE * (_off_diagonal(one) + _off_diagonal(two))
    )
    return loss


def _difference(pairs: Tensor) -> Tensor:
    first, second = pairs.chunk(2)
    return first - second


def _deviation(values: Tensor) -> Tensor:
    return torch.sqrt(values.var(dim=0) + 1e-4)


def _off_diagonal(values: Tensor) -> Tensor:
    centred = values - values.mean(dim=0)
    covariance = centred.T @ centred / (len(values) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / values.shape[1]
