"""The ready-to-run configuration of NSCLC-Radiogenomics, on a miniature in its TCIA tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from radgen.config import read_config
from radgen.imageset.core import ImageSet
from radgen.radiogenomic.expression import load_expression
from radgen.radiogenomic.phantom.archive import CLINICAL_NAME, RNA_NAME
from radgen.radiogenomic.phantom.genes import patient_id
from radgen.study import Study
from tests.conftest import REPOSITORY
from tests.radiogenomic.nodule_study import PHANTOM, NoduleStudy

PATIENTS = 6


def test_the_published_settings_cut_patches_and_read_both_tables(study: NoduleStudy, tmp_path: Path) -> None:
    config = read_config(REPOSITORY / "config" / "nsclc-radiogenomics.yaml")
    # So few patients have no validation split.
    small = NoduleStudy(tmp_path, str(config.archives[0].layout), cohort={"test": config.cohort.test})
    for number in range(1, PATIENTS + 1):
        shutil.copytree(study.archive / patient_id(number), small.archive / patient_id(number))
    for name in (RNA_NAME, CLINICAL_NAME):
        shutil.copy(study.archive / name, small.archive / name)
    nodules = small.cut(config.nodules)
    assert nodules.image_shape == ImageSet(small.out / "backgrounds" / "index.parquet").image_shape == (1, 128, 128)
    rows = [row for row in pq.read_table(small.out / "patches.parquet").to_pylist() if row["kind"] == "nodule"]
    own = {patient: [row for row in rows if row["patient"] == patient] for patient in set(nodules.column("patient"))}
    assert len(own) >= PATIENTS - 1
    assert {len(rows) for rows in own.values()} <= {1, 2, config.nodules.slices_per_nodule}
    # Twice the nodule's box: each patient's own field, and the nodule never fills it.
    assert len({rows[0]["field_mm"] for rows in own.values()}) == len(own)
    assert all(row["area_mm2"] < row["field_mm"] ** 2 / 4 for row in rows)
    small.read_clinical()
    genes = load_expression(small.read_rna(config.rna) / "rna.parquet").genes
    assert 0 < len(genes) < PHANTOM.genes  # 2 % of the entries are missing, and nothing is filled in
    assert Study.of(config).real_of_task("segmentation") == "nodules"
