"""Nodules in pictures that nobody outlined: a threshold stands in, and says what it cannot find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from radgen.errors import CohortError, ConfigError
from radgen.imageset.core import ImageSet, gather_index
from radgen.imageset.writers import ShardWriter
from radgen.provenance import SawPatients, read_manifest, what_part, write_manifest
from radgen.radiogenomic.settings import PatchSettings
from radgen.radiogenomic.threshold_masks import lung_share, otsu_threshold, threshold_mask
from radgen.stages import nodules_pictures

SIZE = 32


def disk(row: float, column: float, radius: float) -> NDArray[np.bool_]:
    y, x = np.indices((SIZE, SIZE))
    return np.asarray(np.hypot(y - row, x - column) <= radius)


def picture(seed: int, *disks: tuple[float, float, float]) -> NDArray[np.uint8]:
    values = np.random.default_rng(seed).normal(40, 6, (SIZE, SIZE))
    for place in disks:
        values[disk(*place)] += 130
    return np.clip(values, 0, 255).astype(np.uint8)


def test_the_threshold_divides_two_heaps() -> None:
    values = np.concatenate([np.full(900, 20), np.full(100, 200)]).astype(np.uint8)
    assert 20 <= otsu_threshold(values) < 200


def test_the_dense_part_in_the_middle_is_the_nodule() -> None:
    mask = threshold_mask(picture(0, (15, 17, 6), (3, 3, 3)))
    truth = disk(15, 17, 6)
    assert 2 * ((mask > 127) & truth).sum() / ((mask > 127).sum() + truth.sum()) > 0.95
    assert len(np.unique(mask)) > 3  # smooth edges
    assert not (mask[:7, :7] > 0).any()


@pytest.mark.parametrize("image", [np.zeros((SIZE, SIZE), np.uint8), picture(1, (15, 15, 40)), picture(2, (0, 0, 6))])
def test_what_is_no_nodule_gives_an_empty_mask(image: NDArray[np.uint8]) -> None:
    mask = threshold_mask(image)
    assert (mask > 127).mean() < 0.02


def test_a_dense_part_that_leaves_the_picture_is_no_nodule() -> None:
    wall = picture(3)
    wall[:, 14:] = 170  # dense from the middle to the right edge, less than half of the picture
    wall[:10] = wall[-10:] = 40
    assert not threshold_mask(wall).any()
    assert threshold_mask(picture(3, (15, 17, 6))).any()


def test_vessels_within_the_lung_are_counted_in_and_the_wall_is_not() -> None:
    assert lung_share(picture(4, (15, 15, 4)), -1000, 500) == 1.0
    wall = picture(4)
    wall[:, 24:] = 200
    assert lung_share(wall, -1000, 500) == 0.75


def test_a_healthy_picture_of_the_chest_wall_is_refused_with_both_values(tmp_path: Path) -> None:
    slices = write_slices(tmp_path / "slices", wall=True)
    take(slices, tmp_path / "nodules", PICTURES)
    rejects = pq.read_table(tmp_path / "nodules" / "rejects.parquet").to_pylist()
    told = [row["sentence"] for row in rejects if "lung_share" in row["sentence"]]
    assert told == ["0.50 of a healthy picture is lung, nodules.lung_share asks for 0.8"]
    assert len(ImageSet(tmp_path / "nodules" / "backgrounds" / "index.parquet")) == 5


def write_slices(folder: Path, *, healthy: bool = True, wall: bool = False) -> Path:
    with ShardWriter(folder, "shard-000", (1, SIZE, SIZE), with_masks=False) as writer:
        for number in range(12):
            name = "nodule" if number % 2 or not healthy else "healthy"
            row = {"image_id": f"i{number}", "source": "real", "split": "train" if number < 8 else "test"}
            row |= {"patient": f"p{number // 2}", "series": f"s{number}", "class_name": name, "slice_index": 0}
            row |= {"modality": "CT", "anatomy": "LUNG"}
            empty = number == 11
            shown = picture(number, *([(15, 15, 5)] if name == "nodule" and not empty else []))
            if wall and number == 0:
                shown[:, SIZE // 2 :] = 200
            writer.append(row, shown[None])
    gather_index([folder / "shard-000.index.parquet"], folder / "index.parquet")
    what = what_part(stage="slices_gather", version=1, settings={}, inputs={})
    write_manifest(folder / "manifest.json", what=what, outputs={}, saw_patients=SawPatients(unknown=frozenset({"x"})))
    return folder


def take(slices: Path, out: Path, settings: PatchSettings) -> ImageSet:
    nodules_pictures.run(
        slices=slices / "index.parquet",
        slices_manifest=slices / "manifest.json",
        index=out / "index.parquet",
        backgrounds=out / "backgrounds" / "index.parquet",
        patches=out / "patches.parquet",
        rejects=out / "rejects.parquet",
        manifest=out / "manifest.json",
        nodules=settings,
    )
    return ImageSet(out / "index.parquet")


PICTURES = PatchSettings(source="pictures", classes=("nodule", "healthy"), size_px=SIZE)


def test_pictures_become_both_image_sets(tmp_path: Path) -> None:
    slices = write_slices(tmp_path / "slices")
    nodules = take(slices, tmp_path / "nodules", PICTURES)
    healthy = ImageSet(tmp_path / "nodules" / "backgrounds" / "index.parquet")
    assert (len(nodules), len(healthy)) in {(5, 6), (6, 6)}
    assert set(healthy.column("patient")) == {f"p{number}" for number in range(6)}
    assert nodules.has_masks
    real = ImageSet(slices / "index.parquet")
    shown = real.rows_where(class_name="nodule")
    np.testing.assert_array_equal(nodules.images([0]), real.images(shown[:1]))
    manifest = read_manifest(tmp_path / "nodules" / "manifest.json")
    assert manifest["run"]["notes"]["caption"] == "nodule masks made by a threshold"
    assert manifest["what"]["saw_patients"]["unknown"] == ["x"]
    assert set(manifest["what"]["saw_patients"]["labels"]["by_split"]["test"]) == {"p4", "p5"}


def test_other_sizes_and_a_class_that_is_not_there_are_refused(tmp_path: Path) -> None:
    slices = write_slices(tmp_path / "slices", healthy=False)
    with pytest.raises(ConfigError, match=r"slices are of \(1, 32, 32\), but nodules.size_px is 64"):
        take(slices, tmp_path / "nodules", PatchSettings(source="pictures", size_px=64))
    with pytest.raises(CohortError, match="pictures of both classes: 4 of 'nodule', 0 of 'healthy'"):
        take(slices, tmp_path / "nodules", PICTURES)
