"""A picture of the closest pairs for human eyes: no number tells what a look does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.gan.grid import write_png
from radgen.imageset.core import ImageSet

PAIRS = 24
PAIRS_PER_ROW = 4
GAP_PX = 4


def write_closest(path: Path, images: pa.Table, synthetic: ImageSet, real: ImageSet) -> None:
    """Draw the 24 synthetic images that are most like a copy, each left of its nearest training image.

    A training image is shown mirrored where its mirror image is what the synthetic one resembles. The picture shows
    real patients: it stays with the study.
    """
    rows = images.sort_by([("closeness", "ascending"), ("image_id", "ascending")]).slice(0, PAIRS).to_pylist()
    made = {name: row for row, name in enumerate(synthetic.column("image_id"))}
    there = {name: row for row, name in enumerate(real.column("image_id"))}
    pairs = []
    for row in rows:
        left = _shown(synthetic.images([made[row["image_id"]]])[0])
        right = _shown(real.images([there[row["nearest_image_id"]]])[0])
        pairs.append(np.concatenate([left, right[:, ::-1] if row["mirrored"] else right], axis=1))
    height, width, colours = pairs[0].shape
    lines = -(-len(pairs) // PAIRS_PER_ROW)
    sheet = np.full((lines * (height + GAP_PX), PAIRS_PER_ROW * (width + GAP_PX), colours), 255, dtype=np.uint8)
    for number, pair in enumerate(pairs):
        top, left_px = number // PAIRS_PER_ROW * (height + GAP_PX), number % PAIRS_PER_ROW * (width + GAP_PX)
        sheet[top : top + height, left_px : left_px + width] = pair
    write_png(path, sheet)


def _shown(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image [C, H, W] as red, green and blue [H, W, 3]; of other numbers of channels the first is shown."""
    return np.moveaxis(image if len(image) == 3 else np.repeat(image[:1], 3, axis=0), 0, -1)
