"""Writing the synthetic nodules of one source: images, masks, switch maps, and of what each is made.

Image k of every profile has the same background and the same noise, so that between profiles genes alone differ. With
`backgrounds: own` a patient's images lie in that patient's lung instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from radgen.errors import CohortError, InputError
from radgen.gan.sampling import image_id
from radgen.imageset.core import ImageSet, gather_index, images_path, masks_path, write_table
from radgen.imageset.writers import ShardWriter
from radgen.radiogenomic.expression import Expression, save_expression
from radgen.radiogenomic.synthesis.sampling import Nodule, RadiogenomicSampler
from radgen.radiogenomic.synthesis.settings import RadiogenomicSampleSettings
from radgen.seeds import random_generator

NODULE = "nodule"
SWITCHES = "switches"
"""Folder of the switch maps, below that of the images; ids are the same."""
DRAWS, PROFILES = "draws.parquet", "profiles.parquet"
DRAWS_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("profile", pa.string(), nullable=False),  # the patient whose genes were used, or an edit's name
        pa.field("background", pa.string(), nullable=False),  # image id of the healthy patch
        pa.field("number", pa.int32(), nullable=False),  # of the noise
        pa.field("seed", pa.int64(), nullable=False),  # of the noise
        pa.field("area_px", pa.float64(), nullable=False),  # sum of the mask's cover
    ]
)


class Healthy:
    """The healthy patches that nodules are drawn into.

    Parameters
    ----------
    images
        Healthy patches of one channel.
    shared
        Positions of those that anybody's nodule may lie in, at least one.
    seed
        Of their order.
    own
        Whether a patient's own patches come first.

    Raises
    ------
    CohortError
        There is none.
    """

    def __init__(self, images: ImageSet, shared: NDArray[np.int64], *, seed: int, own: bool) -> None:
        if not len(shared):
            msg = f"{images.folder}: no healthy patches to draw into; see the rejects of the patches"
            raise CohortError(msg)
        self.images = images
        self._shared = random_generator("radiogenomic backgrounds", seed).permutation(shared)
        self._owners = images.column("patient") if own else None

    def position(self, profile: str, number: int) -> int:
        """Return where in the set the background of image `number` of a profile lies."""
        if self._owners is not None:
            own = np.flatnonzero(self._owners == profile)
            if len(own):
                return int(own[number % len(own)])
        return int(self._shared[number % len(self._shared)])


@dataclass(frozen=True, eq=False)
class Order:
    """What is to be drawn.

    Parameters
    ----------
    profiles
        Whose genes; names are part of the image ids.
    healthy
        Backgrounds.
    checkpoint
        Digest of the weights.
    settings
        How many.
    """

    profiles: Expression
    healthy: Healthy
    checkpoint: str
    settings: RadiogenomicSampleSettings


def write_nodules(index: Path, sampler: RadiogenomicSampler, order: Order) -> list[Path]:
    """Write the image set with masks, its switch maps beside it, and the tables of draws and profiles.

    Parameters
    ----------
    index
        Where the index goes; all else lies beside it, and shards of an earlier run are removed.
    sampler
        Draws.
    order
        What.

    Returns
    -------
    list of Path
        All files written.
    """
    folder, side = index.parent, sampler.resolution
    for old in (*folder.glob("shard-*"), *(folder / SWITCHES).glob("shard-*")):
        old.unlink()
    draws: list[dict[str, Any]] = []
    made = _made(sampler, order, draws)
    total = len(order.profiles.patients) * order.settings.per_patient
    names = [f"shard-{number:03d}" for number in range(-(-total // order.settings.rows_per_shard))]
    for name in names:
        with (
            ShardWriter(folder, name, (1, side, side), with_masks=True, covers=True) as images,
            ShardWriter(folder / SWITCHES, name, (1, side, side), with_masks=False) as switches,
        ):
            for _, (row, nodule) in zip(range(order.settings.rows_per_shard), made, strict=False):
                images.append(row, nodule.image[None], nodule.mask)
                switches.append(row, nodule.switch[None])
    files = [index, folder / SWITCHES / "index.parquet", folder / DRAWS, folder / PROFILES]
    for target in files[:2]:
        bases = [target.parent / name for name in names]
        parts = [base.with_name(f"{base.name}.index.parquet") for base in bases]
        gather_index(parts, target)
        files += [*parts, *map(images_path, bases)]
    write_table(folder / DRAWS, pa.Table.from_pylist(draws, schema=DRAWS_SCHEMA))
    save_expression(folder / PROFILES, order.profiles)
    return [*files, *(masks_path(folder / name) for name in names)]


def _made(
    sampler: RadiogenomicSampler, order: Order, draws: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], Nodule]]:
    healthy = order.healthy.images
    ids = healthy.column("image_id")
    for name, profile in zip(order.profiles.patients, order.profiles.values, strict=True):
        for number in range(order.settings.per_patient):
            position = order.healthy.position(name, number)
            nodule = sampler.draw(profile, healthy.images([position])[0, 0], number)
            identity = image_id(sampler.card.source, name, number)
            draws.append(
                {
                    "image_id": identity,
                    "profile": name,
                    "background": str(ids[position]),
                    "number": number,
                    "seed": nodule.seed,
                    "area_px": float(nodule.mask.sum()) / 255,
                }
            )
            row = {
                "image_id": identity,
                "source": sampler.card.source,
                "split": "synthetic",
                "class_name": NODULE,
                "class_id": 0,
                "seed": nodule.seed,
                "checkpoint": order.checkpoint,
            }
            yield row | _shown(healthy, position), nodule


def _shown(healthy: ImageSet, position: int) -> dict[str, Any]:
    """Return what an image shares with its background: whose series it shows, what a grey means, a pixel's size."""
    names = ("series", "modality", "anatomy", "spacing_row_mm", "spacing_col_mm", "window_low", "window_high")
    row = healthy.table.select(names).slice(position, 1).to_pylist()[0]
    return {name: row[name] for name in names}


def draw_again(
    folder: Path, identity: str, sampler: RadiogenomicSampler, healthy: ImageSet, profiles: Expression
) -> Nodule:
    """Draw one nodule again from what the table of draws says of it.

    Raises
    ------
    InputError
        The table or the backgrounds do not know the image.
    """
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / DRAWS, schema=DRAWS_SCHEMA, filters=[("image_id", "=", identity)]).to_pylist()
    found = healthy.rows_where(image_id=rows[0]["background"]) if rows else np.zeros(0, dtype=np.int64)
    if len(found) == 0:
        what = f"background {rows[0]['background']!r} is not among {len(healthy)}" if rows else "no such draw"
        msg = f"{folder}: {identity!r} cannot be made again ({what}); give the study's own backgrounds, or sample again"
        raise InputError(msg)
    background = healthy.images(found)[0, 0]
    return sampler.draw(profiles.of([rows[0]["profile"]])[0], background, int(rows[0]["number"]))
