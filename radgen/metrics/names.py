"""What scores are called in tables: the judge's by their plain names, others by their network's."""

from __future__ import annotations

JUDGES = ("judge_fd", "kid", "precision", "recall", "density", "coverage")
METRICS = ("fd", *JUDGES[1:])


def names_of(extractor: str) -> dict[str, str]:
    """Return what each of METRICS is called by the features it rests on; those left out are not given.

    >>> names_of("judge")["fd"], names_of("inception")["fd"], names_of("dinov2")["kid"], names_of("radiomics")
    ('judge_fd', 'fid', 'dinov2_kid', {'fd': 'radiomics_fd'})
    """
    if extractor == "judge":
        return dict(zip(METRICS, JUDGES, strict=True))
    if extractor == "radiomics":
        return {"fd": "radiomics_fd"}
    names = {name: f"{extractor}_{name}" for name in METRICS}
    return names | ({"fd": "fid"} if extractor == "inception" else {})
