"""How many images of each class a source makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from radgen.cohort.fractions import low_patients
from radgen.cohort.settings import LowSettings
from radgen.errors import ConfigError
from radgen.gan.settings import SampleSettings
from radgen.imageset.core import ImageSet


def class_counts(
    sample: SampleSettings, real: ImageSet, class_names: Sequence[str], low: LowSettings
) -> dict[str, int]:
    """Return the number of images to make of each class, in the order of the class names.

    `counts` is obeyed, classes left out get none. `match: train` fills the low fraction up to the full training set:
    the real training images of the class less those of the low fraction's patients.

    Raises
    ------
    ConfigError
        `counts` names an unknown class, or nothing is asked for.
    """
    if sample.counts is not None:
        unknown = sorted(set(sample.counts) - set(class_names))
        if unknown:
            msg = f"sample.counts: unknown class {unknown[0]!r}; classes are {', '.join(class_names)}"
            raise ConfigError(msg)
        counts = {name: sample.counts.get(name, 0) for name in class_names}
    else:
        rows = real.rows_where(split="train")
        patients = real.column("patient")[rows]
        few = low_patients(patients.tolist(), low.fraction, low.seed) if low.fraction > 0 else frozenset()
        missing = np.array([patient not in few for patient in patients], dtype=bool)
        names = real.column("class_name")[rows]
        counts = {name: int(((names == name) & missing).sum()) for name in class_names}
    if not any(counts.values()):
        msg = f"sample: no image is asked for ({counts}); give counts, or a low.fraction below {low.fraction}"
        raise ConfigError(msg)
    return counts
