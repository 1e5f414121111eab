"""The scores in words: a Frechet distance never stands without recall and the audit of copies."""

from __future__ import annotations

import pyarrow as pa


def summary_lines(quality: pa.Table) -> list[str]:
    """Return one line for each source and class of a table of QUALITY_SCHEMA.

    Every distance is the judge's and is called so; it is not the FID of an ImageNet network.
    """
    cells: dict[tuple[str, str], dict[tuple[str, str], dict[str, object]]] = {}
    for row in quality.to_pylist():
        cells.setdefault((row["source"], row["class_name"]), {})[row["metric"], row["role"]] = row
    return [f"{source}, {name}: {_line(scores)}" for (source, name), scores in cells.items()]


def _line(scores: dict[tuple[str, str], dict[str, object]]) -> str:
    counts = scores["judge_fd", "synthetic"]
    distance = "judge FD" if counts["value"] is not None else "judge KID"
    metric = "judge_fd" if counts["value"] is not None else "kid"
    parts = [
        f"{distance} {_pair(scores, metric)}",
        f"recall {_pair(scores, 'recall')}",
        f"precision {_pair(scores, 'precision')}",
        f"near copies by features {_pair(scores, 'near_copies_features')}",
        f"by pixels {_pair(scores, 'near_copies_pixels')}",
        f"n = {counts['n_synthetic']} against {counts['n_real']} held-out",
    ]
    reason = counts["reason"]
    return ", ".join(parts) + (f" (no judge FD: {reason})" if reason else "")


def _pair(scores: dict[tuple[str, str], dict[str, object]], metric: str) -> str:
    values = [scores.get((metric, role), {}).get("value") for role in ("synthetic", "floor")]
    synthetic, floor = ("not measured" if value is None else f"{value:.3g}" for value in values)
    return f"{synthetic} (floor {floor})"
