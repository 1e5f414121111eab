"""From a layout to a cohort: its patients stay together, its classes and splits are obeyed; and the pages' configs."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import yaml

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.config import load_config
from radgen.study import Study
from tests.cohort.layouts_toys import cohort_of, take
from tests.cohort.toys import stored_volume, write_nifti

ROOT = Path(__file__).parents[2]
PAGES = ("autopet", "bids", "chaos", "msd-nnunet", "nsclc-radiogenomics", "synthrad2023", "totalsegmentator")
PAGES += ("data-dir", "hyperkvasir", "mrnet", "radimagenet", "tdid")
NO_MASKS = StructureSettings(names=())
CALLS = count()


def volume() -> np.ndarray:
    """Another image with every call: equal files are copies of one image."""
    return stored_volume() + np.int16(next(CALLS))


def labels() -> np.ndarray:
    made = np.zeros((4, 6, 5), dtype=np.uint8)
    made[1:] = 1
    return made


def test_studies_of_a_patient_stay_together(tmp_path: Path) -> None:
    for patient in range(12):
        for study in ("first", "second"):
            folder = tmp_path / "pet" / f"PETCT_{patient:02d}" / study
            for name, array in (("CTres", volume()), ("SUV", volume()), ("SEG", labels())):
                write_nifti(folder / f"{name}.nii.gz", array)
    taken = take(tmp_path / "pet", "autopet", first={"modality": "CT"})
    classes = ClassSettings(names=("no_lesion", "lesion"), structure="lesion")
    made = cohort_of(taken, tmp_path, classes, StructureSettings(names=("lesion",)), exact=True)
    splits: dict[str, set[str]] = {}
    for row in made.series:
        splits.setdefault(row["patient_key"], set()).add(row["split"])
    assert len(made.series) == 24
    assert len(splits) == 12
    assert {len(found) for found in splits.values()} == {1}
    assert set.union(*splits.values()) == {"train", "val", "test"}


def test_fold_0_and_the_test_images_are_obeyed(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    for number in range(6):
        part = "Tr" if number < 4 else "Ts"
        write_nifti(folder / f"images{part}" / f"case_{number}_0000.nii.gz", volume())
        write_nifti(folder / f"labels{part}" / f"case_{number}.nii.gz", labels())
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "MRI"}}))
    fold = {"train": ["case_0", "case_1"], "val": ["case_2"]}
    (folder / "splits_final.json").write_text(json.dumps([fold]))
    taken = take(folder, "nnunet", patient_from="regex", patient_regex=r"(case_\d)")
    classes = ClassSettings(by="position", names=("all",))
    made = cohort_of(taken, tmp_path, classes, StructureSettings(names=("organ",)), given_splits=True)
    assert sorted(row["split"] for row in made.series) == ["test", "test", "train", "train", "val"]
    # A case that the fold leaves out, image and mask, is set aside and not dealt anew.
    assert [row["reason"] for row in made.rejects if row["stage"] == "cohort"] == ["no-split"] * 2


def test_groups_of_participants_are_classes(tmp_path: Path) -> None:
    lines = ["participant_id\tdiagnosis"]
    for number in range(16):
        for suffix in ("T1w", "FLAIR"):
            write_nifti(tmp_path / "set" / f"sub-{number:02d}" / "anat" / f"sub-{number:02d}_{suffix}.nii", volume())
        lines.append(f"sub-{number:02d}\t{'AD' if number % 2 else 'CN'}")
    (tmp_path / "set" / "participants.tsv").write_text("\n".join(lines))
    taken = take(tmp_path / "set", "bids")
    classes = ClassSettings(
        by="layout", names=("healthy", "ill"), values={"healthy": ("MR/T1w/cn",), "ill": ("MR/T1w/ad",)}
    )
    made = cohort_of(taken, tmp_path, classes, NO_MASKS, exact=True)
    assert sorted(row["class_name"] for row in made.series) == ["healthy"] * 8 + ["ill"] * 8
    assert [row["reason"] for row in made.rejects if row["stage"] == "cohort"] == ["no-class"] * 16


@pytest.mark.parametrize("page", PAGES)
def test_the_configuration_on_a_page_is_one(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "studies" / f"{page}.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    monkeypatch.chdir(ROOT)
    for block in blocks:
        data = yaml.safe_load(block)
        study = Study.of(load_config({"study": "page", "patient_key": {"public": "for tests only"}} | data))
        assert study.config.inventory.patient_from in {"layout", "table", "none"}
        assert [archive.layout for archive in study.archives.values()] != ["auto"]
