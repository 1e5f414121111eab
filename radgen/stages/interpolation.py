"""Make the frames of a way through a generator's classes, the latent held, for the report's strip and film."""

from __future__ import annotations

from pathlib import Path

from radgen.gan.settings import SampleSettings
from radgen.provenance import input_digest, what_part, write_manifest
from radgen.settings import as_plain
from radgen.stages.latent.opened import Key, Opened, open_generator, say

VERSION = 1
FRAMES = 8  # from one key to the next
MOST_CLASSES = 6


def run(
    *,
    weights: Path,
    gan_manifest: Path,
    source: str,
    index: Path,
    manifest: Path,
    sample: SampleSettings,
    device: str = "auto",
) -> None:
    """Write the frames as an image set; row r of it is frame r.

    Every class is visited with the same latent; a generator of one class goes between two latents instead.

    Parameters
    ----------
    weights, gan_manifest
        Published generator.
    source
        Name of the source.
    index, manifest
        Outputs, in one folder.
    sample
        Seed, truncation and threads, as for the samples.
    device
        auto, cpu or cuda.

    Raises
    ------
    CheckpointError, StorageError
        The weights are damaged, the disk is full.
    """
    from radgen.gan.latent.interpolation import walk
    from radgen.gan.latent.styles import paint
    from radgen.imageset.core import gather_index, images_path
    from radgen.imageset.writers import ShardWriter

    opened = open_generator(weights, gan_manifest, device, sample.threads)
    keys = choose_keys(opened.class_names, sample.seed)
    frames = walk(opened.styles(keys, opened.truncation(sample.truncation, None)), FRAMES)
    shape = opened.generator.shape
    base = index.parent / "shard-000"
    size = (shape.image_channels, shape.resolution, shape.resolution)
    with ShardWriter(index.parent, base.name, size, with_masks=False) as writer:
        for number, style in enumerate(frames):
            writer.append(_row(opened, source, keys, number), paint(opened.generator, style))
    part = base.parent / f"{base.name}.index.parquet"
    drawn = gather_index([part], index)
    settings = {"source": source, "keys": [str(key) for key in keys], "frames": FRAMES, "sample": as_plain(sample)}
    write_manifest(
        manifest,
        what=what_part(
            stage="interpolation",
            version=VERSION,
            settings=settings,
            inputs={"weights": input_digest(weights)},
            seed=sample.seed,
        ),
        outputs={path.name: path for path in (index, part, images_path(base))},
        saw_patients=opened.saw_patients,
        device=opened.device,
    )
    say(f"interpolation {source}: {drawn} frames through {', '.join(map(str, keys))}")


def choose_keys(class_names: tuple[str, ...], seed: int) -> list[Key]:
    """Return the keys of the way: each class with the same seed, or two seeds of an only class.

    >>> [str(key) for key in choose_keys(("a", "b"), 7)], [str(key) for key in choose_keys(("a",), 7)]
    (['a:7', 'b:7'], ['a:7', 'a:8'])
    """
    if len(class_names) == 1:
        return [Key(class_names[0], seed), Key(class_names[0], seed + 1)]
    return [Key(name, seed) for name in class_names[:MOST_CLASSES]]


def _row(opened: Opened, source: str, keys: list[Key], number: int) -> dict[str, object]:
    """Return the index row of a frame; its class is the key it is nearest to."""
    name = keys[round(number / FRAMES)].class_name
    return {
        "image_id": f"{source}_frame_{number:06d}",
        "source": source,
        "split": "synthetic",
        "class_name": name,
        "class_id": opened.class_id(name),
        "checkpoint": opened.digest,
    }
