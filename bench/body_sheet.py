"""A contact sheet of slices before and after the body mask, to be looked at: the couch gone, no skin cut.

    python bench/body_sheet.py FOLDER [--out results/body-sheet.png] [--every 1] [--px 256] [--arms keep]

FOLDER holds CT slices as DICOM files; each pair shows a slice in a wide window before the mask, with the mask's edge in
red, and after it. The sheet shows patients: results/ is not kept under version control.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.dicom_volumes import read_volume
from radgen.imaging.body import CT_PADDING_HU, body_mask, removed_tissue
from radgen.imaging.settings import BodySettings
from radgen.imaging.volume import canonical
from radgen.imaging.window import Window

# Wide enough to see foam, sheets and skin at once.
WINDOW = Window(-1000.0, 400.0)
COLUMNS = 3


def pair(values: NDArray[np.generic], body: NDArray[np.bool_], px: int) -> NDArray[np.uint8]:
    """Return before and after side by side, uint8 [px, 2 px, 3]."""
    grey = WINDOW.to_grey(values)
    edge = body ^ (body & np.roll(body, 1, 0) & np.roll(body, -1, 0) & np.roll(body, 1, 1) & np.roll(body, -1, 1))
    before, after = (np.repeat(picture[..., None], 3, axis=2) for picture in (grey, grey * body))
    before[edge] = (255, 0, 0)
    resized = (Image.fromarray(picture).resize((px, px), Image.Resampling.LANCZOS) for picture in (before, after))
    return np.concatenate([np.asarray(picture) for picture in resized], axis=1)


def main() -> None:
    """Write the sheet and print the share of tissue removed from each slice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/body-sheet.png"))
    parser.add_argument("--every", type=int, default=1, help="each so manieth file")
    parser.add_argument("--px", type=int, default=256, help="side of one picture")
    parser.add_argument("--arms", choices=("keep", "drop"), default="keep")
    options = parser.parse_args()
    settings, pairs = BodySettings(arms=options.arms), []
    files = sorted(path for path in options.folder.iterdir() if path.suffix != ".txt")
    for number, path in enumerate(files[:: options.every]):
        volume, _ = canonical(read_volume([path]))
        limits = (settings.ct_threshold_hu, CT_PADDING_HU)
        body = body_mask(volume.array, limits, volume.spacing_mm, settings, closed=False)
        share = removed_tissue(volume.array, body, limits)
        print(f"{number}: {volume.array.shape}, {body.mean():.3f} of the slice kept, {share:.4f} of its tissue removed")
        pairs.append(pair(volume.array[0], body[0], options.px))
    pairs += [np.zeros_like(pairs[0])] * (-len(pairs) % COLUMNS)
    rows = [np.concatenate(pairs[start : start + COLUMNS], axis=1) for start in range(0, len(pairs), COLUMNS)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
