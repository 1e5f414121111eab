"""Images that lend their surroundings to maps: which one, drawn by a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.seeds import derive_seed

# Beside the index of a set whose maps stood in surroundings of other images.
LENT_FILE = "surroundings.parquet"
LENT_SCHEMA = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("image_id", "lender")])


class Lenders:
    """Images of a set that lend.

    Parameters
    ----------
    images
        The set; its masks are never read.
    rows
        Positions in its index, int64 [n]; at least one.
    by_class
        Whether an image lends to maps of its own class alone, where there are such: for classes that are a slice's
        place. Other classes somebody labelled, and whoever may see an image alone must not see those.
    """

    def __init__(self, images: ImageSet, rows: NDArray[np.int64], *, by_class: bool) -> None:
        self.images, self._rows = images, rows
        names = images.column("class_name")[rows].astype(str) if by_class else np.array([])
        self._of_class = {str(name): rows[names == name] for name in np.unique(names)}

    def draw(self, class_name: str | None, *seed: str | int) -> int:
        """Return the position of one that may lend to a map of a class; equal seeds draw the same."""
        random = np.random.default_rng(derive_seed("semantic lender", *seed))
        return int(random.choice(self._of_class.get(str(class_name), self._rows)))


def lender_of(folder: Path, image_id: str) -> str | None:
    """Return the id of the image that gave one of a set its surroundings; None where nothing was lent.

    Raises
    ------
    InputError
        The table of what was lent cannot be read, or lacks the image.
    """
    path = folder / LENT_FILE
    if not path.is_file():
        return None
    try:
        lent: dict[str, str] = {
            row["image_id"]: row["lender"] for row in pq.read_table(path, schema=LENT_SCHEMA).to_pylist()
        }
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path}: not a readable table of which image gave which its surroundings ({error}); sample again"
        raise InputError(msg) from error
    if image_id not in lent:
        msg = f"{path}: {len(lent)} images, but not {image_id}; sample again"
        raise InputError(msg)
    return lent[image_id]
