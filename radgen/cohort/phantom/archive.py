"""Writes the whole phantom archive: patients in parallel, an index of all files, and files broken on purpose."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset

from radgen.cohort.phantom.anatomy import Anatomy, draw_patient
from radgen.cohort.phantom.dicom_writer import (
    MARK,
    Series,
    image_datasets,
    make_series,
    stored_values,
    write_dicom,
    write_nifti_labels,
)
from radgen.cohort.phantom.magnet import mr_scan
from radgen.cohort.phantom.scanner import scanner
from radgen.cohort.phantom.seg_writer import segmentation
from radgen.cohort.phantom.settings import STRUCTURES, TISSUES, PhantomSettings
from radgen.cohort.phantom.traits import place
from radgen.errors import ConfigError, StorageError
from radgen.provenance import digest_file, write_text
from radgen.seeds import random_generator
from radgen.spawn import spawned

INDEX = "index.txt"
README = f"""{MARK}
{MARK} archive: computed abdominal images. No patient is behind any image in this folder.

{MARK}-0001/CT/IM0001.dcm ...   one axial CT series, DICOM; MR/ where the patient was scanned by MR
{MARK}-0001/SEG/seg.dcm         its masks as DICOM Segmentation (segment label = structure), for most patients
{MARK}-0001/labels.nii.gz       its masks as a NIfTI label volume on the same grid, for the others
BROKEN/                         files that cannot be read, on purpose
index.txt                       digest and size of every file

Label ids: {", ".join(f"{number} {name}" for number, name in enumerate((*STRUCTURES, *TISSUES), start=1))}.
Tissues from fat on are labelled where the settings ask for them.
"""


def write_patient(folder: Path, settings: PhantomSettings, number: int) -> str:
    """Draw, scan and write patient `number`; return the patient id.

    The bytes depend on the settings and the number alone, so any worker may do any patient.
    """
    anatomy = draw_patient(settings, number)
    series, images = (_mr if anatomy.modality == "MR" else _ct)(anatomy, settings, number)
    home = folder / series.patient
    for image in images:
        write_dicom(home / series.modality / f"IM{image.InstanceNumber:04d}.dcm", image)
    if place(settings.seed, "masks", number) < settings.seg_fraction:
        write_dicom(home / "SEG" / "seg.dcm", segmentation(series, images, anatomy.labels))
    else:
        write_nifti_labels(home / "labels.nii.gz", series, anatomy.labels)
    return series.patient


def _ct(anatomy: Anatomy, settings: PhantomSettings, number: int) -> tuple[Series, list[FileDataset]]:
    rng = random_generator("phantom", settings.seed, number, "scan")
    photons, roll_off = float(rng.choice(settings.doses)), float(rng.choice(settings.roll_offs))
    machine = scanner(settings.size_px, settings.views)
    hu = machine.scan(anatomy.hu, anatomy.pixel_mm, photons, roll_off, rng)
    kernel = f"{MARK} {round(100 * roll_off)}"
    series = make_series(settings, number, pixel_mm=anatomy.pixel_mm, kernel=kernel)
    return series, image_datasets(series, stored_values(hu, machine.inside, series.storage))


def _mr(anatomy: Anatomy, settings: PhantomSettings, number: int) -> tuple[Series, list[FileDataset]]:
    rng = random_generator("phantom", settings.seed, number, "magnet")
    shown = mr_scan(anatomy.hu, anatomy.labels, float(rng.choice(settings.mr_noises)), rng)
    series = make_series(settings, number, pixel_mm=anatomy.pixel_mm, kernel=MARK, modality="MR")
    return series, image_datasets(series, np.rint(shown).clip(0, 65535).astype(np.uint16))


def write_archive(folder: Path, settings: PhantomSettings, workers: int, said: Callable[[str], None]) -> None:
    """Write every patient, the broken files, the README and the index into an empty folder.

    Parameters
    ----------
    folder
        Exists and is empty.
    settings
        See `PhantomSettings`.
    workers
        Processes; the bytes do not depend on it.
    said
        Gets a line of progress now and then.
    """
    job = partial(write_patient, folder, settings)
    every = max(1, settings.patients // 10)
    for done, _ in enumerate(spawned(job, range(1, settings.patients + 1), workers), start=1):
        if done % every == 0 or done == settings.patients:
            said(f"phantom: {done} of {settings.patients} patients written")
    write_broken(folder, settings)
    (folder / "README.txt").write_text(README, encoding="utf-8")


def write_broken(folder: Path, settings: PhantomSettings) -> None:
    """Write files that no reader can use: truncated DICOM images and text files named .dcm, in turn."""
    for number in range(1, settings.broken_files + 1):
        path = folder / "BROKEN" / f"IM{number:04d}.dcm"
        path.parent.mkdir(exist_ok=True)
        if number % 2 == 0:
            path.write_text(f"{MARK}: not a DICOM file\n", encoding="utf-8")
            continue
        # A patient of its own (number 0 is never drawn), so that the damage touches nobody's series.
        series = make_series(settings, 0, pixel_mm=1.0, kernel=MARK)
        blank = np.zeros((number, settings.size_px, settings.size_px), dtype=np.int16)
        write_dicom(path, image_datasets(series, blank)[-1])
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def index_text(folder: Path, key: str) -> str:
    """Return the index of an archive: the key that made it, then digest, size and path of every file, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != INDEX)
    lines = [f"{digest_file(path)} {path.stat().st_size} {path.relative_to(folder).as_posix()}" for path in files]
    return "\n".join([f"{MARK} {key}", *lines]) + "\n"


def is_complete(folder: Path, key: str) -> bool:
    """Tell whether a folder holds the whole archive of a key: every file of its index, in its size."""
    try:
        head, *lines = (folder / INDEX).read_text(encoding="utf-8").splitlines()
        entries = [line.split(" ", 2) for line in lines]
        return head == f"{MARK} {key}" and all((folder / name).stat().st_size == int(size) for _, size, name in entries)
    except (OSError, ValueError):
        return False


def put_archive(archive: Path, key: str, write: Callable[[Path], None], said: Callable[[str], None]) -> bool:
    """Write an archive folder whole or not at all; one that is complete is left alone.

    Parameters
    ----------
    archive
        Where it goes; another phantom archive there is replaced.
    key
        Of what makes its bytes; it stands in the index.
    write
        Fills an empty folder.
    said
        Gets a line where nothing is to be done.

    Returns
    -------
    Whether it was there already.

    Raises
    ------
    ConfigError
        The folder holds something that is not a phantom archive.
    StorageError
        The disk refused a write.
    """
    if is_complete(archive, key):
        said(f"phantom: {archive} is complete, nothing to do")
        return True
    _make_way(archive)
    fresh = archive.with_name(f".{archive.name}.{key[:12]}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        write(fresh)
        write_text(fresh / INDEX, index_text(fresh, key))
        shutil.rmtree(archive, ignore_errors=True)
        fresh.rename(archive)
    except OSError as error:
        msg = f"{archive}: cannot be written ({error.strerror}); free space or rights there, then run again"
        raise StorageError(msg) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return False


def _make_way(archive: Path) -> None:
    """Refuse a folder that somebody else filled."""
    if archive.exists() and not archive.is_dir():
        msg = f"{archive}: a file lies where the phantom archive shall go; move it away or name another folder"
        raise ConfigError(msg)
    # Folders without a file are nobody's: Snakemake makes them before a job runs.
    entries = archive.iterdir() if archive.is_dir() else ()
    held = [path.name for path in entries if path.is_file() or any(one.is_file() for one in path.rglob("*"))]
    if held and INDEX not in held and "phantom.manifest.json" not in held:
        msg = (
            f"{archive}: holds {len(held)} entries but no phantom archive, and would be replaced; "
            "name an empty or another folder"
        )
        raise ConfigError(msg)
