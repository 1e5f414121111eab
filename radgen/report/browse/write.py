"""The files of the gallery: a page that never grows, chunks of facts, and for each sheet its sprites and details."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radgen.provenance import write_text
from radgen.report.browse.page import gallery_page
from radgen.report.browse.rows import collect_rows
from radgen.report.browse.sprites import COLUMNS, PER_SHEET, image_tiles, mask_tiles, nearest_tiles, write_sheet
from radgen.report.gallery import mask_colour
from radgen.report.study import StudyResults, records

FACTS_PER_CHUNK = 5000
DIGITS = 4


def write_gallery(study: StudyResults, folder: Path) -> list[Path]:
    """Write the gallery anew and return its files.

    The nearest training image is shown in the internal edition alone, and only where `report.show_nearest` allows it;
    without it no pixel, name or number of a single patient is in any file.
    """
    shutil.rmtree(folder, ignore_errors=True)
    rows = collect_rows(study, study.report.browse_images)
    nearest = not study.shareable and study.report.show_nearest and study.has("slices.index")
    facts = [rows.iloc[first : first + FACTS_PER_CHUNK] for first in range(0, len(rows), FACTS_PER_CHUNK)]
    names = {name: sorted(set(rows[name].dropna())) for name in ("source", "split")}
    names["class_name"] = [name for name in study.class_names if name in set(rows["class_name"])]
    _script(folder / "data" / "meta.js", "meta", _meta(study, rows, names, len(facts), nearest=nearest))
    for number, chunk in enumerate(facts):
        _script(folder / "data" / f"facts-{number:03d}.js", "facts", _facts(chunk, names))
    for number, first in enumerate(range(0, len(rows), PER_SHEET)):
        _write_sheet(study, folder, number, rows.iloc[first : first + PER_SHEET], nearest=nearest)
    write_text(folder / "index.html", gallery_page(study))
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write_sheet(study: StudyResults, folder: Path, number: int, rows: pd.DataFrame, *, nearest: bool) -> None:
    most, tiles = study.report.browse_tile_px, folder / "tiles"
    write_sheet(tiles / f"images-{number:04d}.png", image_tiles(study, rows), most)
    if rows["masked"].any():
        write_sheet(tiles / f"masks-{number:04d}.png", mask_tiles(study, rows), most)
    if nearest and rows["nearest"].notna().any():
        write_sheet(tiles / f"nearest-{number:04d}.png", nearest_tiles(study, rows), most)
    _script(folder / "data" / f"details-{number:04d}.js", "details", [number, [_detail(row) for row in records(rows)]])


def _script(path: Path, name: str, value: object) -> None:
    """Write data as a call, since a page opened from disk may load scripts but not read files."""
    write_text(path, f"radgen.{name}({json.dumps(value, sort_keys=True, separators=(',', ':'))})\n")


def _meta(
    study: StudyResults, rows: pd.DataFrame, names: Mapping[str, Sequence[str]], chunks: int, *, nearest: bool
) -> dict[str, Any]:
    facts = study.facts
    colours = [mask_colour(label, facts.colours) for label in range(1, len(facts.structures) + 1)]
    return {
        "study": facts.study,
        "count": len(rows),
        "chunks": chunks,
        "columns": COLUMNS,
        "per_sheet": PER_SHEET,
        "sources": [[name, study.setting_of(name), study.can_make_again(name)] for name in names["source"]],
        "classes": names["class_name"],
        "splits": names["split"],
        "structures": list(zip(facts.structures, colours, strict=True)),
        "nearest": nearest,
        "phantom": facts.is_phantom,
    }


def _facts(rows: pd.DataFrame, names: Mapping[str, Sequence[str]]) -> dict[str, Sequence[float | None]]:
    """Return the columns that are filtered by; names as their place in the list of names, -1 for none."""
    places = {name: {value: place for place, value in enumerate(values)} for name, values in names.items()}
    codes = {name: [places[name].get(value, -1) for value in rows[name]] for name in names}
    return {
        "source": codes["source"],
        "class": codes["class_name"],
        "split": codes["split"],
        "mask": rows["masked"].astype(int).tolist(),
        "uncertainty": [_number(value) for value in rows["uncertainty"]],
        "distance": [_number(value) for value in rows["distance_pixels"]],
    }


def _detail(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(row["image_id"]),
        "seed": None if pd.isna(row["seed"]) else str(int(row["seed"])),  # beyond what a JavaScript number holds
        "checkpoint": row["checkpoint"] if isinstance(row["checkpoint"], str) else None,
        "features": _number(row["distance_features"]),
        "nearest": isinstance(row["nearest"], str),
    }


def _number(value: float) -> float | None:
    return None if not math.isfinite(value) else float(np.format_float_positional(value, DIGITS, fractional=False))
