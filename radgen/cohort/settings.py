"""Settings of inventory and cohort, and the sections many stages share: classes, structures, limit, low fraction."""

from __future__ import annotations

import re

from radgen.settings import section, setting

PATIENT_SOURCES = ("tag", "regex", "table", "rows", "layout", "none")
CLASS_SOURCES = ("folder", "tag", "layout", "table", "mask", "position")
SLICE_CLASS_SOURCES = ("mask", "position")  # decided slice by slice, so a series has no class of its own
TABLE_KEYS = ("patient", "study", "series", "file")
SPLITS = ("train", "val", "test", "annotator", "generator")


@section
class ClassSettings:
    """What the classes are called and how an image gets its class."""

    by: str = setting(
        "mask",
        "Where an image's class comes from: folder (a folder of its path) | tag (a DICOM tag) | layout (what the "
        "archive's layout says) | table (a CSV of labels) | mask (a structure is seen in the slice) | position (equal "
        "parts of a series' slices, feet to head).",
    )
    names: tuple[str, ...] = setting(
        ("normal", "liver_lesion"), "Class names; a class's number is its place in this list."
    )
    values: dict[str, tuple[str, ...]] = setting(
        {},
        "For folder, tag, layout and table: the values that mean each class. A class not named here is meant by its "
        "own name.",
    )
    key: str = setting(
        "patient", "For table: what a row names: patient | study | series | file. The column has that name."
    )
    structure: str = setting(
        "lesion", "For mask: the structure whose presence makes a slice the second class; without it, the first."
    )
    min_area_mm2: float = setting(
        30.0,
        "For mask: the least area of the structure that makes the second class; a slice with less of it has no class.",
    )

    def __post_init__(self) -> None:
        """Refuse impossible combinations."""
        _one_of(self.by, CLASS_SOURCES, "by")
        _one_of(self.key, TABLE_KEYS, "key")
        if not self.names or len(set(self.names)) != len(self.names) or not all(self.names):
            msg = f"names: {list(self.names)} must name each class once"
            raise ValueError(msg)
        if len({name.replace("/", "-") for name in self.names}) != len(self.names):
            msg = "names: two differ in / and - alone; image ids write a hyphen for a slash, so call one otherwise"
            raise ValueError(msg)
        if self.by == "mask" and len(self.names) != 2:
            msg = f"names: by mask needs two classes (without and with the structure), got {len(self.names)}"
            raise ValueError(msg)
        unknown = sorted(set(self.values) - set(self.names))
        if unknown:
            msg = f"values: {unknown[0]!r} is not among the class names {', '.join(self.names)}"
            raise ValueError(msg)
        meanings = [value for name in self.names for value in self.values_of(name)]
        if len(set(meanings)) != len(meanings):
            msg = f"values: {sorted(v for v in set(meanings) if meanings.count(v) > 1)[0]!r} stands for two classes"
            raise ValueError(msg)

    def values_of(self, name: str) -> tuple[str, ...]:
        """Return the folder names, tag values or table values that mean a class."""
        return self.values.get(name, (name,))

    @property
    def per_slice(self) -> bool:
        """Whether the class is decided slice by slice."""
        return self.by in SLICE_CLASS_SOURCES


@section
class StructureSettings:
    """The labels of the masks: 0 is background, then the names in order."""

    names: tuple[str, ...] = setting(
        (), "Names of mask labels 1, 2, ...; an empty list means that the study has no masks."
    )
    colours: tuple[str, ...] = setting((), "Colours as #rrggbb, one for each name; left out, a fixed palette is used.")
    map: dict[str, tuple[int | str, ...]] = setting(
        {},
        "The source labels that make up each structure: numbers in NIfTI masks, segment labels in DICOM SEG. A "
        "structure not named here is its own number in the list and its own name. The later structure wins an overlap.",
    )
    others: str = setting(
        "refuse", "What labels that no structure names become: refuse (the mask is an error) | background."
    )
    body: str | None = setting(
        None,
        "The name, best the last, of a structure that no mask holds: what background removal keeps of a slice and no "
        "other structure covers. It is found and not drawn; null for none.",
    )
    other_grid: str = setting(
        "refuse",
        "What becomes of a mask on another grid than its image: refuse | nearest (resampled by nearest neighbour, with "
        "a remark on the series that says how far labels moved). Pictures of another size are refused.",
    )

    def __post_init__(self) -> None:
        """Refuse double names, colours that do not fit and labels that mean two structures."""
        _one_of(self.others, ("refuse", "background"), "others")
        _one_of(self.other_grid, ("refuse", "nearest"), "other_grid")
        if len(set(self.names)) != len(self.names) or not all(self.names) or len(self.names) > 255:
            msg = f"names: {list(self.names)} must name each structure once, at most 255 of them"
            raise ValueError(msg)
        if self.colours and len(self.colours) != len(self.names):
            msg = f"colours: {len(self.colours)} colours for {len(self.names)} names; give one for each or none"
            raise ValueError(msg)
        for colour in self.colours:
            if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
                msg = f"colours: {colour!r} is not of the form #rrggbb"
                raise ValueError(msg)
        if self.body is not None and self.names and self.body not in self.names:
            msg = f"body: {self.body!r} is not among the names {', '.join(self.names)}; add it as the last one"
            raise ValueError(msg)
        unknown = sorted(set(self.map) - set(self.names))
        if unknown:
            msg = f"map: {unknown[0]!r} is not among the names {', '.join(self.names) or '(none)'}"
            raise ValueError(msg)
        sources = [source for name in self.names for source in self.sources_of(name)]
        twice = [source for source in sources if sources.count(source) > 1]
        if twice:
            msg = f"map: source label {twice[0]!r} stands for two structures"
            raise ValueError(msg)

    def sources_of(self, name: str) -> tuple[int | str, ...]:
        """Return the source label numbers and segment labels that make up a structure."""
        own = () if name == self.body else (self.names.index(name) + 1, name)
        return self.map.get(name, own)

    def id_of(self, name: str) -> int:
        """Return the mask label id of a structure."""
        return self.names.index(name) + 1


@section
class LimitSettings:
    """A smaller cohort for a trial."""

    patients: int | None = setting(
        None, "Keep only so many patients, spread over splits and classes; the report is then marked TRIAL."
    )

    def __post_init__(self) -> None:
        """Refuse a limit that keeps nobody."""
        if self.patients is not None and self.patients < 1:
            msg = f"patients: {self.patients} keeps nobody; give at least 1, or null for all"
            raise ValueError(msg)


@section
class LowSettings:
    """The few training patients whose labels or images the scarce settings may use."""

    fraction: float = setting(
        0.1, "Share of the training patients in the low arms; small fractions are parts of large ones."
    )
    seed: int = setting(0, "Another seed ranks the patients otherwise.")

    def __post_init__(self) -> None:
        """Refuse an impossible share."""
        _share(self.fraction, "fraction", least=0.0)


@section
class PatientKeySettings:
    """The key that turns patient identifiers into pseudonyms (HMAC-SHA256)."""

    public: str | None = setting(
        None, "A fixed key written here, for public or generated data only; private studies give a key file instead."
    )
    fingerprint: str = setting(
        "", "Twelve hexadecimal digits that recognise the key; filled in by radgen, not by hand."
    )


@section
class InventorySettings:
    """How the archive is read, and who is one patient."""

    patient_from: str = setting(
        "tag",
        "Who is one patient: tag (DICOM PatientID) | regex (first group of a pattern on the path) | table (CSV with "
        "columns file,patient) | rows (row number in the file name) | layout (what the archive's layout says, else the "
        "tag) | none (near-duplicates; no patient-level claim).",
    )
    patient_regex: str = setting(
        "", "For regex: pattern searched in the path relative to the archive; group 1 is the patient."
    )
    row_regex: str = setting(
        r"(\d+)\.[^./]+$", "Pattern whose group 1 is a file's row number, for patients or splits by rows."
    )
    rows_per_patient: int = setting(620, "For rows: how many successive rows count as one patient.")
    duplicate_correlation: float = setting(
        0.95, "For none: thumbnails at least this alike (normalised correlation) count as one patient."
    )
    burned_in: str = setting(
        "refuse",
        "Series that say that text is burned into their pixels (BurnedInAnnotation YES): refuse | keep (and mark). "
        "Ultrasound, captured screens and the like that do not say NO are marked in either case.",
    )
    max_gigavoxels: float = setting(
        4.0, "The most voxels one file may promise in its header, in thousands of millions; more is refused unread."
    )
    shards: int = setting(4, "Into how many parts the series are dealt; a patient's series stay together.")
    modality: str = setting("", "Modality of files that name none (NIfTI, pictures), such as CT or MR.")
    anatomy: str = setting("", "Anatomy of all series; left empty, the DICOM tag BodyPartExamined.")
    class_tag: str = setting("", "DICOM keyword whose value decides the class, for classes by tag.")
    mask_names: tuple[str, ...] = setting(
        ("labels.nii*", "mask.nii*", "segmentation.nii*"),
        "File names of NIfTI masks that lie beside their image; labelsTr folders and DICOM SEG are found without.",
    )
    channel: int | None = setting(
        0, "Which channel of nnU-Net images (_0000, _0001, ...) is used; null takes each as a series of its own."
    )
    repeats: str = setting(
        "first", "Which volumes of a series with several per position (time points) are used: first | all."
    )

    on_irregular: str = setting(
        "refuse",
        "What becomes of DICOM series with faults of geometry (gantry tilt, uneven or missing slices, several "
        "orientations, a wrong count): refuse | nearest (a regular grid of the nearest slices) | resample (linear).",
    )

    def __post_init__(self) -> None:
        """Refuse impossible patterns and counts."""
        _one_of(self.on_irregular, ("refuse", "nearest", "resample"), "on_irregular")
        _one_of(self.patient_from, PATIENT_SOURCES, "patient_from")
        _one_of(self.repeats, ("first", "all"), "repeats")
        _pattern(self.row_regex, "row_regex")
        if self.patient_from == "regex":
            _pattern(self.patient_regex, "patient_regex")
        _at_least(self.shards, 1, "shards")
        _one_of(self.burned_in, ("refuse", "keep"), "burned_in")
        if self.max_gigavoxels <= 0:
            msg = f"max_gigavoxels: {self.max_gigavoxels:g} admits no file; give a number above 0"
            raise ValueError(msg)
        _at_least(self.rows_per_patient, 1, "rows_per_patient")
        _share(self.duplicate_correlation, "duplicate_correlation", least=0.0)


@section
class CohortSettings:
    """Which series are used, and which patients train, choose and test."""

    val: float = setting(0.15, "Share of patients for choosing states and settings.")
    test: float = setting(0.25, "Share of patients for the final scores.")
    annotator: float = setting(0.0, "Share of patients set apart, out of training, for the simulated annotator.")
    seed: int = setting(0, "Another seed deals the patients otherwise.")
    exact: bool = setting(
        False,
        "Rank each class's patients once for exact shares; the ranking is kept in split.csv and obeyed afterwards.",
    )
    ranges: dict[str, tuple[int, int]] = setting(
        {},
        "Splits as row ranges [from, to) of row-numbered files; rows between the ranges are guards and are left out. "
        "Archives beside them whose files have no numbers are dealt by shares.",
    )
    given_splits: bool = setting(
        False,
        "Obey the split (train, val, test) that an archive's layout fixes; series without one are set aside. The "
        "annotator's share is taken from train.",
    )
    min_patients: int = setting(3, "Fewest patients of a class (of all, when classes are decided by slice).")
    min_images: int = setting(
        10,
        "Fewest slices of a class (of all, when classes are decided by slice), and fewest images of each class that "
        "are stored for training; val and test need one of each.",
    )
    max_refused_fraction: float = setting(
        0.02,
        "Largest share that may be refused: of the archive's image files by their headers, then of the series "
        "when their pixels are read.",
    )

    def __post_init__(self) -> None:
        """Refuse shares and ranges that do not add up."""
        for name in ("val", "test", "annotator", "max_refused_fraction"):
            _share(getattr(self, name), name, least=None)
        if self.val + self.test + self.annotator >= 1:
            msg = f"val + test + annotator is {self.val + self.test + self.annotator:g}; leave patients for training"
            raise ValueError(msg)
        before: tuple[str, int] | None = None
        for split, (start, end) in sorted(self.ranges.items(), key=lambda item: item[1]):
            _one_of(split, SPLITS, "ranges")
            if start >= end:
                msg = f"ranges: {split} runs from {start} to {end}; the end must lie after the start"
                raise ValueError(msg)
            if before is not None and start < before[1]:
                msg = f"ranges: {split} starts at row {start}, inside {before[0]} that ends at {before[1]}"
                raise ValueError(msg)
            before = (split, end)


def _one_of(value: str, allowed: tuple[str, ...], name: str) -> None:
    if value not in allowed:
        msg = f"{name}: {value!r} is not one of {', '.join(allowed)}"
        raise ValueError(msg)


def _at_least(value: int, least: int, name: str) -> None:
    if value < least:
        msg = f"{name}: {value} is too few; give at least {least}"
        raise ValueError(msg)


def _share(value: float, name: str, *, least: float | None) -> None:
    """Refuse a share outside [0, 1], or not above `least` when that is given."""
    if not 0 <= value <= 1 or (least is not None and value <= least):
        msg = f"{name}: {value:g} is not a share {'between 0 and 1' if least is None else 'above 0 and up to 1'}"
        raise ValueError(msg)


def _pattern(pattern: str, name: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        msg = f"{name}: {pattern!r} is not a regular expression ({error})"
        raise ValueError(msg) from error
    if groups < 1:
        msg = f"{name}: {pattern!r} has no group; put the part that matters in parentheses"
        raise ValueError(msg)
