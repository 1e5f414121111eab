"""Several archives in one study, layouts, and label maps that lie in an archive of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from radgen.cohort.archives import ArchiveSettings, LabelSourceSettings, Roots, archive_table
from radgen.cohort.inventory import Inventory, take_inventory
from radgen.cohort.merge_tables import read_merge_table
from radgen.cohort.readers import file_paths, read_mask
from radgen.cohort.settings import InventorySettings, StructureSettings
from radgen.cohort.tables import FILES_SCHEMA, write_rows
from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.study import Study
from radgen.workflow import Plan
from tests.cohort.toys import KEY, picture, write_nifti, write_picture


def taken(roots: Roots, *archives: ArchiveSettings, **settings: str) -> Inventory:
    return take_inventory(
        roots, InventorySettings(**settings), KEY, archives={archive.name: archive for archive in archives}
    )


def two_archives(folder: Path) -> Roots:
    """An image `case.nii` in archive ct, whose label map lies in archive organs."""
    write_nifti(folder / "ct" / "case.nii", np.arange(210, dtype=np.int16).reshape(5, 6, 7))
    labels = np.zeros((5, 6, 7), dtype=np.uint8)
    labels[1:3] = 7
    labels[4] = 9
    write_nifti(folder / "organs" / "case.nii.gz", labels)
    return Roots({"ct": folder / "ct", "organs": folder / "organs"})


def test_label_maps_come_from_another_archive_by_their_case(tmp_path: Path) -> None:
    roots = two_archives(tmp_path)
    ct = ArchiveSettings(name="ct", modality="CT", labels=LabelSourceSettings(archive="organs"))
    found = taken(roots, ct, ArchiveSettings(name="organs"), patient_from="regex", patient_regex=r"([^/]+)\.nii")
    (row,) = found.index
    assert (row["archive"], row["modality"], row["mask_kind"], row["mask_labels"]) == ("ct", "CT", "nifti", [""])
    write_rows(tmp_path / "files.parquet", found.files, FILES_SCHEMA)
    structures = StructureSettings(names=("liver", "lung"), map={"liver": (7,), "lung": (9,)})
    mask = read_mask(row, file_paths(tmp_path / "files.parquet", roots), structures)
    assert mask is not None
    assert np.bincount(mask.array.ravel()).tolist() == [84, 84, 42]


def test_one_file_name_in_two_archives_is_two_files_and_two_series(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_picture(tmp_path / name / "p1.png", picture(3))
    roots = Roots({name: tmp_path / name for name in ("one", "two")})
    archives = [ArchiveSettings(name="one", modality="US"), ArchiveSettings(name="two", modality="CT")]
    found = taken(roots, *archives, patient_from="regex", patient_regex="(p1)")
    assert [(row["archive"], row["modality"]) for row in sorted(found.index, key=lambda row: row["archive"])] == [
        ("one", "US"),
        ("two", "CT"),
    ]
    assert len({row["series_key"] for row in found.index}) == len({row["file_id"] for row in found.files}) == 2


@pytest.mark.parametrize(
    ("words", "names", "message"),
    [
        (["/a"], ["ct", "mr"], "folders for /a, but the archives are ct, mr"),
        (["ct=/a", "ct=/b"], ["ct", "mr"], "folders for ct, but the archives are ct, mr"),
        ([], [""], "folders for none"),
    ],
)
def test_folders_that_do_not_fit_the_archives_are_refused(words: list[str], names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Roots.parse(words, names)


def test_roots_are_read_as_they_are_written() -> None:
    for roots in (Roots({"": Path("/a=b")}), Roots({"mr": Path("/x"), "ct": Path("/y=z")})):
        assert Roots.parse(roots.words(), roots.folders) == roots


@pytest.mark.parametrize(
    ("archives", "message"),
    [
        ([ArchiveSettings(name="a"), ArchiveSettings(name="a")], "2 archives need as many names, got a"),
        ([ArchiveSettings(name="a"), ArchiveSettings()], "2 archives need as many names"),
        ([ArchiveSettings(name="a", labels=LabelSourceSettings(archive="b"))], "are looked for in 'b'; known: a"),
    ],
)
def test_archives_that_contradict_each_other_are_refused(archives: list[ArchiveSettings], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        archive_table(archives)


def test_a_merge_table_fills_in_the_structures(tmp_path: Path) -> None:
    table = tmp_path / "merge.csv"
    table.write_text("# a note\nsource,structure,note\n5,liver,x\n10,lung,\n11,lung,\nHeart,heart,\n")
    for name in ("ct", "organs"):
        (tmp_path / name).mkdir()
    config = load_config(
        {
            "study": "t",
            "patient_key": {"public": "for tests only"},
            "classes": {"by": "position", "names": ["a"]},
            "archives": [
                {"name": "ct", "path": str(tmp_path / "ct"), "labels": {"archive": "organs", "merge": str(table)}},
                {"name": "organs", "path": str(tmp_path / "organs")},
            ],
        }
    )
    study = Study.of(config)
    assert study.config.structures.names == ("liver", "lung", "heart")
    assert study.config.structures.map == {"liver": (5,), "lung": (10, 11), "heart": ("Heart",)}
    plan = Plan(study)
    assert plan.archive == f"ct={tmp_path / 'ct'} organs={tmp_path / 'organs'}"
    assert str(tmp_path) not in str(study.settings("inventory"))
    assert set(study.settings("slices")["archives"]) == {"ct", "organs"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "columns are a, b, but source and structure are needed"),
        ("source,structure\n1,liver\n1,lung\n", "source label 1 stands for two structures"),
        ("source,structure\n1,liver\n2\n", "a line '2' has no source or no structure; complete it, or remove it"),
        (f"source,structure\n{'1' * 5000},liver\n", "Exceeds the limit"),
    ],
)
def test_a_merge_table_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "merge.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_merge_table(tmp_path / "merge.csv")


def test_archive_moves_a_single_archive_and_is_refused_beside_several() -> None:
    one = {"study": "t", "archives": [{"path": "/here", "layout": "auto", "modality": "US"}], "archive": "/there"}
    (archive,) = Study.of(load_config(one)).archives.values()
    assert (archive.path, archive.modality) == ("/there", "US")
    with pytest.raises(ConfigError, match="'/there' is given beside 2 archives"):
        load_config(one | {"archives": [{"name": "a", "path": "/a"}, {"name": "b", "path": "/b"}]})
