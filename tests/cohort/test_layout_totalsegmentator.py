"""TotalSegmentator: its data set, its output as labels of other archives, and the merge tables of 30 and 37."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from radgen.cohort.archives import ArchiveSettings, LabelSourceSettings
from radgen.cohort.layouts.totalsegmentator import STRUCTURES
from radgen.cohort.merge_tables import read_merge_table
from radgen.cohort.settings import StructureSettings
from tests.cohort.layouts_toys import Taken, take
from tests.cohort.test_layout_autopet import STUDIES, write_studies
from tests.cohort.toys import save, segmentation, stored_volume, uid, write_nifti, write_series

MERGE = Path(__file__).parents[2] / "config" / "merge"
TWO = StructureSettings(names=("spleen", "kidney"), map={"spleen": (1, "spleen"), "kidney": (2, "kidney_right")})
WITH_LESION = StructureSettings(
    names=("spleen", "kidney", "lesion"), map={**TWO.map, "lesion": ("lesion",)}, others="background"
)


def organs() -> NDArray[np.uint8]:
    labels = np.zeros((4, 6, 5), dtype=np.uint8)
    labels[0], labels[3, :, 1] = 1, 2
    return labels


def with_labels(folder: Path, layout: str, labels: str = "totalsegmentator", **own: object) -> Taken:
    main = {"labels": LabelSourceSettings(archive="organs"), **own}
    return take(
        folder / "main", layout, ArchiveSettings(name="organs", path=str(folder / "organs"), layout=labels), first=main
    )


def write_case(folder: Path, form: str) -> None:
    """One case's label map in one of the forms that TotalSegmentator writes."""
    if form == "numbers":
        write_nifti(folder.with_name(f"{folder.name}.nii.gz"), organs())
    elif form == "numbers in a folder":
        write_nifti(folder / "ct.nii.gz", organs())
    else:
        for number, name in ((1, "spleen"), (2, "kidney_right")):
            write_nifti(folder / form / f"{name}.nii.gz", (organs() == number).astype(np.uint8))


@pytest.mark.parametrize("form", ["numbers", "numbers in a folder", "", "segmentations"])
def test_organs_of_autopet_come_in_every_form(tmp_path: Path, form: str) -> None:
    write_studies(tmp_path / "main")
    for study in STUDIES[1:]:
        write_case(tmp_path / "organs" / study, form)
    taken = with_labels(tmp_path, "autopet", modality="CT")
    for number, study in enumerate(STUDIES[1:], start=1):
        expected = organs()
        expected[number, 1:3, 4] = 3
        np.testing.assert_array_equal(taken.mask(f"main/{study}/CTres.nii.gz", WITH_LESION), expected)
    alone = taken.mask(f"main/{STUDIES[0]}/CTres.nii.gz", WITH_LESION)
    assert alone is not None
    assert set(np.unique(alone)) == {0, 3}
    assert {path for path, reason in taken.rejects.items() if reason != "side-file"} == set()


@pytest.mark.parametrize("form", ["numbers", "numbers in a folder", "", "segmentations"])
def test_organs_of_synthrad_belong_to_both_its_images(tmp_path: Path, form: str) -> None:
    for name in ("mr", "ct"):
        write_nifti(tmp_path / "main" / "Task1" / "pelvis" / "1PA001" / f"{name}.nii.gz", stored_volume())
    write_case(tmp_path / "organs" / "1PA001", form)
    taken = with_labels(tmp_path, "synthrad2023")
    for name in ("mr", "ct"):
        np.testing.assert_array_equal(taken.mask(f"main/Task1/pelvis/1PA001/{name}.nii.gz", TWO), organs())


@pytest.mark.parametrize("labels", ["auto", "totalsegmentator"])
def test_a_segmentation_in_another_archive_goes_by_reference(tmp_path: Path, labels: str) -> None:
    for name in ("a", "b"):
        write_series(tmp_path / "main" / name / "CT", stored_volume(), series=name)
    seen = np.zeros((6, 5), dtype=bool)
    seen[2, 4] = True
    frames = [(1, (-10.0, -20.0, 102.0), seen)]
    made = segmentation(frames, {1: "Spleen"}, FrameOfReferenceUID=uid("frame", "b"))
    save(tmp_path / "organs" / "anything" / "segmentations.dcm", made)
    # A copy of the image beside its labels is no label map.
    write_series(tmp_path / "organs" / "anything" / "copy", stored_volume(), series="c")
    taken = with_labels(tmp_path, "auto", labels)
    masked = [path for path, row in taken.series.items() if row["mask_ids"]]
    assert [path.split("/")[1] for path in masked] == ["b"]
    mask = taken.mask(masked[0], TWO)
    assert mask is not None
    assert np.argwhere(mask).tolist() == [[1, 2, 4]]
    assert {reason for path, reason in taken.rejects.items() if path.startswith("organs/")} == {"side-file"}


def test_a_year_at_the_end_of_a_case_is_no_channel(tmp_path: Path) -> None:
    for case in ("fdg_aa_2001", "fdg_aa_2002"):
        write_nifti(tmp_path / "main" / "imagesTr" / f"{case}_0000.nii.gz", stored_volume())
    write_nifti(tmp_path / "organs" / "fdg_aa_2001.nii.gz", organs())
    taken = with_labels(tmp_path, "autopet")
    np.testing.assert_array_equal(taken.mask("main/imagesTr/fdg_aa_2001_0000.nii.gz", TWO), organs())
    assert taken.mask("main/imagesTr/fdg_aa_2002_0000.nii.gz", TWO) is None


@pytest.mark.parametrize("layout", ["autopet", "synthrad2023"])
def test_a_dicom_segmentation_of_a_nifti_image_goes_by_its_folder(tmp_path: Path, layout: str) -> None:
    case = "PETCT_7/study" if layout == "autopet" else "1PA001"
    inside = f"{case}/CTres.nii.gz" if layout == "autopet" else f"pelvis/{case}/ct.nii.gz"
    write_nifti(tmp_path / "main" / inside, stored_volume())
    seen = np.zeros((6, 4), dtype=bool)
    seen[2, 1] = True
    made = segmentation([(1, (0.0, 0.0, 6.0), seen)], {1: "kidney_right"}, spacing=(0.75, 0.5))
    save(tmp_path / "organs" / case / "segmentations.dcm", made)
    taken = with_labels(tmp_path, layout)
    mask = taken.mask(f"main/{inside}", TWO)
    assert mask is not None
    assert [(*place, mask[tuple(place)]) for place in np.argwhere(mask).tolist()] == [(1, 2, 3, 2)]


@pytest.mark.parametrize(("others", "found"), [((), True), (("y",), False)])
def test_a_name_alone_counts_only_where_it_is_the_only_one(
    tmp_path: Path, others: tuple[str, ...], *, found: bool
) -> None:
    write_nifti(tmp_path / "main" / "a" / "b" / "ct_7.nii.gz", stored_volume())
    for case in ("x", *others):
        write_nifti(tmp_path / "organs" / case / "z" / "ct_7.nii.gz", organs())
    organs_archive = ArchiveSettings(name="organs", path=str(tmp_path / "organs"))
    taken = take(
        tmp_path / "main",
        "auto",
        organs_archive,
        first={"labels": LabelSourceSettings(archive="organs")},
        patient_from="regex",
        patient_regex="(ct)",
    )
    assert bool(taken.series["main/a/b/ct_7.nii.gz"]["mask_ids"]) == found
    assert set(taken.rejects.values()) == (set() if found else {"mask-without-image"})


def test_the_data_set_has_one_case_per_folder(tmp_path: Path) -> None:
    for case, image in (("s0001", "ct"), ("s0002", "mri")):
        write_nifti(tmp_path / "set" / case / f"{image}.nii.gz", stored_volume())
        for number, name in ((1, "spleen"), (2, "kidney_right")):
            write_nifti(
                tmp_path / "set" / case / "segmentations" / f"{name}.nii.gz", (organs() == number).astype(np.uint8)
            )
    (tmp_path / "set" / "meta.csv").write_text(
        "image_id;age;gender;institute;study_type;split\ns0001;60;m;A;CT Thorax;val\n", encoding="utf-8-sig"
    )
    taken = take(tmp_path / "set", "totalsegmentator")
    assert taken.patients == {"s0001/ct.nii.gz": "s0001", "s0002/mri.nii.gz": "s0002"}
    rows = taken.series
    assert [(rows[path]["class_value"], rows[path]["given_split"]) for path in sorted(rows)] == [
        ("CT/ct thorax", "val"),
        ("MR", ""),
    ]
    for path in rows:
        np.testing.assert_array_equal(taken.mask(path, TWO), organs())


@pytest.mark.parametrize("count", [30, 37])
def test_merge_tables_give_each_of_117_labels_to_one_structure(count: int) -> None:
    table = read_merge_table(MERGE / f"totalsegmentator-{count}.csv")
    sources = [source for name in table.names for source in table.sources_of(name)]
    assert len(table.names) == count
    assert sorted(source for source in sources if isinstance(source, int)) == list(range(1, 118))
    names = {source for source in sources if isinstance(source, str)}
    assert len(names) == 117
    assert names <= STRUCTURES


def test_37_structures_are_parts_of_30() -> None:
    coarse, fine = (read_merge_table(MERGE / f"totalsegmentator-{count}.csv") for count in (30, 37))
    whole = [set(coarse.sources_of(name)) for name in coarse.names]
    assert all(any(set(fine.sources_of(name)) <= parts for parts in whole) for name in fine.names)


@pytest.mark.realdata
def test_real_label_maps_are_merged_without_loss(tmp_path: Path, data_root: Path) -> None:
    folder = data_root / "totalsegmentator_ref" / "tests" / "reference_files"
    stored = nib.load(folder / "example_seg.nii.gz")
    text = b"".join(part.get_content() for part in stored.header.extensions).decode()
    table = read_merge_table(MERGE / "totalsegmentator-30.csv")
    for name in table.names:
        numbers = [source for source in table.sources_of(name) if isinstance(source, int)]
        named = [source for source in table.sources_of(name) if isinstance(source, str)]
        for number, label in zip(numbers, named, strict=True):
            assert f'<Label Key="{number}" ' in text
            assert f"<![CDATA[{label}]]>" in text.partition(f'<Label Key="{number}" ')[2].partition("</Label>")[0]
    (tmp_path / "main").mkdir()
    (tmp_path / "organs").mkdir()
    (tmp_path / "main" / "case.nii.gz").write_bytes((folder / "example_ct_sm.nii.gz").read_bytes())
    (tmp_path / "organs" / "case.nii.gz").write_bytes((folder / "example_seg.nii.gz").read_bytes())
    taken = take(
        tmp_path / "main",
        "auto",
        ArchiveSettings(name="organs", path=str(tmp_path / "organs"), layout="totalsegmentator"),
        first={"labels": LabelSourceSettings(archive="organs"), "modality": "CT"},
        patient_from="regex",
        patient_regex="(case)",
    )
    merged = taken.mask("main/case.nii.gz", table)
    source = np.asarray(stored.dataobj)
    assert merged is not None
    assert merged.shape == source.shape
    for number in range(118):
        name = next((name for name in table.names if number in table.sources_of(name)), None)
        expected = 0 if name is None else table.id_of(name)
        assert set(np.unique(merged[source == number])) <= {expected}
    assert np.count_nonzero(merged) == np.count_nonzero(source)


@pytest.mark.realdata
def test_real_dicom_takes_its_label_map_by_folder(tmp_path: Path, data_root: Path) -> None:
    folder = data_root / "totalsegmentator_ref" / "tests" / "reference_files"
    shutil.copytree(folder / "example_ct_dicom", tmp_path / "main" / "p1" / "ct")
    (tmp_path / "organs" / "p1").mkdir(parents=True)
    shutil.copy(folder / "example_seg_dicom.nii.gz", tmp_path / "organs" / "p1" / "ct.nii.gz")
    labels = ArchiveSettings(name="organs", path=str(tmp_path / "organs"), layout="totalsegmentator")
    taken = take(
        tmp_path / "main",
        "auto",
        labels,
        first={"labels": LabelSourceSettings(archive="organs")},
        patient_from="regex",
        patient_regex="(p1)",
    )
    (path,) = taken.series
    table = read_merge_table(MERGE / "totalsegmentator-37.csv")
    merged = taken.mask(path, table)
    source = np.asarray(nib.load(folder / "example_seg_dicom.nii.gz").dataobj)
    assert merged is not None
    for name in table.names:
        numbers = [number for number in table.sources_of(name) if isinstance(number, int)]
        assert np.count_nonzero(merged == table.id_of(name)) == np.count_nonzero(np.isin(source, numbers))
