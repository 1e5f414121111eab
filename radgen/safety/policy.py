"""The release policy: which checks a set has to pass before it may leave, and the verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.imageset.core import ImageSet
from radgen.safety.audit import PLANTED, SYNTHETIC
from radgen.safety.settings import ReleaseSettings
from radgen.safety.tables import ALL, Measure


@dataclass(frozen=True)
class Check:
    """One condition of the policy: what was measured, its limit, whether it holds, and all that in words."""

    name: str
    value: float | None
    limit: float
    passed: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """Whether a set may leave."""

    checks: tuple[Check, ...]
    images: int
    dropped: int
    unknown: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds and an image is left."""
        return all(check.passed for check in self.checks) and self.dropped < self.images

    @property
    def sentence(self) -> str:
        """One sentence that says it all."""
        kept = f"{self.images - self.dropped} of {self.images} images are kept"
        if self.passed:
            return f"may leave: {kept}, {self.dropped} are dropped as too close to a training image"
        broken = "; ".join(check.words for check in self.checks if not check.passed) or "no image is left"
        return f"must not leave: {broken} ({kept})"

    def to_json(self) -> dict[str, Any]:
        """Return plain data, as `verdict.json` holds them."""
        return {
            "passed": self.passed,
            "sentence": self.sentence,
            "images": self.images,
            "dropped": self.dropped,
            "unknown_ancestry": list(self.unknown),
            "checks": [asdict(check) for check in self.checks],
        }


def judge(
    measures: Sequence[Measure],
    images: pa.Table,
    patients_per_class: Mapping[str, int],
    unknown: tuple[str, ...],
    settings: ReleaseSettings,
) -> Verdict:
    """Hold what was measured against the policy.

    Parameters
    ----------
    measures, images
        Of the audit.
    patients_per_class
        Training patients behind each class of the set.
    unknown
        Ancestors whose patients nobody knows.
    settings
        The policy.
    """
    dropped = images.num_rows - int(np.sum(images.column("kept").to_numpy(zero_copy_only=False)))
    checks = (
        _near_copies(measures, settings),
        _membership(measures, settings),
        _patients(patients_per_class, settings),
        _planted(measures, settings),
    )
    return Verdict(checks, images.num_rows, dropped, unknown)


def patients_behind(real: ImageSet, training: NDArray[np.int64], synthetic: ImageSet) -> dict[str, int]:
    """Count the training patients of each class that the synthetic set has; a class of no name counts all patients."""
    names, patients = real.column("class_name")[training], real.column("patient")[training]
    wanted = sorted({str(name) for name in synthetic.column("class_name") if name is not None})
    if not wanted:
        return {"any": len(set(patients))}
    pairs = Counter(str(name) for name, _ in {*zip(names, patients, strict=True)})
    return {name: pairs[name] for name in wanted}


def _near_copies(measures: Sequence[Measure], settings: ReleaseSettings) -> Check:
    share = next(m.value for m in measures if (m.comparison, m.measure, m.role) == (ALL, "near_copies", SYNTHETIC))
    found = 0.0 if share is None else share
    words = f"{100 * found:.3g} % of the images are near copies of training images, the policy allows "
    limit = settings.near_copies
    return Check("near_copies", found, limit, found <= limit, f"{words}{100 * limit:g} %")


def _membership(measures: Sequence[Measure], settings: ReleaseSettings) -> Check:
    bounds = {m.comparison: m.high for m in measures if m.measure == "membership_auc" and m.high is not None}
    limit = settings.membership_auc
    if not bounds:
        words = "membership inference could not be measured, because there are too few patients"
        return Check("membership_auc", None, limit, passed=False, words=words)
    name = max(bounds, key=lambda key: (bounds[key], key))
    words = f"membership inference reaches an area of up to {bounds[name]:.2f} by {name}, the policy allows {limit:.2f}"
    return Check("membership_auc", bounds[name], limit, bounds[name] <= limit, words)


def _patients(patients_per_class: Mapping[str, int], settings: ReleaseSettings) -> Check:
    name = min(patients_per_class, key=lambda key: (patients_per_class[key], key))
    count, least = patients_per_class[name], settings.min_patients_per_class
    words = f"class {name} rests on {count} training patients, the policy asks for {least}"
    return Check("min_patients_per_class", float(count), float(least), count >= least, words)


def _planted(measures: Sequence[Measure], settings: ReleaseSettings) -> Check:
    shares = [m.value for m in measures if m.comparison == ALL and m.role in PLANTED and m.value is not None]
    share = float(np.mean(shares))
    limit = settings.planted_found
    words = f"the audit finds {100 * share:.3g} % of planted copies, the policy asks for {100 * limit:g} %"
    return Check("planted_found", share, limit, share >= limit, words)
