"""The two stages together: tables, shards that do not change, the page, and everything that must stop the run."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radgen.cohort.page import draw_page
from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    LimitSettings,
    PatientKeySettings,
    StructureSettings,
)
from radgen.cohort.tables import COUNTS_SCHEMA, REJECTS_SCHEMA, SERIES_SCHEMA, read_rows
from radgen.errors import CohortError, ConfigError, PatientKeyError
from radgen.stages import cohort as cohort_stage
from radgen.stages import inventory as inventory_stage
from tests.cohort.toys import picture, save, segmentation, stored_volume, uid, write_picture, write_series

SHARDS = 3
FOLDERS = ClassSettings(by="folder", names=("sick", "well"))
NO_MASKS = StructureSettings(names=())
FEW = CohortSettings(min_patients=1, min_images=1, val=0.2, test=0.3)


@dataclass
class Study:
    """One archive and its results."""

    archive: Path
    out: Path
    inventory: InventorySettings
    key: str = "tests"

    def run(self, **changes: Any) -> Path:
        """Run both stages and return the cohort's folder."""
        taken, made = self.out / "inventory", self.out / "cohort"
        files = self.out / "private" / "files.parquet"
        inventory_stage.run(
            archive=(str(self.archive),),
            index=taken / "index.parquet",
            rejects=taken / "rejects.parquet",
            files=files,
            manifest=taken / "manifest.json",
            inventory=self.inventory,
            patient_key=PatientKeySettings(public=self.key),
            archives={},
            work=self.out / "work",
        )
        sections = {"cohort": FEW, "classes": FOLDERS, "structures": NO_MASKS, "limit": LimitSettings()}
        tables: dict[str, Any] = {"labels_table": None, "split_file": None}
        shards = tuple(made / f"shard-{number:03d}.parquet" for number in range(SHARDS))
        paths = {name: made / f"{name}.parquet" for name in ("series", "rejects", "counts")}
        cohort_stage.run(
            inventory=taken / "index.parquet",
            inventory_rejects=taken / "rejects.parquet",
            inventory_manifest=taken / "manifest.json",
            files=files,
            page=made / "index.html",
            manifest=made / "manifest.json",
            **({"shards": shards} | paths | sections | tables | changes),
        )
        return made


@pytest.fixture
def pictures(tmp_path: Path) -> Study:
    """40 patients of two pictures in two class folders."""
    add_patients(tmp_path / "archive", range(40))
    settings = InventorySettings(patient_from="regex", patient_regex="(p[0-9]+)_", shards=SHARDS)
    return Study(tmp_path / "archive", tmp_path / "out", settings)


def add_patients(archive: Path, numbers: range) -> None:
    for number in numbers:
        for view in "ab":
            folder = "sick" if number % 3 == 0 else "well"
            write_picture(archive / folder / f"p{number}_{view}.png", picture(2 * number + (view == "b"), 8))


def series_of(made: Path) -> list[dict[str, Any]]:
    return read_rows(made / "series.parquet", SERIES_SCHEMA)


def test_tables_agree_with_each_other(pictures: Study) -> None:
    made = pictures.run()
    series = series_of(made)
    assert len(series) == 80
    counts = read_rows(made / "counts.parquet", COUNTS_SCHEMA)
    assert sum(row["series"] for row in counts) == sum(row["slices"] for row in counts) == 80
    assert sum(row["patients"] for row in counts) == 40
    for row in counts:
        members = [s for s in series if (s["split"], s["class_name"]) == (row["split"], row["class_name"])]
        assert row["patients"] == len({s["patient_key"] for s in members})
    shards = [read_rows(made / f"shard-{number:03d}.parquet", SERIES_SCHEMA) for number in range(SHARDS)]
    assert all(row["shard"] == number for number, rows in enumerate(shards) for row in rows)
    assert sorted(row["series_key"] for rows in shards for row in rows) == sorted(row["series_key"] for row in series)


def test_splits_are_disjoint_by_patient(pictures: Study) -> None:
    splits: dict[str, set[str]] = {}
    for row in series_of(pictures.run()):
        splits.setdefault(row["patient_key"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert {"train", "val", "test"} == set().union(*splits.values())


def test_shards_without_new_patients_keep_their_bytes(pictures: Study) -> None:
    made = pictures.run()
    names = [f"shard-{number:03d}.parquet" for number in range(SHARDS)]
    before = {name: (made / name).read_bytes() for name in names}
    old = {row["series_key"]: row for row in series_of(made)}
    add_patients(pictures.archive, range(40, 42))
    pictures.run()
    new = [row for row in series_of(made) if row["series_key"] not in old]
    assert len(new) == 4
    touched = {names[row["shard"]] for row in new}
    assert 0 < len(touched) < SHARDS
    assert {name for name in names if (made / name).read_bytes() != before[name]} == touched
    assert {row["series_key"]: row for row in series_of(made) if row["series_key"] in old} == old


def test_a_second_run_gives_the_same_bytes(pictures: Study) -> None:
    made = pictures.run(cohort=CohortSettings(exact=True, min_images=1))
    first = {path.name: path.read_bytes() for path in made.iterdir() if path.name != "manifest.json"}
    what = json.loads((made / "manifest.json").read_text())["what"]
    pictures.run(cohort=CohortSettings(exact=True, min_images=1))
    assert first == {path.name: path.read_bytes() for path in made.iterdir() if path.name != "manifest.json"}
    assert json.loads((made / "manifest.json").read_text())["what"] == what


def test_a_limit_keeps_a_few_of_everything_and_says_trial(pictures: Study) -> None:
    made = pictures.run(limit=LimitSettings(patients=8))
    series = series_of(made)
    assert len({row["patient_key"] for row in series}) == 8
    assert len({(row["split"], row["class_name"]) for row in series}) == 6
    assert json.loads((made / "manifest.json").read_text())["run"]["notes"]["limit"]["patients_left_out"] == 32
    assert not any(row["stage"] == "cohort" for row in read_rows(made / "rejects.parquet", REJECTS_SCHEMA))
    assert "TRIAL: limited to 8 patients, 32 left out." in (made / "index.html").read_text()


def test_the_page_counts_and_names_nobody(pictures: Study) -> None:
    (pictures.archive / "other").mkdir()
    write_picture(pictures.archive / "other" / "p99_a.png", picture(999, 8))
    page = (pictures.run() / "index.html").read_text()
    for text in ("40 patients", "80 series", "<td>well</td>", "no-class", "set aside", "</html>"):
        assert text in page
    assert "p99" not in page
    assert "<script" not in page
    assert "http" not in page


def test_the_page_tells_what_was_measured_and_remarked() -> None:
    row = {
        "patient_key": "a",
        "split": "train",
        "class_name": "well",
        "n_slices": 3,
        "modality": "CT",
        "format": "dicom",
    }
    remark = {"kind": "tilted", "treatment": "resample", "figure": 12.5, "unit": "degrees"}
    series = [row | {"remarks": [remark]}, row | {"remarks": [remark | {"figure": 2.5}]}, row | {"remarks": []}]
    gap = {"reason": "uneven-gaps", "refused": True, "figure": 1.25, "unit": "mm", "sentence": "gaps differ <much>"}
    rejects = [gap, gap | {"figure": 0.75}, gap | {"reason": "foreign", "figure": None, "unit": ""}]
    page = draw_page(series, [], rejects, {})
    assert "<td>tilted</td><td class=text>resample</td><td>2</td><td class=text>7.5 degrees (2.5 to 12.5)</td>" in page
    assert "<td>2</td><td class=text>refused</td><td class=text>1 mm (0.75 to 1.25)</td>" in page
    assert "gaps differ &lt;much&gt;" in page
    assert "Used with a remark" not in draw_page([row | {"remarks": []}], [], [], {})


def test_whatever_the_tables_say_is_no_markup_on_the_page() -> None:
    hostile = "<script>alert(1)</script>"
    words = dict.fromkeys(("patient_key", "class_name", "modality", "format"), hostile)
    remark = {"kind": hostile, "treatment": hostile, "figure": 1.0, "unit": hostile}
    counts = {"class_name": hostile, "split": "train", "patients": 1, "series": 1, "slices": 3}
    reject = {"reason": hostile, "refused": True, "figure": 1.0, "unit": hostile, "sentence": hostile}
    series = words | {"split": "train", "n_slices": 3, "remarks": [remark]}
    page = draw_page([series], [counts], [reject], {"claim": hostile})
    assert "<script" not in page.lower()
    assert page.lower().count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 10


def test_the_page_heads_no_patient_level_claim(pictures: Study) -> None:
    pictures.inventory = InventorySettings(patient_from="none", shards=SHARDS)
    made = pictures.run()
    assert "No patient-level claim" in (made / "index.html").read_text()
    assert json.loads((made / "manifest.json").read_text())["run"]["notes"]["claim"].startswith("no patient-level")


def test_unmatched_rows_of_a_labels_table_are_reported(pictures: Study, tmp_path: Path) -> None:
    lines = ["patient,label", *(f"p{number},{'sick' if number % 2 else 'well'}" for number in range(30)), "p500,sick"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    made = pictures.run(classes=ClassSettings(by="table", names=("sick", "well")), labels_table=tmp_path / "labels.csv")
    notes = json.loads((made / "manifest.json").read_text())["run"]["notes"]["labels_table"]
    assert notes == {"rows": 31, "rows_without_series": 1, "series_without_row": 20}
    assert "<td>labels</td><td>31</td><td>1</td><td>20</td>" in (made / "index.html").read_text()
    assert len(series_of(made)) == 60


@pytest.fixture
def volumes(tmp_path: Path) -> Study:
    """24 CT series with a SEG; every second patient has a lesion; the last has no mask."""
    for number in range(24):
        series = f"s{number}"
        write_series(tmp_path / "archive" / series, stored_volume(), series=series, PatientID=f"P{number}")
        frames = [(1, (-10.0, -20.0, 100.0), np.ones((6, 5), dtype=bool))]
        names = {1: "lesion" if number % 2 else "liver"}
        tags = {"PatientID": f"P{number}", "ReferencedSeriesSequence": [], "FrameOfReferenceUID": uid("frame", series)}
        if number < 23:
            save(tmp_path / "archive" / series / "mask", segmentation(frames, names, **tags))
    return Study(tmp_path / "archive", tmp_path / "out", InventorySettings(shards=SHARDS))


def test_series_without_a_mask_are_set_aside_where_structures_are_named(volumes: Study) -> None:
    structures = StructureSettings(names=("liver", "lesion"))
    made = volumes.run(classes=ClassSettings(), structures=structures)
    assert len(series_of(made)) == 23
    assert {row["class_name"] for row in series_of(made)} == {None}
    rejects = read_rows(made / "rejects.parquet", REJECTS_SCHEMA)
    assert [(row["reason"], row["refused"]) for row in rejects] == [("no-mask", False)] * 4
    assert len(series_of(volumes.run(classes=ClassSettings(by="position")))) == 24


def test_a_limit_covers_classes_by_mask_as_segment_names_tell(volumes: Study) -> None:
    structures = StructureSettings(names=("liver", "lesion"))
    made = volumes.run(classes=ClassSettings(), structures=structures, limit=LimitSettings(patients=6))
    splits = [row["split"] for row in series_of(made)]
    assert sorted(splits) == ["test", "test", "train", "train", "val", "val"]


# ---------------------------------------------------------------- what stops the run


def test_too_many_refused_files_are_summed_up_by_reason(pictures: Study) -> None:
    for number in range(3):
        (pictures.archive / "sick" / f"broken-{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (pictures.archive / "well" / "foreign.bin").write_bytes(b"foreign")
    words = r"4 of 84 image files \(4\.8%\) are refused, but max_refused_fraction is 2\.0%: truncated 3, foreign 1; see"
    with pytest.raises(CohortError, match=words):
        pictures.run()
    generous = CohortSettings(max_refused_fraction=0.05, min_images=1, val=0.2, test=0.3)
    assert len(series_of(pictures.run(cohort=generous))) == 80


def test_an_empty_cohort_says_why(pictures: Study) -> None:
    with pytest.raises(CohortError, match=r"empty: none of 80 series is left \(no-class 80\); check classes"):
        pictures.run(classes=ClassSettings(by="folder", names=("ill", "healthy")))


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        (CohortSettings(min_patients=20), "class 'sick' has 14 patients and 28 slices, at least 20 and 10 are needed"),
        (CohortSettings(min_images=30), "class 'sick' has 14 patients and 28 slices, at least 3 and 30 are needed"),
    ],
)
def test_a_class_with_too_little_is_named_with_a_remedy(pictures: Study, cohort: CohortSettings, words: str) -> None:
    with pytest.raises(CohortError, match=f"{words}; add data, join classes in classes.values, or lower"):
        pictures.run(cohort=cohort)


def test_a_split_without_patients_is_named_with_a_remedy(pictures: Study) -> None:
    cohort = CohortSettings(val=0.001, test=0.3)
    with pytest.raises(
        CohortError, match=r"class 'sick' has 14 patients, but none of them in split val; set cohort\.exact"
    ):
        pictures.run(cohort=cohort)


def test_another_key_is_noticed_after_the_work_folder_was_deleted(pictures: Study) -> None:
    made = pictures.run()
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    shutil.rmtree(pictures.out / "work")
    (pictures.out / "private" / "files.parquet").unlink()  # as the workflow does before it runs a rule again
    pictures.key = "another"
    with pytest.raises(PatientKeyError, match="the patient key has changed"):
        pictures.run()
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_missing_shard_tables_are_noticed(pictures: Study) -> None:
    with pytest.raises(ConfigError, match="1 tables are given, but the inventory dealt as far as shard 2"):
        pictures.run(shards=(pictures.out / "cohort" / "shard-000.parquet",))


def test_a_failed_run_leaves_the_last_results_whole(pictures: Study) -> None:
    made = pictures.run()
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    with pytest.raises(CohortError):
        pictures.run(cohort=CohortSettings(min_patients=1000, exact=True))
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before
