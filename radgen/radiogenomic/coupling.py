"""Do images made from a patient's genes look like that patient's own? A permutation test over patients.

The unit is the patient: draws and slices of one patient are averaged first, because they are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radgen.radiogenomic.groups import group_means
from radgen.seeds import random_generator


@dataclass(frozen=True)
class Coupling:
    """What the test found.

    Parameters
    ----------
    patients
        How many have both kinds of images.
    own, others
        Mean distance between a patient's generated and real features, and between those of different patients.
    p_value
        Share of pairings of patients, the own one among them, whose mean distance is at most `own`.
    permutations
        How many pairings were drawn.
    """

    patients: int
    own: float
    others: float
    p_value: float
    permutations: int


def coupling_test(
    generated: NDArray[np.floating],
    generated_patients: NDArray[np.generic],
    real: NDArray[np.floating],
    real_patients: NDArray[np.generic],
    *,
    permutations: int = 9999,
    seed: int = 0,
) -> Coupling:
    """Test whether generated images of a patient are nearer to that patient's real ones than to other patients'.

    Parameters
    ----------
    generated, real
        [images, features], any length each; features are put on one scale by the real images' patient means.
    generated_patients, real_patients
        Whose genes made an image, and whose image it is; patients on one side alone take no part.
    permutations
        Random pairings of patients.
    seed
        Of the pairings.

    Raises
    ------
    ValueError
        Fewer than three patients are on both sides, or no feature varies between them.

    Notes
    -----
    The statistic is the mean Euclidean distance between the two patient means over the patients, under the own pairing
    and under random permutations of the patients of one side, which are exchangeable where genes say nothing about
    images. p = (1 + pairings at most as far) / (1 + permutations): B. Phipson and G. K. Smyth, Permutation p-values
    should never be zero, Stat. Appl. Genet. Mol. Biol. 9 (2010), equation 2. Each side is centred on its own mean,
    because a difference that all generated images share (too dark, say) would drown those between patients.
    """
    names = np.intersect1d(generated_patients, real_patients)
    if len(names) < 3:
        msg = f"{len(names)} patients have generated and real images; the test needs at least 3"
        raise ValueError(msg)
    made, there = group_means(generated, generated_patients, names), group_means(real, real_patients, names)
    spread = there.std(axis=0)
    varies = spread > 1e-9 * (1 + np.abs(there).max(axis=0))
    if not varies.any():
        msg = f"none of {there.shape[1]} features varies between the {len(names)} patients; give others"
        raise ValueError(msg)
    made = ((made - made.mean(axis=0)) / np.where(varies, spread, 1.0))[:, varies]
    there = ((there - there.mean(axis=0)) / np.where(varies, spread, 1.0))[:, varies]
    distances = np.linalg.norm(made[:, None] - there[None], axis=2)
    n = len(names)
    own = float(distances.trace() / n)
    rng = random_generator("coupling", seed)
    rows = np.arange(n)
    drawn = np.array([distances[rows, rng.permutation(n)].mean() for _ in range(permutations)])
    # Sums in another order differ in their last bits: an equal pairing must count as equal.
    as_near = int((drawn <= own * (1 + 1e-12)).sum())
    others = float((distances.sum() - distances.trace()) / (n * (n - 1)))
    return Coupling(n, own, others, (1 + as_near) / (1 + permutations), permutations)
