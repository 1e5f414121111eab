"""How many images of each class a source makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.errors import ConfigError
from radgen.gan.settings import SampleSettings
from radgen.imageset.core import ImageSet
from radgen.sources import SourceSettings


def class_counts(
    sample: SampleSettings, real: ImageSet, source: SourceSettings, low: LowSettings, classes: ClassSettings
) -> dict[str, int]:
    """Return the number of images to make of each class, in the order of the class names.

    `counts` is obeyed, classes left out get none. `match: train` fills the low fraction up to the full training set:
    the real training images of the class less those of the low fraction's patients. A source that may not know the
    other patients' classes makes as many images, but in the low patients' class shares.

    Raises
    ------
    ConfigError
        `counts` names an unknown class, or nothing is asked for.
    """
    if sample.counts is not None:
        unknown = sorted(set(sample.counts) - set(classes.names))
        if unknown:
            msg = f"sample.counts: unknown class {unknown[0]!r}; classes are {', '.join(classes.names)}"
            raise ConfigError(msg)
        counts = {name: sample.counts.get(name, 0) for name in classes.names}
    else:
        rows = real.rows_where(split="train")
        patients = real.column("patient")[rows].tolist()
        few = low_patients(patients, low.fraction, low.seed)
        is_low = np.array([patient in few for patient in patients], dtype=bool)
        missing = ~is_low if low.fraction > 0 else np.ones(len(rows), dtype=bool)
        of_class = real.column("class_name")[rows]
        is_class = np.array([of_class == name for name in classes.names], dtype=bool)
        withheld = source.setting == "scarce" or (source.setting == "scarce-labels" and classes.by != "position")
        made = _in_shares(is_class[:, is_low], int(missing.sum())) if withheld else is_class[:, missing].sum(axis=1)
        counts = dict(zip(classes.names, made.tolist(), strict=True))
    if not any(counts.values()):
        msg = f"sample: no image is asked for ({counts}); give counts, or a low.fraction below {low.fraction}"
        raise ConfigError(msg)
    return counts


def _in_shares(is_class: NDArray[np.bool_], total: int) -> NDArray[np.int64]:
    """Split a total by the class shares among images, bool [classes, n]; images of no class have a share too.

    The sum is right whatever is rounded, because the ends of the parts are.
    """
    ends = np.rint(is_class.sum(axis=1).cumsum() * total / max(1, is_class.shape[1]))
    parts: NDArray[np.int64] = np.diff(ends, prepend=0).astype(np.int64)
    return parts
