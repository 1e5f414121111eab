"""Films as GIF: the same frames give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.provenance import atomic_path


def write_gif(path: Path, frames: Sequence[NDArray[np.uint8]], frames_per_second: int) -> None:
    """Write frames of one size, grey uint8 [H, W] or colour [H, W, 3], as a film that repeats."""
    pictures = [Image.fromarray(frame) for frame in frames]
    if frames[0].ndim == 3:
        # One palette for all, or colours would flicker.
        palette = Image.fromarray(np.concatenate(list(frames), axis=0)).quantize(256, Image.Quantize.MEDIANCUT)
        pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 / frames_per_second),
            loop=0,
            optimize=False,
        )
