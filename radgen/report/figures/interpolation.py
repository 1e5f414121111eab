"""The way through a generator's classes with the latent held: a strip of frames, and the film of them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from radgen.report.album import Album
from radgen.report.gallery import mosaic, resized, rgb
from radgen.report.study import StudyResults, dig
from radgen.report.style import SYNTHETIC, WIDTH_PX

GAP_PX = 4
LEFT_PX = 16
HEAD_PX = 34
ROW_HEAD_PX = 24
FILM_PX = 256


def draw_interpolation(study: StudyResults, album: Album, source: str) -> None:
    """Draw one row from each key to the next, every row beginning with the image that ends the one before."""
    images = study.images("interpolation.index", source=source)
    settings = dig(study.manifest("interpolation.part_manifest", source=source), "what", "settings")
    keys, frames = list(settings["keys"]), int(settings["frames"])
    pixels = rgb(images.images(np.arange(len(images))))
    tile = (WIDTH_PX - 2 * LEFT_PX) // (frames + 1) - GAP_PX
    band = ROW_HEAD_PX + tile + 10
    sheet = album.sheet(HEAD_PX + (len(keys) - 1) * band)
    top = album.sheet_top
    sheet.words("SYNTHETIC", LEFT_PX, top, weight="bold", fontsize=9, color=SYNTHETIC)
    for row, (one, other) in enumerate(itertools.pairwise(keys)):
        line = top + HEAD_PX + row * band
        sheet.words(_name(one), LEFT_PX, line)
        sheet.words(_name(other), LEFT_PX + (frames + 1) * (tile + GAP_PX) - GAP_PX, line, ha="right")
        shown = pixels[row * frames : (row + 1) * frames + 1]
        sheet.picture(mosaic([shown], frames + 1, size_px=tile, gap_px=GAP_PX), LEFT_PX, line + ROW_HEAD_PX)
    places = np.minimum(np.arange(len(images)) // frames, len(keys) - 2)
    large = list(resized(pixels, FILM_PX))
    album.add(
        sheet.figure,
        f"interpolation_{source}",
        section="samples",
        title=f"Between classes of {source}" if _name(keys[0]) != _name(keys[1]) else f"Between samples of {source}",
        caption=(
            "From the class at the left to the class at the right in even steps, latent and noise held (between two "
            "latents where there is one class): what changes is what the generator takes the class to be. All are "
            "synthetic."
        ),
        data=pd.DataFrame(
            {
                "frame": np.arange(len(images)),
                "from": [keys[at] for at in places],
                "to": [keys[at + 1] for at in places],
                "share": (np.arange(len(images)) - places * frames) / frames,
            }
        ),
        source=source,
        shows="sample.part_index",  # frames are not audited one by one: they leave where samples of the weights may
        film=[*large, *large[-2:0:-1]],
    )


def _name(key: str) -> str:
    return key.rpartition(":")[0]
