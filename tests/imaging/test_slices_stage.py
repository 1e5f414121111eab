import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.errors import ConfigError, InputError
from radgen.imageset.core import INDEX_SCHEMA, ImageSet, read_index
from radgen.imaging.refusal import REJECTS_SCHEMA
from radgen.imaging.settings import SlicesSettings
from radgen.imaging.source_masks import read_source_masks
from radgen.provenance import SawPatients, read_manifest
from tests.imaging.archives import STRUCTURES, Archive
from tests.imaging.toys import SLICES


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def what_of(manifest: Path) -> dict[str, Any]:
    what: dict[str, Any] = read_manifest(manifest)["what"]
    return what


def test_a_shard_is_an_image_set_with_source_masks_and_ancestry(archive: Archive) -> None:
    archive.add("a", "train")
    archive.add("b", "test")
    out = archive.run()
    images = ImageSet(out / "shard-000.index.parquet")
    assert len(images) == 2 * SLICES
    assert images.has_masks
    assert images.image_shape == (1, 40, 40)
    assert set(images.column("class_name")) == {"ill"}
    assert set(np.unique(images.masks(range(len(images))))) == {0, 1, 2}
    assert [mask.series for mask in read_source_masks(out / "shard-000.volumes.parquet")] == ["b"]
    saw = SawPatients.from_json(what_of(out / "shard-000.manifest.json")["saw_patients"])
    both = {"train": frozenset({"patient-a"}), "test": frozenset({"patient-b"})}
    assert saw == SawPatients(pixels=both, labels=both, masks=both, unknown=frozenset({"a guess"}))


def test_a_file_that_cannot_be_read_is_a_row_and_the_run_goes_on(archive: Archive) -> None:
    archive.add("a", "train")
    archive.add("b", "train", image=b"not a volume")
    whole = (archive.root / "archive" / "a-image.nii").read_bytes()
    archive.add("c", "train", image=whole[: len(whole) // 2])
    archive.add("d", "train")
    (archive.root / "archive" / "d-image.nii").unlink()
    out = archive.run()
    rejects = pq.read_table(out / "shard-000.rejects.parquet")
    assert rejects.schema.equals(REJECTS_SCHEMA)
    assert list(zip(rejects["series_key"].to_pylist(), rejects["reason"].to_pylist(), strict=True)) == [
        ("b", "foreign"),
        ("c", "truncated"),
        ("d", "unreadable"),
    ]
    assert rejects["file_id"].to_pylist() == ["b-image", "c-image", "d-image"]
    assert rejects["slice_index"].to_pylist() == [None] * 3
    assert not any("/" in sentence or "image" in sentence for sentence in rejects["sentence"].to_pylist())
    assert read_index(out / "shard-000.index.parquet").num_rows == SLICES
    notes = read_manifest(out / "shard-000.manifest.json")["run"]["notes"]
    assert notes.pop("removed_tissue")["beyond"] == 0
    assert notes == {"series": 4, "slices": SLICES, "refused": {"foreign": 1, "truncated": 1, "unreadable": 1}}


def test_a_damaged_mask_is_the_file_to_blame(archive: Archive) -> None:
    archive.add("a", "train")
    (archive.root / "archive" / "a-mask.nii").write_bytes(b"not a mask")
    rejects = pq.read_table(archive.run() / "shard-000.rejects.parquet")
    assert (rejects["reason"].to_pylist(), rejects["file_id"].to_pylist()) == (["foreign"], ["a-mask"])


def test_a_mask_with_unknown_labels_stops_with_both_values(archive: Archive) -> None:
    archive.add("a", "train", mask_value=7)
    with pytest.raises(InputError, match=r"mask a-mask: .*7"):
        archive.run()


def test_a_shard_without_series_writes_valid_empty_files(archive: Archive) -> None:
    out = archive.run()
    assert read_index(out / "shard-000.index.parquet").schema.equals(INDEX_SCHEMA)
    for kind, column in (("images", "image"), ("masks", "mask")):
        reader = pa.ipc.open_file(pa.memory_map(str(out / f"shard-000.{kind}.arrow")))
        assert reader.num_record_batches == 0
        assert reader.schema.names == ["image_id", column]
    assert list(read_source_masks(out / "shard-000.volumes.parquet")) == []
    assert pq.read_table(out / "shard-000.rejects.parquet").num_rows == 0
    assert what_of(out / "shard-000.manifest.json")["saw_patients"]["pixels"]["by_split"] == {}


def test_an_unchanged_shard_is_published_again_and_never_computed(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.add("a", "train")
    out = archive.run()
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".json"}
    first = what_of(out / "shard-000.manifest.json")
    for path in out.iterdir():
        path.unlink()
    (archive.root / "archive" / "a-image.nii").unlink()
    capsys.readouterr()
    archive.run()
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".json"} == before
    assert what_of(out / "shard-000.manifest.json") == first
    assert json.loads((out / "shard-000.manifest.json").read_text())["run"]["reused"] is True
    assert f"shard-000: unchanged, {SLICES} slices published again" in capsys.readouterr().out


def test_the_bytes_do_not_depend_on_workers(archive: Archive) -> None:
    archive.add("a", "train")
    archive.add("b", "val")
    archive.add("c", "train", image=b"not a volume")
    archive.add("d", "train")
    alone = archive.run()
    before = {path.name: path.read_bytes() for path in alone.iterdir() if path.suffix != ".json"}
    archive.root.joinpath("work").rename(archive.root / "other")
    both = archive.run(workers=2)
    assert {path.name: path.read_bytes() for path in both.iterdir() if path.suffix != ".json"} == before


def test_masks_go_with_structures(archive: Archive) -> None:
    by_folder = ClassSettings(by="folder", names=("ill",))
    archive.add("a", "train")
    archive.rows[0]["class_name"] = "ill"
    with pytest.raises(ConfigError, match=r"--masks is given, but the study has 0 structures"):
        archive.run(structures=StructureSettings(), classes=by_folder)
    with pytest.raises(ConfigError, match=r"--volumes is not given, but the study has 2 structures"):
        archive.run(volumes=None)
    with pytest.raises(ConfigError, match=r"must be shard-000\.masks\.arrow beside"):
        archive.run(masks=archive.root / "elsewhere.masks.arrow")
    out = archive.run(structures=StructureSettings(), classes=by_folder, masks=None, volumes=None)
    assert not ImageSet(out / "shard-000.index.parquet").has_masks
    saw = SawPatients.from_json(what_of(out / "shard-000.manifest.json")["saw_patients"])
    assert saw.patients("labels") == {"patient-a"}
    assert saw.patients("masks") == frozenset()


def test_classes_by_position_need_nobodys_label(archive: Archive) -> None:
    archive.add("a", "train")
    by_position = ClassSettings(by="position", names=("lower", "upper"))
    out = archive.run(structures=StructureSettings(), classes=by_position, masks=None, volumes=None)
    assert read_index(out / "shard-000.index.parquet")["class_id"].to_pylist() == [0, 0, 1, 1]
    saw = SawPatients.from_json(what_of(out / "shard-000.manifest.json")["saw_patients"])
    assert saw.patients("labels") == frozenset()
    assert saw.patients("pixels") == {"patient-a"}


def test_a_series_beyond_its_limit_is_a_row_and_the_run_goes_on(archive: Archive) -> None:
    archive.add("a", "train")
    archive.add("b", "train")
    out = archive.run(slices=SlicesSettings(size_px=40, series_seconds=1e-3))
    rows = pq.read_table(out / "shard-000.rejects.parquet").to_pylist()
    sentence = "the reader took longer than 0.001 s of processor time"
    assert [(row["series_key"], row["reason"], row["sentence"]) for row in rows] == [
        (name, "undecodable", sentence) for name in ("a", "b")
    ]


def test_labels_on_another_grid_are_a_refusal_or_a_remark(archive: Archive) -> None:
    archive.add("coarse", "test")
    path = archive.root / "archive" / "coarse-mask.nii"
    fine = nib.load(path)
    coarse = fine.affine @ np.diag([2.0, 2.0, 1.0, 1.0])
    coarse[:3, 3] = (fine.affine @ [0.5, 0.5, 0, 1])[:3]
    nib.save(nib.Nifti1Image(np.array(fine.dataobj)[::2, ::2], coarse), path)
    rejects = pq.read_table(archive.run() / "shard-000.rejects.parquet").to_pylist()
    assert [item["reason"] for item in rejects if item["series_key"] == "coarse"] == ["mask-on-another-grid"]
    nearest = StructureSettings(names=STRUCTURES.names, other_grid="nearest")
    table = pq.read_table(archive.run(structures=nearest) / "shard-000.qc.parquet").to_pylist()
    (remark,) = next(item["remarks"] for item in table if item["series_key"] == "coarse")
    assert (remark["kind"], remark["treatment"], remark["unit"]) == ("mask-on-another-grid", "nearest", "mm")
    assert remark["figure"] == pytest.approx(np.hypot(1.5, 1.5), abs=1e-4)
    assert not any(item["remarks"] for item in table if item["series_key"] != "coarse")
