"""Section of the first quality-control page: nearly the same picture in two splits, the most alike shown."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from PIL import Image

from radgen.report.gallery import Pixels, rgb
from radgen.report.html import Html, element, join, table
from radgen.report.parts import Block, count, number, paragraph
from radgen.report.qc.cards import embedded
from radgen.report.study import StudyResults, records

COLUMNS = ("image_one", "image_two", "series_one", "series_two", "split_one", "split_two", "correlation")
PAIRS_SHOWN = 6
THUMBNAIL_PX = 128


def duplicates_block(study: StudyResults) -> Block:
    """Return how many images have a near-duplicate in another split, between which splits, and the most alike pairs."""
    title = "Nearly the same in two splits"
    pairs = study.table("slices.near_duplicates", COLUMNS)
    compared = ((study.manifest("slices.manifest") or {}).get("run", {}).get("notes", {})).get("images_compared")
    told = f" Compared: {count(compared)} stored images." if compared is not None else ""
    if pairs.empty:
        words = (
            f"No stored image has a near-duplicate in another split.{told} That does not prove that nobody is in two."
        )
        return Block("duplicates", title, paragraph(words))
    words = paragraph(
        f"{len(pairs):,} pairs of stored images of different splits are nearly the same picture.{told} Look whether "
        "they are one person: such patients belong in one group of the table that ",
        element("code", "group_table"),
        " names, or results on test patients are too good. Most alike:",
    )
    splits = pairs.value_counts(["split_one", "split_two"]).sort_index().reset_index(name="pairs")
    rows = [[str(row["split_one"]), str(row["split_two"]), count(row["pairs"])] for row in records(splits)]
    shown = element("div", _figures(study, pairs.head(PAIRS_SHOWN)), class_="checks")
    return Block("duplicates", title, join(words, shown, table(("Split", "Split", "Pairs"), rows, numeric=(2,))))


def _figures(study: StudyResults, pairs: pd.DataFrame) -> list[Html]:
    rows = records(pairs)
    pixels = rgb(study.pixels_of([str(row[name]) for row in rows for name in COLUMNS[:2]], "slices.index"))
    return [_pair(row, pixels[2 * place : 2 * place + 2]) for place, row in enumerate(rows)]


def _pair(row: dict[str, Any], pixels: Pixels) -> Html:
    sides = [
        embedded(_png(one), str(row[f"split_{name}"]), f"Image {row[f'image_{name}']}")
        for one, name in zip(pixels, ("one", "two"), strict=True)
    ]
    keys = " · ".join(str(row[f"series_{name}"]) for name in ("one", "two"))
    words = element("p", f"correlation {number(row['correlation'], 3)}", class_="origin")
    head = element("h3", element("code", keys), class_="key")
    return element("article", element("div", sides, class_="pair"), head, words, class_="check")


def _png(image: Pixels) -> bytes:
    out = io.BytesIO()
    shown = Image.fromarray(image)
    shown.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX)
    shown.save(out, format="PNG")
    return out.getvalue()
