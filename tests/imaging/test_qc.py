"""Quality checks: counts that add up, thumbnails that are what was stored, a row for every series."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import InputError
from radgen.imageset.core import ImageSet
from radgen.imaging.qc import (
    BINS,
    CT_RANGE_HU,
    QC_SCHEMA,
    ROWS_PER_GROUP,
    SAMPLE_VOXELS,
    THUMBNAIL_PX,
    intensities,
    join_qc,
    png,
    sample_step,
    shown,
    smaller,
    whole_slice,
)
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.slices import Recipe, SeriesFacts, slice_series
from tests.imaging.archives import Archive
from tests.imaging.toys import SLICES, canonical_volume, scene

RECIPE = Recipe(SlicesSettings(size_px=256), ClassSettings(by="folder", names=("a",)), StructureSettings())
FACTS = SeriesFacts("s", "p", "train", "CT", "abdomen", "a")


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def test_counts_add_up_to_the_voxels_sampled_and_tell_kept_from_removed() -> None:
    drawn = scene()
    for modality in ("CT", "MR"):
        found = intensities(drawn.hu, drawn.trunk, modality)
        step = sample_step(drawn.hu.size)
        sampled = drawn.trunk.reshape(-1)[::step]
        assert sum(found["kept_counts"]) == np.count_nonzero(sampled)
        assert sum(found["removed_counts"]) == np.count_nonzero(~sampled)
        assert len(found["kept_counts"]) == len(found["removed_counts"]) == BINS + 2
        assert found["kept_median"] == pytest.approx(40, abs=2)


def test_a_histogram_counts_what_numpy_counts() -> None:
    random = np.random.default_rng(0)
    hu = random.normal(0, 900, (4, 60, 70)).astype(np.int16)
    found = intensities(hu, None, "CT")
    low, high = CT_RANGE_HU
    counted, _ = np.histogram(hu, np.linspace(low, high, BINS + 1))
    counted[-1] -= np.count_nonzero(hu == high)  # the upper edge is above the range here
    assert found["kept_counts"] == [np.count_nonzero(hu < low), *counted, np.count_nonzero(hu >= high)]
    assert sum(found["removed_counts"]) == 0
    assert found["kept_median"] == np.median(hu)


def test_pictures_of_eight_bits_lie_in_the_range_of_their_type() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    found = intensities(grey, None, "")
    assert (found["histogram_low"], found["histogram_high"]) == (0, 256)
    assert found["kept_counts"] == [0, *[256 // BINS] * BINS, 0]


def test_whole_numbers_fall_into_bins_of_equal_width() -> None:
    even = np.tile(np.arange(1000, dtype=np.int16), 60).reshape(6, 100, 100)
    counts = np.array(intensities(even, None, "MR")["kept_counts"][1:-1])
    full = counts[1 : np.flatnonzero(counts)[-1]]
    assert np.ptp(full) < 0.06 * full.mean()


def test_a_flat_volume_and_an_empty_body_have_histograms() -> None:
    flat = np.full((2, 8, 8), 7.0, dtype=np.float32)
    found = intensities(flat, np.zeros(flat.shape, dtype=bool), "MR")
    assert found["histogram_low"] < 7 < found["histogram_high"]
    assert found["kept_median"] is None
    assert sum(found["removed_counts"]) == flat.size


@pytest.mark.parametrize("shape", [(128, 256, 256), (200, 512, 512), (128, 400, 400), (3, 7, 11)])
def test_a_sample_visits_rows_and_columns_alike(shape: tuple[int, int, int]) -> None:
    size = int(np.prod(shape))
    places = np.arange(0, size, sample_step(size))
    assert 0.9 * min(size, SAMPLE_VOXELS) <= len(places) <= 1.1 * SAMPLE_VOXELS
    for place in (places % shape[2], places // shape[2] % shape[1]):
        counts = np.bincount(place)
        assert counts.min() > 0.5 * counts.mean()


def test_thumbnails_are_the_slice_before_and_as_stored() -> None:
    drawn = scene()
    stored = slice_series(canonical_volume(drawn.hu), None, FACTS, RECIPE)
    assert stored.qc is not None
    index = stored.qc["thumbnail_slice"]
    place = [row["slice_index"] for row in stored.rows].index(index)
    after, before = pixels(stored.qc["after"]), pixels(stored.qc["before"])
    assert after.shape == before.shape == (THUMBNAIL_PX, THUMBNAIL_PX)
    blocks = stored.images[place][0].reshape(THUMBNAIL_PX, 2, THUMBNAIL_PX, 2).mean(axis=(1, 3))
    assert np.abs(after - blocks).max() <= 0.5
    # The couch is in one and not in the other; the trunk is in both.
    couch = np.asarray(Image.fromarray(drawn.couch[index]).resize(after.shape, Image.Resampling.NEAREST))
    trunk = np.asarray(Image.fromarray(drawn.trunk[index]).resize(after.shape, Image.Resampling.NEAREST))
    assert before[couch].mean() > 100
    assert after[couch].mean() < 25
    assert np.abs(before[trunk].astype(int) - after[trunk])[3:-3].mean() < 3


def test_three_channels_are_colours_and_other_numbers_show_their_first() -> None:
    planes = [np.full((4, 4), value, dtype=np.uint8) for value in (10, 20, 30)]
    assert pixels(png(shown(planes)))[0, 0].tolist() == [10, 20, 30]
    assert pixels(png(shown(planes[:2])))[0, 0] == 10


def test_a_small_image_is_shown_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8)
    assert np.array_equal(pixels(png(smaller(image))), image)


def test_a_whole_slice_has_square_pixels() -> None:
    grey = np.full((50, 100), 200, dtype=np.float32)
    shown = whole_slice(grey, (4.0, 1.0))  # 200 mm by 100 mm
    assert shown.shape == (100, 100)
    assert (shown.max(axis=1) == 200).all()
    assert abs(np.count_nonzero(shown.max(axis=0)) - 50) <= 1


def test_the_removed_share_is_of_all_voxels() -> None:
    drawn = scene()
    stored = slice_series(canonical_volume(drawn.hu), None, FACTS, RECIPE)
    assert stored.qc is not None
    assert stored.qc["removed_fraction"] == pytest.approx(1 - (drawn.trunk | drawn.arm).mean(), abs=0.01)
    lost = [row["removed_tissue_fraction"] for row in stored.rows]
    assert stored.qc["removed_tissue_most"] == max(lost) > 0.01  # the couch's shell
    assert lost[[row["slice_index"] for row in stored.rows].index(stored.qc["removed_tissue_slice"])] == max(lost)
    assert stored.qc["removed_tissue"] == pytest.approx(np.mean(lost))
    assert (stored.qc["minimum"], stored.qc["maximum"]) == (drawn.hu.min(), drawn.hu.max())


def test_every_series_has_a_row_also_when_it_is_refused(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.add("a", "train")
    archive.add("b", "train", image=b"not a volume")
    remark = {"kind": "tilted", "treatment": "resample", "figure": 12.0, "unit": "degrees"}
    archive.rows[0]["remarks"] = [remark]
    out = archive.run()
    table = pq.read_table(out / "shard-000.qc.parquet")
    assert table.schema.equals(QC_SCHEMA)
    read, refused = table.to_pylist()
    assert (read["series_key"], read["n_slices"], read["n_stored"], read["refused"]) == ("a", SLICES, SLICES, None)
    assert (read["class_names"], read["remarks"]) == (["ill"], [remark])
    images = ImageSet(out / "shard-000.index.parquet")
    place = list(images.column("slice_index")).index(read["thumbnail_slice"])
    assert np.array_equal(pixels(read["after"]), images.images([place])[0, 0])
    assert (refused["series_key"], refused["refused"], refused["n_stored"]) == ("b", "foreign", 0)
    assert refused["before"] is None
    assert refused["kept_counts"] is None


def test_tables_are_joined_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row: dict[str, Any] = {field.name: None for field in QC_SCHEMA}
    filled = {"patient_key": "p", "split": "train", "archive": "", "format": "nifti", "modality": "CT", "anatomy": ""}
    row |= filled | {
        "class_names": [],
        "n_slices": 1,
        "n_stored": 0,
        "n_refused": 0,
        "rows": 1,
        "cols": 1,
        "remarks": [],
    }
    parts = []
    for number in range(3):
        rows = [row | {"series_key": f"{number}-{at}", "before": bytes([at])} for at in range(ROWS_PER_GROUP)]
        parts.append(tmp_path / f"{number}.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema=QC_SCHEMA), parts[-1])
    sizes: list[int] = []
    write = pq.ParquetWriter.write_table
    monkeypatch.setattr(
        pq.ParquetWriter, "write_table", lambda self, table: (sizes.append(table.num_rows), write(self, table))[1]
    )
    assert join_qc(parts, tmp_path / "all.parquet") == 3 * ROWS_PER_GROUP
    assert max(sizes) <= ROWS_PER_GROUP
    joined = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert joined == [one for part in parts for one in pq.read_table(part).to_pylist()]


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"reason": ["x"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet: columns reason are not those of quality checks"):
        join_qc([tmp_path / "other.parquet"], tmp_path / "all.parquet")
    assert not (tmp_path / "all.parquet").exists()
