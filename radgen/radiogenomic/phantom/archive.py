"""Writes the radiogenomic phantom: CT and SEG of every patient, the RNA table, and the planted truth beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from radgen.cohort.phantom.dicom_writer import (
    MARK,
    STORAGES,
    Series,
    image_datasets,
    stored_values,
    write_dicom,
)
from radgen.cohort.phantom.scanner import scanner
from radgen.cohort.phantom.seg_writer import segmentation
from radgen.cohort.phantom.settings import STRUCTURES
from radgen.radiogenomic.phantom.chest import draw_chest
from radgen.radiogenomic.phantom.clinical import clinical_text
from radgen.radiogenomic.phantom.genes import patient_id, planted_text, rna_bytes, truth_text
from radgen.radiogenomic.phantom.settings import RadiogenomicPhantomSettings
from radgen.seeds import derive_seed, random_generator, stable_unit
from radgen.spawn import spawned

NODULE = "nodule"
RNA_NAME = f"{MARK}_RNAseq.txt.gz"
CLINICAL_NAME = f"{MARK}_clinical.csv"
ROLL_OFF = 0.9
README = f"""{MARK}
{MARK} archive: computed chest CT and computed gene expression. No patient is behind any of it.

{MARK}-N0001/<study>/CT/1-001.dcm ...   one axial CT series, DICOM
{MARK}-N0001/<study>/SEG/1-1.dcm        its nodule as DICOM Segmentation, segment label "{NODULE}"
{RNA_NAME}              FPKM, genes in rows, patients in columns, NA where nothing was called
{CLINICAL_NAME}                    age, stage, survival and others, in the columns of NSCLC-Radiogenomics
truth/planted.csv                       which genes follow which pathway; the others are noise
truth/truth.csv                         pathways of every patient, and the nodule they shape
"""


def write_patient(folder: Path, settings: RadiogenomicPhantomSettings, number: int) -> None:
    """Draw, scan and write patient `number`; the bytes depend on settings and number alone."""
    chest = draw_chest(settings, number)
    machine = scanner(settings.size_px, settings.views)
    rng = random_generator("radiogenomic", settings.seed, number, "scan")
    hu = machine.scan(chest.hu, chest.pixel_mm, settings.photons, ROLL_OFF, rng)
    series = _series(settings, number, chest.pixel_mm)
    images = image_datasets(series, stored_values(hu, machine.inside, series.storage))
    home = folder / series.patient / f"{series.day}-CT CHEST"
    for image in images:
        image.BodyPartExamined = "CHEST"
        image.StudyDescription = image.ProtocolName = f"{MARK} chest"
        image.SeriesDescription = f"{MARK} CT chest"
        write_dicom(home / "CT" / f"1-{image.InstanceNumber:03d}.dcm", image)
    made = segmentation(series, images, np.where(chest.nodule, len(STRUCTURES), 0).astype(np.uint8))
    made.SegmentSequence[0].SegmentLabel = NODULE
    made.ContentDescription = f"{MARK} lung nodule"
    write_dicom(home / "SEG" / "1-1.dcm", made)


def _series(settings: RadiogenomicPhantomSettings, number: int, pixel_mm: float) -> Series:
    half = (settings.size_px - 1) / 2 * pixel_mm
    height = round(stable_unit("radiogenomic", settings.seed, number, "table") * 400 - 600, 1)
    return Series(
        patient=patient_id(number),
        # Another seed than the abdominal phantom's, or both would share their UIDs.
        seed=derive_seed("radiogenomic", settings.seed),
        number=number,
        pixel_mm=pixel_mm,
        slice_mm=settings.slice_mm,
        origin_mm=(round(-half, 4), round(-half, 4), height),
        storage=STORAGES[int(stable_unit("radiogenomic", settings.seed, number, "storage") * len(STORAGES))],
        head_first=stable_unit("radiogenomic", settings.seed, number, "order") < 0.5,
        kernel=f"{MARK} {round(100 * ROLL_OFF)}",
    )


def write_archive(
    folder: Path, settings: RadiogenomicPhantomSettings, workers: int, said: Callable[[str], None]
) -> None:
    """Write the whole archive into an empty folder.

    Parameters
    ----------
    folder
        Exists and is empty.
    settings
        See `RadiogenomicPhantomSettings`.
    workers
        Processes; the bytes do not depend on it.
    said
        Gets a line of progress now and then.
    """
    (folder / RNA_NAME).write_bytes(rna_bytes(settings))
    (folder / CLINICAL_NAME).write_text(clinical_text(settings), encoding="utf-8")
    (folder / "truth").mkdir()
    (folder / "truth" / "planted.csv").write_text(planted_text(settings), encoding="utf-8")
    (folder / "truth" / "truth.csv").write_text(truth_text(settings), encoding="utf-8")
    job = partial(write_patient, folder, settings)
    every = max(1, settings.patients // 10)
    for done, _ in enumerate(spawned(job, range(1, settings.patients + 1), workers), start=1):
        if done % every == 0 or done == settings.patients:
            said(f"radiogenomic phantom: {done} of {settings.patients} patients written")
    (folder / "README.txt").write_text(README, encoding="utf-8")
