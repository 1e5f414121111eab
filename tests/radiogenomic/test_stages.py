"""The stages of genes and nodules on a small study: image sets, the join, statistics of training patients, refusals."""

from __future__ import annotations

import csv
import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from radgen.cohort.keys import patient_key
from radgen.errors import CohortError, InputError
from radgen.imageset.core import ImageSet
from radgen.provenance import read_manifest
from radgen.radiogenomic.clinical import from_table, read_clinical
from radgen.radiogenomic.expression import load_expression
from radgen.radiogenomic.phantom.archive import CLINICAL_NAME, RNA_NAME
from radgen.radiogenomic.phantom.genes import patient_id, rna_patients
from radgen.radiogenomic.rna_transform import load
from radgen.radiogenomic.settings import ClinicalSettings, RnaSettings
from tests.radiogenomic.nodule_study import PATCHES, PHANTOM, NoduleStudy

RNA = RnaSettings(most_missing=0.5)


def key_of(number: int) -> str:
    return patient_key(b"tests", patient_id(number))


def test_nodules_and_backgrounds_are_image_sets_of_the_same_patients(study: NoduleStudy) -> None:
    nodules, healthy = ImageSet(study.out / "index.parquet"), ImageSet(study.out / "backgrounds" / "index.parquet")
    everyone = {key_of(number) for number in range(1, PHANTOM.patients + 1)}
    assert set(nodules.column("patient")) <= everyone
    assert len(set(nodules.column("patient"))) >= PHANTOM.patients - 2
    assert set(healthy.column("patient")) <= set(nodules.column("patient"))
    assert nodules.image_shape == healthy.image_shape == (1, 32, 32)
    assert nodules.has_masks
    assert not healthy.has_masks
    masks = nodules.covers(range(len(nodules)))
    assert masks.reshape(len(masks), -1).max(axis=1).min() > 200
    sides = {row["image_id"]: row for row in pq.read_table(study.out / "patches.parquet").to_pylist()}
    assert set(sides) == {*nodules.column("image_id"), *healthy.column("image_id")}
    for image_id, mask in zip(nodules.column("image_id"), masks, strict=True):
        side = sides[image_id]
        assert side["pixel_mm"] == pytest.approx(56 / 32)
        inside = (mask / 255).sum() * side["pixel_mm"] ** 2
        assert inside == pytest.approx(side["area_mm2"], rel=0.15) or inside < side["area_mm2"]
    splits = dict(zip(nodules.column("patient"), nodules.column("split"), strict=True))
    assert set(splits.values()) == {"train", "val", "test"}


def test_whoever_is_shown_stands_in_the_ancestry(study: NoduleStudy) -> None:
    nodules = ImageSet(study.out / "index.parquet")
    saw = read_manifest(study.out / "manifest.json")["what"]["saw_patients"]
    for aspect in ("pixels", "masks"):
        for split in ("train", "test"):
            rows = nodules.rows_where(split=split)
            assert set(saw[aspect]["by_split"][split]) == set(nodules.column("patient")[rows])


def test_a_segmentation_off_its_ct_ends_in_one_sentence(study: NoduleStudy, tmp_path: Path) -> None:
    import pydicom

    small = NoduleStudy(tmp_path, "nsclc_radiogenomics", cohort={"val": 0.0, "test": 0.0})
    for number in (1, 2):
        shutil.copytree(study.archive / patient_id(number), small.archive / patient_id(number))
    (seg,) = (small.archive / patient_id(1)).rglob("SEG/*.dcm")
    dataset = pydicom.dcmread(seg)
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        position[0] = float(position[0]) + 0.5 * float(
            dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0]
        )
    dataset.save_as(seg)
    nodules = small.cut()
    assert set(nodules.column("patient")) == {key_of(2)}
    (row,) = [row for row in pq.read_table(small.out / "rejects.parquet").to_pylist() if row["patient"] == key_of(1)]
    assert "pixels of the segmentation lie up to 0.50 voxels off its image" in row["sentence"]


def test_no_patient_with_both_kinds_of_patches_stops_the_study(study: NoduleStudy, tmp_path: Path) -> None:
    small = NoduleStudy(tmp_path, "nsclc_radiogenomics", cohort={"val": 0.0, "test": 0.0})
    shutil.copytree(study.archive / patient_id(1), small.archive / patient_id(1))
    with pytest.raises(
        CohortError, match=r"no training patient has nodule and healthy patches: 1 have the first, 0 the"
    ):
        small.cut(replace(PATCHES, lung_share=1.0, field_mm=120.0))


def test_everybody_with_genes_has_a_row_and_the_join_says_who_has_what(study: NoduleStudy) -> None:
    out = study.read_rna(RNA)
    found = load_expression(out / "rna.parquet")
    assert set(found.patients) == {key_of(number) for number in rna_patients(PHANTOM)}
    rows = {row["patient"]: row for row in pq.read_table(out / "join.parquet").to_pylist()}
    shown = set(ImageSet(study.out / "index.parquet").column("patient"))
    assert {name for name, row in rows.items() if row["has_images"]} == shown
    assert {name for name, row in rows.items() if row["has_rna"]} == set(found.patients)
    assert all(row["rna_patient"] == (name if row["has_rna"] else None) for name, row in rows.items())
    assert (load(out / "transform.safetensors").genes, found.caption) == (found.genes, "")
    train = [name for name, row in rows.items() if row["split"] == "train" and row["has_rna"]]
    values = found.of(train)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-5)
    saw = read_manifest(out / "manifest.json")["what"]["saw_patients"]["labels"]["by_split"]
    assert set(saw) == {"train"}
    assert set(saw["train"]) == set(train)


def test_held_out_patients_decide_nothing(study: NoduleStudy, tmp_path: Path) -> None:
    rows = pq.read_table(study.read_rna(RNA) / "join.parquet").to_pylist()
    train = {row["patient"] for row in rows if row["split"] == "train"}
    lines = gzip.decompress((study.archive / RNA_NAME).read_bytes()).decode().splitlines()
    head = lines[0].split("\t")
    others = [place for place, name in enumerate(head) if name and patient_key(b"tests", name) not in train]
    changed = [lines[0]]
    for line in lines[1:]:
        cells = line.split("\t")
        for place in others:
            cells[place] = "NA" if cells[place] == "NA" else str(1000 * float(cells[place]) + 1)
        changed.append("\t".join(cells))
    (tmp_path / "rna.txt").write_text("\n".join(changed) + "\n")
    out = study.read_rna(RNA, "changed", rna_table=tmp_path / "rna.txt")
    assert (out / "transform.safetensors").read_bytes() == (study.root / "rna" / "transform.safetensors").read_bytes()


def test_genes_are_chosen_by_the_survival_of_training_patients(study: NoduleStudy) -> None:
    clinical = study.root / "clinical" / "clinical.parquet"
    out = study.read_rna(replace(RNA, select="cox", genes=7), "cox", clinical=clinical)
    assert len(load_expression(out / "rna.parquet").genes) == 7
    with pytest.raises(
        InputError, match=r"rna.select is cox, but there are 0 survival times for \d+ training patients"
    ):
        study.read_rna(replace(RNA, select="cox"), "bare")


def test_a_table_the_wrong_way_round_ends_in_one_sentence(study: NoduleStudy) -> None:
    sentence = r"rna.orientation is patients-in-rows, but 0 of its 40 rows and \d+ of its 17 columns are patients"
    with pytest.raises(InputError, match=sentence):
        study.read_rna(replace(RNA, orientation="patients-in-rows"), "wrong")


def test_ids_of_another_form_end_in_one_sentence(study: NoduleStudy, tmp_path: Path) -> None:
    text = gzip.decompress((study.archive / RNA_NAME).read_bytes()).decode().replace("PHANTOM-N", "P")
    (tmp_path / "rna.txt").write_text(text)
    with pytest.raises(
        CohortError, match="ids of the table look like 'A9999', those of the cohort like 'AAAAAAA-A9999'"
    ):
        study.read_rna(replace(RNA, orientation="genes-in-rows"), "strange", rna_table=tmp_path / "rna.txt")


def test_a_simulated_pairing_gives_each_donor_once_and_says_so(study: NoduleStudy) -> None:
    settings = replace(RNA, pairing="simulated", orientation="genes-in-rows")
    first, again = (study.read_rna(settings, name) for name in ("simulated", "simulated again"))
    other = study.read_rna(replace(settings, pairing_seed=2), "otherwise")
    tables = [pq.read_table(place / "join.parquet").to_pylist() for place in (first, again, other)]
    assert tables[0] == tables[1] != tables[2]
    donors = [row["rna_patient"] for row in tables[0] if row["has_rna"]]
    assert len(set(donors)) == len(donors) == len(rna_patients(PHANTOM))
    paired = [row for row in tables[0] if row["has_rna"] and row["has_images"]]
    assert any(row["rna_patient"] != row["patient"] for row in paired)
    found = load_expression(first / "rna.parquet")
    assert found.caption == "simulated pairing: genes and images are of different people"
    own = load_expression(study.read_rna(RNA) / "rna.parquet")
    assert own.caption == ""
    assert found.patients != own.patients or not np.array_equal(found.values, own.values)


def test_survival_is_read_as_written(study: NoduleStudy) -> None:
    with (study.archive / CLINICAL_NAME).open() as file:
        rows = {row["Case ID"]: row for row in csv.DictReader(file)}
    found = read_clinical(study.archive / CLINICAL_NAME, ClinicalSettings())
    assert len(found.patients) == len(rows) == PHANTOM.patients + PHANTOM.rna_alone
    assert found.line.endswith("columns Pathological N stage are not there")
    for place, patient in enumerate(found.patients):
        assert found.died[place] == (rows[patient]["Survival Status"] == "Dead")
        age = found.variables[place, found.names.index("Age at Histological Diagnosis")]
        assert age == float(rows[patient]["Age at Histological Diagnosis"])
    table = pq.read_table(study.root / "clinical" / "clinical.parquet")
    back = from_table(table)
    order = [back.patients.index(patient_key(b"tests", patient)) for patient in found.patients]
    np.testing.assert_array_equal(back.time_days[order], found.time_days)
    np.testing.assert_array_equal(back.variables[order], found.variables)
    assert "PHANTOM" not in str(table.column("patient").to_pylist())


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (("Case ID", "Patient"), InputError, "no column 'Case ID' among its 10"),
        (("1990", "90-x"), InputError, r"line \d+, column '.*' holds no date month/day/year"),
        (("PHANTOM-N0002", "PHANTOM-N0001"), CohortError, "lines 2 and 3 are the same patient; keep one"),
    ],
)
def test_a_clinical_table_that_cannot_be_read_says_why(
    study: NoduleStudy, tmp_path: Path, change: tuple[str, str], error: type[Exception], sentence: str
) -> None:
    text = (study.archive / CLINICAL_NAME).read_text()
    (tmp_path / "clinical.csv").write_text(text.replace(*change))
    with pytest.raises(error, match=sentence):
        read_clinical(tmp_path / "clinical.csv", ClinicalSettings())
