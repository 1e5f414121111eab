"""Take a study's own slices as patches of nodules and of healthy tissue, with masks made by a threshold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.errors import CohortError, ConfigError
from radgen.provenance import SawPatients, saw_patients_of, what_part, write_manifest
from radgen.radiogenomic.settings import PatchSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radgen.imageset.core import ImageSet
    from radgen.radiogenomic.patch_sets import PatchFiles

VERSION = 3
SHARD = "shard-000"


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    index: Path,
    backgrounds: Path,
    patches: Path,
    rejects: Path,
    manifest: Path,
    nodules: PatchSettings,
) -> None:
    """Write both image sets, where an archive holds pictures of nodules and no segmentation.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set: one class shows nodules, another healthy tissue.
    index, backgrounds, patches, rejects, manifest
        As `nodules_gather` writes them.
    nodules
        The two classes, and the size of a patch, which is that of the slices.

    Raises
    ------
    ConfigError
        Slices are of another size.
    CohortError
        No training patient has usable pictures of both classes.
    """
    from radgen.features.rows import patients_of, pixel_digests
    from radgen.imageset.core import ImageSet, write_table
    from radgen.imageset.gather import join_index, join_tables
    from radgen.radiogenomic.patch_sets import PatchFiles
    from radgen.radiogenomic.threshold_masks import CALLED

    images = ImageSet(slices)
    if images.image_shape != (1, nodules.size_px, nodules.size_px):
        msg = f"slices are of {images.image_shape}, but nodules.size_px is {nodules.size_px}; give both one size"
        raise ConfigError(msg)
    target = PatchFiles(index.parent, SHARD)
    counts = _write(target, images, nodules)
    files = target.files
    join_index([files["index"]], index)
    join_index([files["backgrounds"]], backgrounds)
    for name, path in (("patches", patches), ("rejects", rejects)):
        write_table(path, join_tables([files[name]]))
    shown = images.rows_where(class_name=nodules.classes)
    everyone = patients_of(images, shown)
    write_manifest(
        manifest,
        what=what_part(
            stage="nodules_pictures",
            version=VERSION,
            settings={"nodules": as_plain(nodules), "structures": ["nodule"]},
            inputs=pixel_digests(slices, "slices"),
        ),
        outputs=files | {"index": index, "backgrounds_index": backgrounds, "patches": patches, "rejects": rejects},
        saw_patients=SawPatients(pixels=everyone, labels=everyone)
        | SawPatients(unknown=saw_patients_of(slices_manifest).unknown),
        notes=counts | {"caption": CALLED},
    )
    print(f"nodules: {counts['nodule']} nodule patches, {counts['background']} healthy ones, {CALLED}", flush=True)  # noqa: T201


def _write(target: PatchFiles, images: ImageSet, settings: PatchSettings) -> dict[str, Any]:
    """Write one shard; return the counts of both kinds and of the rejects."""
    from radgen.radiogenomic.patch_sets import PatchWriter
    from radgen.radiogenomic.patches import BACKGROUND, NODULE, Patch

    counts = {NODULE: 0, BACKGROUND: 0, "rejects": 0}
    taught: dict[str, set[str]] = {NODULE: set(), BACKGROUND: set()}
    columns = images.table.select(["series", "patient", "split", "modality", "anatomy", "slice_index"])
    rows = columns.to_pylist()
    with PatchWriter(target, settings) as writer:
        for class_name, kind in zip(settings.classes, (NODULE, BACKGROUND), strict=True):
            for place in images.rows_where(class_name=class_name):
                picture, row = images.images([place])[0, 0], rows[place]
                mask, refused = _mask_or_refusal(picture, settings, healthy=kind == BACKGROUND)
                if refused:
                    counts["rejects"] += 1
                    writer.refuse(row, refused)
                    continue
                side = {"kind": kind, "nodule": 1, "slice": row["slice_index"], "pixel_mm": None}
                writer.append(Patch(picture, mask, side), row, kind)
                counts[kind] += 1
                taught[kind] |= {row["patient"]} if row["split"] == "train" else set()
    if not taught[NODULE] & taught[BACKGROUND]:
        msg = (
            f"no training patient has pictures of both classes: {len(taught[NODULE])} of {settings.classes[0]!r}, "
            f"{len(taught[BACKGROUND])} of {settings.classes[1]!r}, {counts['rejects']} pictures were refused; correct "
            "nodules.classes or nodules.lung_share"
        )
        raise CohortError(msg)
    return counts


def _mask_or_refusal(
    picture: NDArray[np.uint8], settings: PatchSettings, *, healthy: bool
) -> tuple[NDArray[np.uint8], str]:
    """Return a picture's mask, and why it is refused, if it is."""
    from radgen.radiogenomic.threshold_masks import lung_share, threshold_mask

    if healthy:
        share = lung_share(picture, settings.low_hu, settings.high_hu)
        short = share < settings.lung_share
        words = f"{share:.2f} of a healthy picture is lung, nodules.lung_share asks for {settings.lung_share:g}"
        return picture * 0, words if short else ""
    mask = threshold_mask(picture)
    found = "a picture without a dense part in its middle, apart from its edge, that a threshold finds"
    return mask, "" if mask.any() else found
