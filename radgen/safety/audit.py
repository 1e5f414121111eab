"""The audit of a synthetic set: near copies of training images, members told from strangers, duplicates, its own power.

One comparison at a time, so that memory holds one table of training images, and that in a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.metrics.distances import NOBODY, patient_numbers
from radgen.safety.comparisons import LOOKS, Comparison, Features, View, learnt
from radgen.safety.limits import below, closeness, copy_limits
from radgen.safety.members import Asked, membership_auc
from radgen.safety.nearest import Nearest, Table
from radgen.safety.networks import Network
from radgen.safety.planted import KINDS, OTHER_SLICE
from radgen.safety.settings import ReleaseSettings
from radgen.safety.sides import Sides
from radgen.safety.tables import ALL, Measure, release_table
from radgen.seeds import random_generator

PLANTED = (OTHER_SLICE, *KINDS)
SYNTHETIC, CONTROL = "synthetic", "control"
# They find patched and blended copies alone; what is asked of all images is asked of the others.
COPY_FINDERS = ("parts", "fine")


@dataclass
class _Found:
    """What one comparison found, by group of images, and its scores: the smaller the more like a copy."""

    nearest: dict[str, Nearest] = field(default_factory=dict)
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    views: tuple[View, ...] = ()
    by_ratio: bool = False


@dataclass(frozen=True)
class Audit:
    """The tables of one audit: a row per synthetic image, and what was measured."""

    images: pa.Table
    measures: list[Measure]


class Auditor:
    """Looks a synthetic set up among the training images of its study.

    Parameters
    ----------
    synthetic
        The set.
    real
        The study's real image set.
    sides
        Suspects and control.
    networks
        Feature networks to compare by, beside pictures.
    settings
        The release policy.
    """

    def __init__(
        self, synthetic: ImageSet, real: ImageSet, sides: Sides, networks: Sequence[Network], settings: ReleaseSettings
    ) -> None:
        self.synthetic, self.real, self.settings = synthetic, real, settings
        self.everything = np.arange(len(synthetic))
        # What is said of the set as a whole is asked of so many: each of them meets every image of a side again.
        self.some = self._drawn("some", self.everything, settings.images)
        self.training = sides.training
        self.control = self._drawn("control", sides.control, settings.images)
        self.members = self._drawn("members", sides.training, settings.images)
        self.patients = patient_numbers(real.column("patient"))[0]
        self.classes = real.column("class_name")
        self.networks = {network.name: network for network in networks}
        self.measures: list[Measure] = []
        self._plant()

    def run(self) -> Audit:
        """Look everything up by every comparison."""
        found = {}
        for name in (*LOOKS, *self.networks):
            network = self.networks.get(name)
            comparison: Comparison = (
                learnt(name, self.real, self.training) if network is None else Features(name, network.features)
            )
            found[name] = self._look_up(comparison)
            if name not in COPY_FINDERS:
                self._ask_of_members(comparison)
        self._count_duplicates(found)
        limits = self._near_copies(found)
        return Audit(self._image_rows(found, limits), self.measures)

    # ------------------------------------------------------------ looking up

    def _drawn(self, name: str, rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        if len(rows) <= most:
            return rows
        return np.sort(random_generator("safety", self.settings.seed, name).choice(rows, most, replace=False))

    def _plant(self) -> None:
        """Choose training images to copy, and held-out ones to patch and to blend them with."""
        rng = random_generator("safety", self.settings.seed, "planted")
        series = self.real.column("series").astype(str)[self.training]
        names, inverse, counts = np.unique(series, return_inverse=True, return_counts=True)
        del names
        places = rng.permutation(len(self.training))
        self._several = places[counts[inverse[places]] > 1][: self.settings.planted]
        originals = self.real.images(self.training[places[: self.settings.planted]])
        donors = self.real.images(rng.choice(self.control, len(originals)))
        self._planted = {kind: make(originals, donors, rng) for kind, make in KINDS.items()}

    def _look_up(self, comparison: Comparison) -> _Found:
        table = Table(comparison, self.real, self.training, self.patients[self.training])
        found = _Found(views=comparison.views, by_ratio=comparison.by_ratio)
        found.nearest[SYNTHETIC] = table.nearest(self.synthetic, self.everything)
        found.nearest[CONTROL] = table.nearest(self.real, self.control, own=self.patients[self.control])
        for kind, copies in self._planted.items():
            found.nearest[kind] = table.nearest(copies, np.arange(len(copies)))
        if len(self._several):
            rows = self.training[self._several]
            found.nearest[OTHER_SLICE] = table.nearest(self.real, rows, without=self._several)
        for group, nearest in found.nearest.items():
            found.scores[group] = nearest.ratio if comparison.by_ratio else nearest.distance
        if comparison.name not in COPY_FINDERS:
            self._measure_distances(comparison.name, found, table)
        return found

    def _measure_distances(self, name: str, found: _Found, table: Table) -> None:
        """Median distance, share nearer than any held-out image, and AuthPct.

        An image is authentic when its nearest training image has a nearer one among other patients'. Source: Alaa et
        al., "How faithful is your synthetic data?", 2022, section 3.3; here never within one patient.
        """
        groups = {role: found.nearest[role] for role in (SYNTHETIC, CONTROL)}
        asked = {SYNTHETIC: self.some, CONTROL: np.arange(len(self.control))}
        places = np.unique(np.concatenate([nearest.place[asked[role]] for role, nearest in groups.items()]))
        rows = self.training[places]
        reach = table.nearest(self.real, rows, own=self.patients[rows]).distance
        least = groups[CONTROL].distance.min()
        for role, nearest in groups.items():
            mine, place = nearest.distance[asked[role]], nearest.place[asked[role]]
            authentic = mine > reach[np.searchsorted(places, place)]
            self._add(name, "nearest", role, float(np.median(nearest.distance)), len(nearest.distance))
            self._add(name, "authentic", role, float(authentic.mean()), len(mine))
        nearer = float((groups[SYNTHETIC].distance < least).mean())
        self._add(name, "nearer_than_any_control", SYNTHETIC, nearer, len(self.everything))

    def _ask_of_members(self, comparison: Comparison) -> None:
        """Membership inference; of patients a network learnt from, its features say more than the set tells."""
        table = Table(comparison, self.synthetic, self.everything, np.full(len(self.everything), NOBODY))
        network = self.networks.get(comparison.name)
        fair = [network is None or key not in network.saw for key in self.real.column("patient")[self.members]]
        rows = self.members[np.array(fair, dtype=bool)]
        asked = [
            Asked(table.nearest(self.real, part).distance, self.classes[part], self.patients[part])
            for part in (rows, self.control)
        ]
        rng = random_generator("safety", self.settings.seed, "members", comparison.name)
        try:
            auc = membership_auc(asked[0], asked[1], rng, resamples=self.settings.resamples)
        except InputError as error:
            self._add(comparison.name, "membership_auc", SYNTHETIC, None, len(rows), reason=str(error))
        else:
            self._add(comparison.name, "membership_auc", SYNTHETIC, auc.value, len(rows), low=auc.low, high=auc.high)

    # ------------------------------------------------------------ summing up

    def _count_duplicates(self, found: Mapping[str, _Found]) -> None:
        """Count synthetic images with another one nearer than nearly all real people lie to each other."""
        comparison = learnt("pixels", self.real, self.training)
        control = found["pixels"].nearest[CONTROL].distance
        limit = float(np.quantile(control, self.settings.false_alarms))
        made = Table(comparison, self.synthetic, self.everything, np.full(len(self.everything), NOBODY))
        twins = made.nearest(self.synthetic, self.some, without=self.some).distance
        own = self.patients[self.control]
        people = Table(comparison, self.real, self.control, own).nearest(self.real, self.control, own=own).distance
        for role, distances in ((SYNTHETIC, twins), (CONTROL, people)):
            self._add("pixels", "duplicates", role, float((distances < limit).mean()), len(distances))

    def _near_copies(self, found: Mapping[str, _Found]) -> dict[str, float]:
        scores = {name: one.scores[CONTROL] for name, one in found.items()}
        ratios = [name for name, one in found.items() if one.by_ratio]
        limits, alarms = copy_limits(scores, self.patients[self.control], ratios, self.settings.false_alarms)
        for kind in (SYNTHETIC, *PLANTED):
            if kind not in found["whole"].scores:
                self._add(ALL, "planted_found", kind, None, 0, reason="no training volume has two slices")
                continue
            of_kind = {name: one.scores[kind] for name, one in found.items()}
            count = len(of_kind["whole"])
            measure = "near_copies" if kind == SYNTHETIC else "planted_found"
            self._add(ALL, measure, kind, float(below(of_kind, limits).mean()), count)
            for name, limit in limits.items():
                self._add(name, measure, kind, float((of_kind[name] < limit).mean()), count)
        why = None if alarms is not None else "one held-out patient cannot be divided"
        self._add(ALL, "near_copies", CONTROL, alarms, len(self.control), reason=why)
        self._add_control_duplicates(found["whole"])
        return limits

    def _add_control_duplicates(self, whole: _Found) -> None:
        """Held-out images as near to a training image as slices of one volume are: the same person twice, if any."""
        if OTHER_SLICE not in whole.nearest:
            reason = "no training volume has two slices to compare with"
            self._add("whole", "control_near_duplicates", CONTROL, None, len(self.control), reason=reason)
            return
        alike = float(np.median(whole.nearest[OTHER_SLICE].distance))
        share = float((whole.nearest[CONTROL].distance < alike).mean())
        self._add("whole", "control_near_duplicates", CONTROL, share, len(self.control))

    def _image_rows(self, found: Mapping[str, _Found], limits: Mapping[str, float]) -> pa.Table:
        names = list(limits)
        nearest = {name: one.nearest[SYNTHETIC] for name, one in found.items()}
        units, which = closeness({name: one.scores[SYNTHETIC] for name, one in found.items()}, limits)
        places = np.array([nearest[names[chosen]].place[row] for row, chosen in enumerate(which)], dtype=np.int64)
        views = [found[names[chosen]].views[nearest[names[chosen]].view[row]] for row, chosen in enumerate(which)]
        return release_table(
            self.synthetic,
            closeness=units,
            comparison=[names[chosen] for chosen in which],
            views=views,
            nearest_ids=self.real.column("image_id")[self.training[places]],
            nearest_patients=self.real.column("patient")[self.training[places]],
            distances={name: one.distance for name, one in nearest.items()},
            least=self.settings.distances,
        )

    def _add(
        self,
        comparison: str,
        measure: str,
        role: str,
        value: float | None,
        n: int,
        *,
        low: float | None = None,
        high: float | None = None,
        reason: str | None = None,
    ) -> None:
        self.measures.append(Measure(comparison, measure, role, value, low, high, n, reason))
