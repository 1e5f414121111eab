"""An arm in words, for pages and messages."""

from __future__ import annotations

from radgen.benchmark.settings import ArmSettings


def arm_in_words(arm: ArmSettings) -> str:
    """Say in words what an arm trains on.

    >>> arm_in_words(ArmSettings(real_fraction=1.0))
    'real 100 %'
    """
    parts = []
    if arm.real_fraction == "low":
        parts.append("real low")
    elif arm.real_fraction:
        parts.append(f"real {100 * float(arm.real_fraction):g} %")
    if arm.extra_real == "generator":
        parts.append("the generator's own real images")
    if arm.extra_real == "annotator":
        parts.append("as many more real patients as the annotator had")
    if arm.extra_real == "annotated":
        parts.append(f"{arm.annotated_images} more real images with their masks")
    if arm.extra_real == "annotator_masks":
        parts.append(f"{arm.annotated_images} more real images with the annotator's masks")
    if arm.synthetic is not None:
        drawn = "online, " if arm.online else ""
        named = dict.fromkeys([*arm.sources, f"{drawn}{arm.setting}"])  # a source may be called what its setting is
        parts.append(f"synthetic ({', '.join(named)})")
    ways = {
        "schedule": {"pretrain": "pretrained on synthetic, then real", "pretrain_mixed": "pretrained on synthetic"},
        "method": {"mean_teacher": "mean teacher", "self_supervised": "pretext task first"},
        "augmentation": {"strong": "strong augmentation"},
    }
    told = [words[getattr(arm, name)] for name, words in ways.items() if getattr(arm, name) in words]
    told += [f"{100 * arm.synthetic_share:g} % synthetic" if arm.synthetic_share is not None else ""]
    only = " only" if arm.synthetic is not None and len(parts) == 1 else ""
    return ", ".join(part for part in (" + ".join(parts) + only, *told) if part)
