"""Write a commented configuration from what an archive holds."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from radgen.cohort.layouts import LAYOUTS
from radgen.config_files import inline
from radgen.errors import ConfigError
from radgen.provenance import write_text

MASKS_LOOKED_AT = 8
# How the names of files end that hold one volume each, by format.
SUFFIXES = {"nifti": "nii", "nrrd": "nrrd", "npy": "npy"}


@dataclass(frozen=True)
class Found:
    """What an archive holds, as far as a configuration needs to know; files set aside do not count as refused."""

    files: int
    refused: int
    series: int
    formats: Counter[str]
    modalities: Counter[str]
    folders: Counter[str]
    structures: dict[str, int | str]
    tables: tuple[str, ...]
    layout: str = "auto"
    names_patients: bool = False
    names_repeat: bool = False
    classes: tuple[str, ...] = ()
    splits: frozenset[str] = frozenset()

    @property
    def format(self) -> str:
        """The most frequent format: dicom, nifti, nrrd, npy or picture."""
        return self.formats.most_common(1)[0][0]


def main(words: list[str]) -> int:
    """Look through the archive, write the configuration, and say what to check by eye."""
    parser = argparse.ArgumentParser("radgen init", description=__doc__)
    parser.add_argument("archive", type=Path, help="folder of DICOM, NIfTI, NRRD, NumPy files or pictures")
    parser.add_argument("--out", type=Path, help="file to write; default config/<study>.yaml")
    parser.add_argument("--study", help="name of the study; default the archive's folder name")
    parser.add_argument("--layout", choices=LAYOUTS, default="auto", help="the public layout it is arranged in")
    parser.add_argument("--workers", type=int, default=2, help="processes that read headers")
    options = parser.parse_args(words)
    if not options.archive.is_dir():
        msg = f"archive {options.archive}: no such folder; give the folder of the images"
        raise ConfigError(msg)
    study = options.study or study_name(options.archive)
    out = options.out or Path("config") / f"{study}.yaml"
    if out.exists():
        msg = f"{out}: exists already; name another file with --out, or delete it"
        raise ConfigError(msg)
    found = look_through(options.archive, options.workers, options.layout)
    key_file = out.with_suffix(".key")
    write_text(out, configuration(study, options.archive, key_file, found))
    if not key_file.exists():
        write_text(key_file, secrets.token_hex(32) + "\n")
        key_file.chmod(0o600)
    sys.stdout.write(
        f"{found.series} series ({', '.join(f'{n} {kind}' for kind, n in found.formats.most_common())}), "
        f"{found.refused} of {found.files} files refused\n"
        f"wrote {out}: read its lines marked CHECK, then `radgen check {out}`\n"
        f"wrote {key_file}: the key of the patient pseudonyms; keep it secret, keep a copy, never commit it\n"
    )
    return 0


def study_name(archive: Path) -> str:
    """Make a study name of a folder name: lower-case letters, digits and hyphens."""
    name = "".join(letter if letter.isalnum() else "-" for letter in archive.resolve().name.lower())
    return "-".join(part for part in name.split("-") if part) or "study"


def look_through(archive: Path, workers: int, layout: str = "auto") -> Found:
    """Read the headers of an archive and a few of its masks, arranged as the layout says.

    Raises
    ------
    ConfigError
        Nothing readable is there.
    """
    from radgen.cohort import inventory
    from radgen.cohort.archives import ArchiveSettings, Roots
    from radgen.cohort.refusal import SET_ASIDE
    from radgen.cohort.settings import InventorySettings

    roots = Roots({"": archive})
    files, candidates, refused = inventory.look_through(
        roots, InventorySettings(), {"": ArchiveSettings(layout=layout)}, workers
    )
    if not candidates:
        msg = f"archive {archive}: no readable series among {len(files)} files; check the path and the format"
        raise ConfigError(msg)
    pictures = [PurePosixPath(item.paths[0]) for item in candidates if item.format == "picture"]
    masks = [
        (archive / path, item.mask_kind, label)
        for item in candidates
        for path, label in zip(item.masks, item.mask_labels, strict=True)
    ]
    return Found(
        files=len(files),
        refused=sum(item.reason not in SET_ASIDE for item in refused),
        series=len(candidates),
        formats=Counter(item.format for item in candidates),
        modalities=Counter(item.modality for item in candidates if item.modality),
        folders=Counter(path.parts[0] for path in pictures if len(path.parts) > 1),
        structures=_structures(masks[:MASKS_LOOKED_AT]),
        tables=tuple(sorted(path.name for path in archive.glob("*.csv"))),
        layout=layout,
        names_patients=all(item.patient for item in candidates),
        names_repeat=_names_repeat([PurePosixPath(item.paths[0]) for item in candidates]),
        classes=tuple(sorted({item.tag_value for item in candidates} - {""})) if layout != "auto" else (),
        splits=frozenset(item.split for item in candidates),
    )


def _names_repeat(paths: list[PurePosixPath]) -> bool:
    """Tell whether all files lie in folders, and some have one name: `P001/ct.nii.gz`, `P002/ct.nii.gz`."""
    return all(len(path.parts) > 1 for path in paths) and len({path.name for path in paths}) < len(paths)


def _structures(masks: list[tuple[Path, str | None, str]]) -> dict[str, int | str]:
    """Name the structures of a few masks: what whole files show, segment labels of SEG, numbers of label maps."""
    import numpy as np
    import pydicom

    from radgen.cohort import nrrd, seg_nrrd
    from radgen.cohort.mask_files import PLACED

    found: dict[str, int | str] = {}
    for path, kind, shown in masks:
        if shown:
            found.setdefault(_word(shown), shown)
        elif kind == "seg":
            for segment in pydicom.dcmread(path, stop_before_pixels=True).SegmentSequence:
                label = str(segment.SegmentLabel)
                found.setdefault(_word(label), label)
        elif kind == "nrrd" and seg_nrrd.is_segmentation(path):
            for segment in nrrd.parse(path).segments:
                found.setdefault(_word(segment.name), segment.name)
        elif kind in PLACED:
            for value in np.unique(PLACED[kind](path, 0).array):
                if value > 0:
                    found.setdefault(f"structure_{int(value)}", int(value))
    # Where some masks name their labels, the numbers of the others are taken to be in the same order.
    named: dict[str, int | str] = {name: source for name, source in found.items() if isinstance(source, str)}
    return named or found


def _word(text: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split()) or "structure"


# ---------------------------------------------------------------- the file


def configuration(study: str, archive: Path, key_file: Path, found: Found) -> str:
    """Return the configuration's text; what cannot be known from the files is marked CHECK."""
    lines = [
        f"# Study {study}: written by `radgen init` from {found.series} series.",
        "# Lines marked CHECK are assumptions. `radgen config` prints every other key with its default and meaning.",
        f"study: {inline(study)}",
        *_archive_lines(archive, found),
        "# The key that turns patient ids into pseudonyms. Keep it: another key is refused.",
        f"key_file: {inline(str(key_file))}",
        *_inventory_lines(found),
        *_class_lines(found),
        *_structure_lines(found),
        *_split_lines(found),
        *_slice_lines(found),
        *_benchmark_lines(found),
    ]
    return "\n".join(lines) + "\n"


def _archive_lines(archive: Path, found: Found) -> list[str]:
    if found.layout == "auto":
        return [f"archive: {inline(str(archive))}"]
    return ["archives:", f"  - path: {inline(str(archive))}", f"    layout: {found.layout}"]


def _inventory_lines(found: Found) -> list[str]:
    lines: list[str] = []
    if found.layout != "auto" and found.names_patients:
        patient = ["  # CHECK: the layout says who is a patient; its page in docs/studies says how far to trust it."]
        patient += ["  patient_from: layout"]
    elif found.format == "dicom":
        patient = ["  # CHECK: the DICOM tag PatientID tells patients apart.", "  patient_from: tag"]
    elif found.tables and found.layout == "auto":
        lines = [f"# CHECK: a CSV with the columns file,patient. Found here: {', '.join(found.tables)}"]
        lines += [f"patient_table: {inline(found.tables[0])}"]
        patient = ["  patient_from: table"]
    elif found.format in SUFFIXES and found.names_repeat:
        patient = [
            "  # CHECK: files of several folders have one name, so each first folder is one patient here.",
            "  patient_from: regex",
            "  patient_regex: '^([^/]+)/'",
        ]
    elif found.format in SUFFIXES:
        patient = [
            "  # CHECK: each file name is one patient here. Repeat scans of one person need a table (file,patient).",
            "  patient_from: regex",
            rf"  patient_regex: '([^/]+?)(?:_\d{{4}})?\.{SUFFIXES[found.format]}'",
        ]
    else:
        patient = [
            "  # CHECK: pictures name no patient: near-duplicates stay together, and no claim by patient is made.",
            "  # Better: patient_from: regex, table or rows.",
            "  patient_from: none",
        ]
    modality = [] if found.modalities else ["  # CHECK: the files name no modality: CT, MR, US ...", "  modality: CT"]
    return [*lines, "inventory:", *patient, *modality]


def _split_lines(found: Found) -> list[str]:
    """Return the cohort's section, where there is something to say."""
    # Validation and test come from the layout only where it has both; else the patients are dealt.
    given = ["  # The layout fixes the splits.", "  given_splits: true"] if found.splits >= {"val", "test"} else []
    annotator = ["  # Patients set apart for the simulated annotator.", "  annotator: 0.1"] if found.structures else []
    lines = [*given, *annotator]
    return ["cohort:", *lines] if lines else []


def _class_lines(found: Found) -> list[str]:
    if found.classes:
        names = inline(list(found.classes))
        return ["classes:", "  # CHECK: as the layout names them.", "  by: layout", f"  names: {names}"]
    if len(found.folders) > 1:
        names = inline(sorted(found.folders))
        return ["classes:", "  # One folder per class.", "  by: folder", f"  names: {names}"]
    if found.structures:
        name = list(found.structures)[-1]
        return [
            "classes:",
            "  # CHECK: a slice is of the second class where this is seen. Others: folder, tag, table, position.",
            "  by: mask",
            f"  names: [without_{name}, with_{name}]",
            f"  structure: {inline(name)}",
        ]
    comment = "  # CHECK: thirds of each volume, for want of labels."
    return ["classes:", comment, "  by: position", "  names: [lower, middle, upper]"]


def _structure_lines(found: Found) -> list[str]:
    if not found.structures:
        return ["# No masks were found: annotation, label head, pairs and segmentation are left out."]
    sources = [
        f"    {inline(name)}: {inline([source] if isinstance(source, int) else [number, source])}"
        for number, (name, source) in enumerate(found.structures.items(), start=1)
    ]
    return [
        "structures:",
        f"  # CHECK: seen in the first {MASKS_LOOKED_AT} masks, with their numbers in NIfTI masks and labels in SEG.",
        f"  names: {inline(list(found.structures))}",
        "  map:",
        *sources,
    ]


def _slice_lines(found: Found) -> list[str]:
    from radgen.cohort.headers import WITHOUT_MM

    crops = found.format in WITHOUT_MM
    reason = "pictures are taken as they are" if crops else "couch and blankets are removed; none for crops"
    return [
        "slices:",
        "  size_px: 64",
        f"  # CHECK: {reason}.",
        f"  background: {'none' if crops else 'body'}",
    ]


def _benchmark_lines(found: Found) -> list[str]:
    # Classes by position need no label, so a generator may see all training images and still be scarce in labels.
    by_position = not found.structures and not found.classes and len(found.folders) < 2
    source = "{train_on: train, setting: scarce-labels}" if by_position else "{train_on: low, setting: scarce}"
    return [
        "sources:",
        "  # CHECK: which patients the generator may see, and what its images may claim (docs/ancestry.md).",
        f"  main: {source}",
        "benchmark:",
        "  # Run `snakemake real_curve` first: its table chooses low.fraction.",
        "  curve_fractions: [0.1, 0.03]",
        "  # The primary endpoint. Until `radgen unseal` opens the test, scores are of development folds.",
        "  primary: low_plus_synthetic",
        "arms:",
        "  low_plus_synthetic: {real_fraction: low, synthetic: main}",
        "  synthetic_only: {real_fraction: 0, synthetic: main}",
    ]
