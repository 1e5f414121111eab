import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radgen.errors import InputError
from radgen.imageset.core import COLUMNS, INDEX_SCHEMA, ROWS_PER_BATCH, ImageSet, gather_index, read_index, write_index
from radgen.imageset.writers import MaskShardWriter, ShardWriter

SHAPE = (1, 6, 5)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def write(folder: Path, shard: str, images: np.ndarray, *, masks: bool = False, **columns: Any) -> Path:
    with ShardWriter(folder, shard, SHAPE, with_masks=masks) as writer:
        for number, image in enumerate(images):
            row = {"image_id": f"{shard}-{number}", "source": "real", "class_id": number % 3} | columns
            writer.append(row, image, image[0] // 2 if masks else None)
    return folder / f"{shard}.index.parquet"


@pytest.mark.parametrize("count", [0, 1, ROWS_PER_BATCH - 1, ROWS_PER_BATCH, ROWS_PER_BATCH + 1, 3 * ROWS_PER_BATCH])
def test_what_is_appended_is_read(tmp_path: Path, count: int) -> None:
    images = pictures(count)
    found = ImageSet(write(tmp_path, "shard-000", images, masks=True))
    assert len(found) == count
    if count:
        assert np.array_equal(found.images(range(count)), images)
        assert np.array_equal(found.masks(range(count)), images[:, 0] // 2)
        assert found.has_masks
        assert found.image_shape == SHAPE
    reader = pa.ipc.open_file(pa.memory_map(str(tmp_path / "shard-000.images.arrow")))
    assert all(reader.get_batch(n).num_rows <= ROWS_PER_BATCH for n in range(reader.num_record_batches))


@given(st.lists(st.integers(0, 699), max_size=80), st.data())
@settings(max_examples=25, deadline=None)
def test_any_order_of_rows_may_be_gathered(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-order"
    images = pictures(700)
    if not (folder / "index.parquet").is_file():
        cut = (0, 40, 340, 700)
        parts = [write(folder / "deep", f"s{k}", images[cut[k] : cut[k + 1]]) for k in range(3)]
        gather_index(parts, folder / "index.parquet")
    found = ImageSet(folder / "index.parquet")
    assert found.images(np.array(order, dtype=np.int64)).tolist() == images[order].tolist()
    wanted = data.draw(st.integers(0, 2))
    assert np.array_equal(np.flatnonzero(found.column("class_id") == wanted), found.rows_where(class_id=wanted))


def test_appending_means_new_shards_and_old_ones_keep_their_bytes(tmp_path: Path) -> None:
    first = write(tmp_path, "shard-000", pictures(9), split="train")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    second = write(tmp_path, "shard-001", pictures(4, seed=1), split="test")
    assert gather_index([first, second], tmp_path / "index.parquet") == 13
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    found = ImageSet(tmp_path / "index.parquet")
    assert np.array_equal(found.images([0, 9, 12]), np.concatenate([pictures(9)[:1], pictures(4, seed=1)[[0, 3]]]))
    assert found.rows_where(split="test").tolist() == [9, 10, 11, 12]
    assert found.rows_where(split=("train", "test"), class_id=2).tolist() == [2, 5, 8, 11]
    assert read_index(tmp_path / "index.parquet").schema.equals(INDEX_SCHEMA)


def test_gathering_again_gives_the_same_bytes_and_parts_may_lie_deeper(tmp_path: Path) -> None:
    parts = [write(tmp_path / name, "shard-000", pictures(n, seed=n)) for name, n in (("main", 3), ("more", 2))]
    gather_index(parts, tmp_path / "index.parquet")
    first = (tmp_path / "index.parquet").read_bytes()
    gather_index(parts, tmp_path / "index.parquet")
    assert (tmp_path / "index.parquet").read_bytes() == first
    assert set(read_index(tmp_path / "index.parquet")["shard"].to_pylist()) == {"main/shard-000", "more/shard-000"}
    assert np.array_equal(ImageSet(tmp_path / "index.parquet").images([3, 4]), pictures(2, seed=2))


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, "shard-000", pictures(300), masks=True)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) == 3


def test_pyarrow_alone_reads_an_image_set(tmp_path: Path) -> None:
    write(tmp_path, "shard-000", pictures(5), masks=True)
    with pa.ipc.open_file(str(tmp_path / "shard-000.images.arrow")) as reader:
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        images = np.concatenate([batch["image"].to_numpy_ndarray() for batch in batches])
        assert reader.schema.field("image").type == pa.fixed_shape_tensor(pa.uint8(), SHAPE)
    assert np.array_equal(images, pictures(5))
    with pa.ipc.open_file(str(tmp_path / "shard-000.masks.arrow")) as reader:
        assert reader.get_batch(0)["mask"].to_numpy_ndarray().shape == (5, *SHAPE[1:])
        assert reader.get_batch(0)["image_id"].to_pylist() == [f"shard-000-{n}" for n in range(5)]


@pytest.mark.parametrize("count", [1, ROWS_PER_BATCH + 1])
def test_label_maps_without_images_make_a_set_of_masks_alone(tmp_path: Path, count: int) -> None:
    maps = pictures(count)[:, 0]
    with MaskShardWriter(tmp_path, "shard-000", SHAPE[1:]) as writer:
        for number, one in enumerate(maps):
            writer.append({"image_id": f"m-{number}", "source": "maps"}, one)
    assert {path.name for path in tmp_path.iterdir()} == {"shard-000.masks.arrow", "shard-000.index.parquet"}
    gather_index([tmp_path / "shard-000.index.parquet"], tmp_path / "index.parquet")
    found = ImageSet(tmp_path / "index.parquet")
    assert np.array_equal(found.masks(range(count)), maps)
    assert (found.has_masks, found.has_images, found.mask_shape) == (True, False, SHAPE[1:])
    with pytest.raises(InputError, match=r"shard-000\.images\.arrow: no such file; the image set has no images here"):
        found.images([0])


def test_a_label_map_of_another_shape_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"mask of m is uint8 \(5, 6\), but this shard holds uint8 \(6, 5\)"),
        MaskShardWriter(tmp_path, "shard-000", SHAPE[1:]) as writer,
    ):
        writer.append({"image_id": "m", "source": "maps"}, pictures(1)[0, 0].T)
    assert list(tmp_path.iterdir()) == []


def test_absent_columns_are_null(tmp_path: Path) -> None:
    found = ImageSet(write(tmp_path, "shard-000", pictures(2)))
    assert found.column("patient").tolist() == [None, None]
    assert found.table.column_names == list(COLUMNS)


def test_nothing_appears_when_writing_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with ShardWriter(tmp_path, "shard-000", SHAPE, with_masks=True) as writer:
            for image in pictures(ROWS_PER_BATCH + 1):
                writer.append({"image_id": "x", "source": "real"}, image, image[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from radgen.errors import StorageError
from radgen.imageset.writers import ShardWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is then an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
folder, count, shape = Path(sys.argv[1]), int(sys.argv[2]), (1, 100, 100)
try:
    with ShardWriter(folder, "shard-000", shape, with_masks=True) as writer:
        for number in range(count):
            row = {"image_id": str(number), "source": "real"}
            writer.append(row, np.zeros(shape, np.uint8), np.zeros(shape[1:], np.uint8))
except StorageError as error:
    print(error, [path.name for path in folder.iterdir()])
"""


@pytest.mark.parametrize("count", [ROWS_PER_BATCH - 1, ROWS_PER_BATCH + 1])  # full in the last flush, and before it
def test_a_full_disk_is_said_in_words_and_gets_its_space_back(tmp_path: Path, count: int) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(r"cannot be written \(.*File too large\); mend space or rights .* \[\]$", done.stdout), done


@pytest.mark.parametrize(
    ("row", "image", "mask", "says"),
    [
        ({"colour": 1}, pictures(1)[0], None, r"shard-000: unknown index column 'colour'; columns are image_id"),
        ({}, pictures(1)[0], None, r"image x has no mask, but the shard stores masks; write an empty one"),
        ({}, pictures(1)[0][:, :3], pictures(1)[0][0], r"image of x is uint8 \(1, 3, 5\), but this shard holds uint8"),
        ({}, pictures(1)[0] * 1.0, pictures(1)[0][0], r"image of x is float64 .* convert it before writing"),
        ({}, pictures(1)[0], pictures(1)[0], r"mask of x is uint8 \(1, 6, 5\), but this shard holds uint8 \(6, 5\)"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, row: dict[str, Any], image: np.ndarray, mask: np.ndarray | None, says: str
) -> None:
    with ShardWriter(tmp_path, "shard-000", SHAPE, with_masks=True) as writer, pytest.raises(InputError, match=says):
        writer.append({"image_id": "x", "source": "real"} | row, image, mask)


def test_damaged_and_missing_files_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"index\.parquet: not a readable image-set index .* run the stage"):
        ImageSet(tmp_path / "index.parquet")
    pq.write_table(pa.table({"image_id": ["a"]}), tmp_path / "index.parquet")
    with pytest.raises(InputError, match=r"the index lacks column 'shard'; it was not written by this version"):
        ImageSet(tmp_path / "index.parquet")
    part = write(tmp_path, "shard-000", pictures(400))
    arrow = tmp_path / "shard-000.images.arrow"
    whole = arrow.read_bytes()
    for kept in (len(whole) // 2, len(whole) - 7, 3):
        arrow.write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"images\.arrow: not a whole Arrow file .* run its stage again"):
            ImageSet(part).images([0])
    arrow.unlink()
    with pytest.raises(InputError, match=r"shard-000\.images\.arrow: no such file; the image set has no images here"):
        ImageSet(part).images([0])


def test_an_empty_set_and_a_set_without_masks_say_so(tmp_path: Path) -> None:
    write_index(tmp_path / "index.parquet", [])
    empty = ImageSet(tmp_path / "index.parquet")
    assert not empty.has_masks
    with pytest.raises(InputError, match="the image set is empty; see the rejects table"):
        empty.images([0])
    plain = ImageSet(write(tmp_path, "shard-000", pictures(2)))
    assert not plain.has_masks
    with pytest.raises(InputError, match="the image set has no masks here"):
        plain.masks([0])


BOUNDED = """
import resource, sys
from pathlib import Path
import numpy as np
from radgen.imageset.core import ImageSet
from radgen.imageset.writers import ShardWriter
folder, shape = Path(sys.argv[1]), (1, 256, 256)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ShardWriter(folder, "shard-000", shape, with_masks=False) as writer:
    for number in range(2048):
        writer.append({"image_id": str(number), "source": "real"}, np.full(shape, number % 251, np.uint8))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
found = ImageSet(folder / "shard-000.index.parquet")
order = np.random.default_rng(0).permutation(2048)[:64]
assert np.array_equal(found.images(order)[:, 0, 0, 0], order % 251)
"""


def test_writing_holds_one_record_batch_however_large_the_set(tmp_path: Path) -> None:
    # 2,048 images of 64 KiB are 128 MiB; a record batch is 16 MiB, and is held as rows, as a stack and as Arrow.
    done = subprocess.run([sys.executable, "-c", BOUNDED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 90 * 1024


def test_covers_are_read_as_label_one_where_half_a_pixel_is_inside(tmp_path: Path) -> None:
    cover = np.zeros(SHAPE[1:], np.uint8)
    cover[0, :3] = (127, 128, 255)
    image = np.zeros(SHAPE, np.uint8)
    for name, covers in (("covers", True), ("labels", False)):
        with ShardWriter(tmp_path / name, "shard-000", SHAPE, with_masks=True, covers=covers) as writer:
            writer.append({"image_id": "a", "source": "real"}, image, cover)
    covered, labelled = (ImageSet(tmp_path / name / "shard-000.index.parquet") for name in ("covers", "labels"))
    assert (covered.has_covers, labelled.has_covers) == (True, False)
    assert covered.masks([0])[0, 0, :4].tolist() == [0, 1, 1, 0]
    assert covered.take(np.array([0])).covers([0])[0].tolist() == cover.tolist() == labelled.masks([0])[0].tolist()
    with pytest.raises(InputError, match="masks are label ids, where covers of one structure are read"):
        labelled.covers([0])
