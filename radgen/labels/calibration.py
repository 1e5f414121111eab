"""Does uncertainty tell error? Errors of masks, risk-coverage curves, and the area under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

HELD_OUT = "held-out slices"
SAMPLES = "samples"
IMAGES_SCHEMA = pa.schema(
    [
        pa.field("set", pa.string(), nullable=False),  # "held-out slices" or "samples"
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("expected_error", pa.float64(), nullable=False),  # by the heads themselves, in [0, 1]; decides
        pa.field("disagreement", pa.float64(), nullable=False),  # of the heads, nats; to compare with
        # 1 - mean Dice of the head's mask: with the real mask for held-out slices, with the oracle's for samples.
        pa.field("error", pa.float64(), nullable=False),
        pa.field("psnr_db", pa.float64()),  # of the inverted picture; held-out slices only, as all below
        pa.field("oracle_error", pa.float64()),  # of the oracle's mask of the slice itself: the ceiling
        pa.field("inverted_oracle_error", pa.float64()),  # of its mask of the inverted picture: what inversion costs
    ]
)
CURVE_SCHEMA = pa.schema(
    [
        pa.field("set", pa.string(), nullable=False),
        pa.field("coverage", pa.float64(), nullable=False),  # share of images kept
        pa.field("risk", pa.float64(), nullable=False),  # mean error of the kept, highest expected error dropped first
        pa.field("by_disagreement", pa.float64(), nullable=False),  # when those go first on which the heads disagree
        pa.field("random", pa.float64(), nullable=False),  # expected, when images are dropped at random
        pa.field("ideal", pa.float64(), nullable=False),  # when the worst are dropped first
    ]
)


@dataclass(frozen=True)
class Curve:
    """Mean error of what is kept, at coverages 1/n, 2/n, ..., 1.

    Attributes
    ----------
    risk, by_disagreement, ideal
        Float64 [n]: the highest expected error, the largest disagreement, the worst dropped first.
    random
        Expected error of what is kept when images are dropped at random: that of all, at every coverage.
    """

    risk: NDArray[np.float64]
    by_disagreement: NDArray[np.float64]
    ideal: NDArray[np.float64]
    random: float

    @property
    def areas(self) -> dict[str, float]:
        """Areas under the curves, and those of both measures as shares of that of random dropping.

        Source: Geifman, Uziel and El-Yaniv 2019 (arXiv 1805.08206), AURC, equation in section 2.
        """
        found = {"random": self.random, "ideal": float(self.ideal.mean())}
        for name, risk in (("", self.risk), ("_by_disagreement", self.by_disagreement)):
            area = float(risk.mean())
            # Without any error every order is equally good.
            ratio = area / self.random if self.random > 0 else 1.0
            found |= {f"uncertainty{name}": area, f"ratio{name}": ratio}
        return found


def image_errors(painted: NDArray[np.integer], truth: NDArray[np.integer], labels: int) -> NDArray[np.float64]:
    """Return 1 - mean Dice of each image, over the structures that one of the two masks holds; 0 where none does.

    Parameters
    ----------
    painted, truth
        [n, H, W] of label ids.
    labels
        Number of labels, background included, which does not count.
    """
    total, present = np.zeros(len(painted)), np.zeros(len(painted))
    for label in range(1, labels):
        a, b = painted == label, truth == label
        sizes = a.sum(axis=(1, 2)) + b.sum(axis=(1, 2))
        both = (a & b).sum(axis=(1, 2))
        total += np.where(sizes > 0, 1 - 2 * both / np.maximum(sizes, 1), 0.0)
        present += sizes > 0
    errors: NDArray[np.float64] = total / np.maximum(present, 1)
    return errors


def risk_coverage(
    errors: NDArray[np.float64], expected: NDArray[np.float64], disagreement: NDArray[np.float64]
) -> Curve:
    """Return the risk-coverage curves of dropping by expected error and by disagreement.

    Parameters
    ----------
    errors, expected, disagreement
        Float64 [n]; what is high is dropped first.

    Notes
    -----
    Source: Geifman and El-Yaniv 2017, Selective classification for deep neural networks (arXiv 1705.08500), section 2.

    >>> risk_coverage(np.array([1.0, 0.0]), np.array([5.0, 2.0]), np.array([1.0, 2.0])).risk.tolist()
    [0.0, 0.5]
    """
    kept = np.arange(1, len(errors) + 1)
    risk, apart, ideal = (
        np.cumsum(errors[np.argsort(values, kind="stable")]) / kept for values in (expected, disagreement, errors)
    )
    return Curve(risk=risk, by_disagreement=apart, ideal=ideal, random=float(errors.mean()))


def curve_table(curves: Mapping[str, Curve]) -> pa.Table:
    """Return curves by the name of their set as a table of CURVE_SCHEMA."""
    parts = []
    for name, curve in curves.items():
        count = len(curve.risk)
        columns = {
            "set": [name] * count,
            "coverage": np.arange(1, count + 1) / count,
            "risk": curve.risk,
            "by_disagreement": curve.by_disagreement,
            "random": np.full(count, curve.random),
            "ideal": curve.ideal,
        }
        parts.append(pa.table(columns, schema=CURVE_SCHEMA))
    return pa.concat_tables(parts)
