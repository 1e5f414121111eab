"""What a sampled set shows at a glance: the codes of its profiles, which genes matter, and the three grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.gan.grid import write_png
from radgen.imageset.core import write_table
from radgen.radiogenomic.synthesis.grids import VARIES, grid
from radgen.radiogenomic.synthesis.saliency import MEASURES, gene_saliency, strength
from radgen.radiogenomic.synthesis.samples import Order
from radgen.radiogenomic.synthesis.sampling import RadiogenomicSampler

GRID_PROFILES, SALIENCY_PROFILES = 6, 64


def write_views(folder: Path, sampler: RadiogenomicSampler, order: Order) -> list[Path]:
    """Write embeddings.parquet, saliency.parquet and grid_{background,gene,noise}.png; return their paths.

    Saliency is averaged over at most 64 of the profiles, spread evenly over their order; grids show 6 of them.
    """
    profiles, healthy = order.profiles, order.healthy
    codes = sampler.codes(profiles.values)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(codes.reshape(-1)), codes.shape[1])
    files = [folder / "embeddings.parquet", folder / "saliency.parquet"]
    write_table(files[0], pa.table({"profile": list(profiles.patients), "code": flat}))
    some = _spread(len(profiles.patients), SALIENCY_PROFILES)
    # No profile's own: image k of everybody lies in background k.
    positions = [healthy.position("", number) for number in range(len(some))]
    backgrounds = healthy.images.images(positions)[:, 0]
    slopes = gene_saliency(sampler, profiles.values[some], backgrounds)
    columns = {name: slopes[:, place] for place, name in enumerate(MEASURES)}
    write_table(files[1], pa.table({"gene": list(profiles.genes), **columns, "strength": strength(slopes)}))
    shown = some[_spread(len(some), GRID_PROFILES)]
    for varies in VARIES:
        files.append(folder / f"grid_{varies}.png")
        write_png(files[-1], grid(sampler, varies, profiles.values[shown], backgrounds[: len(shown)]))
    return files


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Return at most so many of `count` places, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
