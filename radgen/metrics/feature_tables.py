"""Features of whole image sets, computed once: one file for each content of a set and each extractor, read as a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radgen.features.rows import pixel_digests
from radgen.imageset.core import ImageSet
from radgen.metrics.extractors import Extractor
from radgen.provenance import atomic_path, digest_json

FOLDER = "features"
IMAGES_AT_ONCE = 1_024
VERSION = 1


class FeatureTables:
    """The tables of a study's work folder.

    Parameters
    ----------
    work
        Folder of resumable state; tables lie in its folder `features` and may be deleted at any time.

    Attributes
    ----------
    keys
        Of the tables that were read or written.
    """

    def __init__(self, work: Path) -> None:
        self.folder = work / FOLDER
        self.keys: set[str] = set()

    def of(self, extractor: Extractor, index: Path) -> NDArray[np.float32]:
        """Return features float32 [n, D] of every image of a set, in the order of its index.

        Parameters
        ----------
        extractor
            What turns images into features.
        index
            Of the image set. The key of its table is the digest of its index and pixels, and of the extractor.
        """
        what = {"set": pixel_digests(index, "set"), "version": VERSION}
        what |= {"name": extractor.name, "digest": extractor.digest, "resize": extractor.resize}
        key = digest_json(what)[:16]
        self.keys.add(key)
        path = self.folder / f"{key}.npy"
        if not path.is_file():
            self._write(path, extractor, ImageSet(index))
        table: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        return table

    def _write(self, path: Path, extractor: Extractor, images: ImageSet) -> None:
        """Compute part by part into a file that appears when it is whole."""
        shape = (len(images), extractor.dimension)
        with atomic_path(path) as temporary:
            table = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            for start in range(0, len(images), IMAGES_AT_ONCE):
                rows = np.arange(start, min(start + IMAGES_AT_ONCE, len(images)))
                table[start : start + len(rows)] = extractor.features(images.images(rows))
            table.flush()
            del table
