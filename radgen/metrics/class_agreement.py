"""How often the judge sees in an image the class that was asked for, beside how often it does so in real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from radgen.features.network import FeatureNetwork
from radgen.metrics.quality import EVERY_CLASS, Row, Side

METRIC = "class_accuracy"


def class_rows(source: str, sides: Mapping[str, Side], judge: FeatureNetwork, classes: Sequence[str]) -> list[Row]:
    """Return the share of images of each class in which the judge sees that class, and the mean over the classes.

    Source: Ravuri and Vinyals 2019, "Classification accuracy score for conditional generative models", turned round:
    the classifier learnt from real images.

    Parameters
    ----------
    source
        Name written into the rows.
    sides
        Role to images: "synthetic" and "floor".
    judge
        Its features are those of the sides.
    classes
        Class names.
    """
    if len(classes) < 2:
        return []
    rows: list[Row] = []
    for role, side in sides.items():
        common: Row = {"source": source, "metric": METRIC, "role": role}
        if not judge.shape.has_classes:
            why = "the judge learnt no classes"
            rows += [common | {"class_name": name, "value": None, "reason": why} for name in (EVERY_CLASS, *classes)]
            continue
        seen = np.array(judge.class_names, dtype=object)[judge.class_ids(side.features)]
        right = {name: (seen == name)[side.class_names == name] for name in classes}
        shares = {name: float(hits.mean()) for name, hits in right.items() if len(hits)}
        for name in (EVERY_CLASS, *classes):
            count = len(side) if name == EVERY_CLASS else len(right[name])
            value = float(np.mean(list(shares.values()))) if name == EVERY_CLASS and shares else shares.get(name)
            reason = None if value is not None else "no image of this class"
            rows.append(common | {"class_name": name, "value": value, "n_synthetic": count, "reason": reason})
    return rows
