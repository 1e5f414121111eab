"""Settings of the expression table and of the patches."""

from __future__ import annotations

from radgen.settings import at_least, section, setting

SELECTIONS = ("all", "variance", "class", "cox", "list")
PAIRINGS = ("ids", "simulated")
PATCH_SOURCES = ("segmentations", "pictures")


@section
class RnaSettings:
    """How an expression table becomes the input of a network."""

    scale: str = setting(
        "raw",
        "What the table's numbers are: raw (FPKM, TPM or counts) | log | zscore (saw all patients; captions say so).",
    )
    orientation: str = setting("auto", "auto (by the patients of the image cohort) | genes-in-rows | patients-in-rows.")
    most_missing: float = setting(
        0.0,
        "A gene is dropped where more than this share of training patients lacks it; what is missing elsewhere "
        "becomes the training mean.",
    )
    select: str = setting(
        "all", "Which genes stay: all | variance | class | cox | list (a text file, one gene a line)."
    )
    genes: int = setting(1000, "How many of them, for variance, class and cox.")
    pairing: str = setting(
        "ids",
        "Whose genes go with whose images: ids (the same patient's) | simulated (drawn at random, where no patient has "
        "both; every caption says so, and nothing can be learnt from it).",
    )
    pairing_seed: int = setting(1, "Of the simulated pairing.")

    def __post_init__(self) -> None:
        """Refuse impossible values in words."""
        for name, allowed in (
            ("scale", ("raw", "log", "zscore")),
            ("orientation", ("auto", "genes-in-rows", "patients-in-rows")),
            ("select", SELECTIONS),
            ("pairing", PAIRINGS),
        ):
            if getattr(self, name) not in allowed:
                msg = f"{name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}"
                raise ValueError(msg)
        if not 0 <= self.most_missing < 1:
            msg = f"most_missing: {self.most_missing:g} must lie from 0 to below 1"
            raise ValueError(msg)
        if self.genes < 1:
            msg = f"genes: {self.genes} must be at least 1"
            raise ValueError(msg)


@section
class ClinicalSettings:
    """The columns of the clinical table; the defaults are those of NSCLC-Radiogenomics."""

    patient: str = setting("Case ID", "Column of the patient ids.")
    begin: str = setting("CT Date", "Column of the date from which time is counted, month/day/year as all dates.")
    last_seen: str = setting("Date of Last Known Alive", "Column of the date on which a living patient was last seen.")
    death: str = setting("Date of Death", "Column of the date of death.")
    status: str = setting("Survival Status", "Column that says who died.")
    died: str = setting("Dead", "What it says then.")
    variables: tuple[str, ...] = setting(
        (
            "Age at Histological Diagnosis",
            "Gender",
            "Smoking status",
            "Histology",
            "Pathological T stage",
            "Pathological N stage",
        ),
        "Columns that a survival model may use; those that a table lacks are left out and named. Numbers are taken as "
        "they are, words become one column each.",
    )
    missing: tuple[str, ...] = setting(
        ("", "N/A", "Not Collected", "Not collected", "Not Recorded In Database", "Unknown"),
        "What stands for nothing; the mean takes its place.",
    )

    def __post_init__(self) -> None:
        """Refuse columns that are named twice."""
        names = (self.patient, self.begin, self.last_seen, self.death, self.status, *self.variables)
        if len(set(names)) != len(names):
            msg = f"clinical: {', '.join(names)} must name each column once"
            raise ValueError(msg)


@section
class PatchSettings:
    """How nodule and background patches are cut out of CT series."""

    source: str = setting(
        "segmentations",
        "Where patches come from: segmentations (CT series with DICOM SEG) | pictures (the study's slices: one class "
        "shows nodules, one healthy tissue; masks are then made by a threshold, and captions say so).",
    )
    classes: tuple[str, str] = setting(
        ("nodule", "non_nodule"), "For pictures: the class that shows nodules, and the one that shows healthy tissue."
    )
    size_px: int = setting(128, "Rows and columns of a patch.")
    field_mm: float = setting(
        0.0,
        "Width of what a patch shows, mm; 0 is twice the nodule's box, as published, which makes all nodules equally "
        "large in their pictures (the true size stays in the table).",
    )
    slices_per_nodule: int = setting(
        3, "Axial slices of a nodule, spread evenly where it is at least half as large as at most."
    )
    backgrounds_per_nodule: int = setting(4, "Healthy patches of the same lung and field for each nodule.")
    lung_share: float = setting(0.8, "A healthy patch shows at least this share of lung, vessels counted in.")
    least_box_px: int = setting(4, "Nodules whose box is smaller in source pixels become a row of the rejects.")
    low_hu: float = setting(-1000.0, "HU that becomes 0.")
    high_hu: float = setting(500.0, "HU that becomes 255.")
    segments: tuple[str, ...] = setting(
        ("nodule", "Neoplasm, Primary"), "Labels of the SEG segments that are nodules; others are left out."
    )
    seed: int = setting(1, "Of the choice of healthy patches.")

    def __post_init__(self) -> None:
        """Refuse impossible values in words."""
        if self.source not in PATCH_SOURCES:
            msg = f"source: {self.source!r} is not one of {', '.join(PATCH_SOURCES)}"
            raise ValueError(msg)
        at_least(
            size_px=(self.size_px, 8),
            slices_per_nodule=(self.slices_per_nodule, 1),
            backgrounds_per_nodule=(self.backgrounds_per_nodule, 0),
            least_box_px=(self.least_box_px, 1),
        )
        if self.low_hu >= self.high_hu:
            msg = f"low_hu: {self.low_hu:g} must lie below high_hu: {self.high_hu:g}"
            raise ValueError(msg)
        if not 0 < self.lung_share <= 1 or self.field_mm < 0:
            msg = (
                f"lung_share: {self.lung_share:g} must lie above 0 and up to 1, field_mm: {self.field_mm:g} not below 0"
            )
            raise ValueError(msg)
        if not self.segments or len(set(self.segments)) != len(self.segments):
            msg = f"segments: {list(self.segments)} must name each segment once, and at least one"
            raise ValueError(msg)
