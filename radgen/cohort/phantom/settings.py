"""Settings of the phantom archive, and the names of its structures."""

from __future__ import annotations

from radgen.settings import section, setting

STRUCTURES = ("liver", "spleen", "kidneys", "aorta", "spine", "lesion")
"""Structure names; the label id in every mask is the position here plus one. A lesion takes precedence over liver."""
TISSUES = ("fat", "lean", "gas", "ribs")
"""What fills the trunk between structures, where it is asked for; label ids follow those of the structures."""


@section
class PhantomSettings:
    """An archive of computed abdominal CT series, and MR on demand: no patient is behind it."""

    seed: int = setting(1, "Seed of every patient, date, identifier and noise value")
    patients: int = setting(160, "Number of patients, each with one series and its masks")
    slices_per_patient: int = setting(12, "Axial slices of a series")
    slice_mm: float = setting(8.0, "Distance between slices and their thickness, mm; 12 x 8 mm stays within the liver")
    size_px: int = setting(256, "Rows and columns of a slice")
    body_fill: float = setting(
        0.86, "Share of the picture's width that a body fills; the pixel width follows, about 1.5 mm at 256 px"
    )
    views: int = setting(320, "Projection angles over 180 degrees")
    doses: tuple[float, ...] = setting(
        (4.0e5, 1.6e5), "Photons per detector element before the body; one is drawn for each patient"
    )
    roll_offs: tuple[float, ...] = setting(
        (0.8, 1.0),
        "Where the reconstruction filter's roll-off reaches zero, share of Nyquist; one is drawn for each patient",
    )
    mr_fraction: float = setting(0.0, "Share of patients with a T1-like MR series in place of CT")
    mr_noises: tuple[float, ...] = setting(
        (0.05, 0.08), "Noise of MR series, share of the signal of fat; one is drawn for each patient"
    )
    tissues: bool = setting(False, "Masks also of fat, lean tissue, gas and ribs: what fills the trunk between organs")
    lesion_patient_fraction: float = setting(0.5, "Share of patients with a liver lesion")
    second_lesion_fraction: float = setting(0.25, "Share of lesion patients with a second lesion")
    lesion_diameter_mm: tuple[float, float] = setting(
        (28.0, 60.0), "Smallest and largest lesion diameter in a slice, mm"
    )
    lesion_contrast_hu: tuple[float, float] = setting((30.0, 55.0), "How far a lesion lies below its liver, HU")
    arms_fraction: float = setting(0.12, "Share of patients whose arms lie beside the body")
    blanket_fraction: float = setting(0.5, "Share of patients under a blanket")
    seg_fraction: float = setting(
        0.75, "Share of patients whose masks are a DICOM SEG; the rest have a NIfTI label volume"
    )
    broken_files: int = setting(2, "Files that cannot be read, added on purpose so that the table of rejects has rows")

    def __post_init__(self) -> None:
        """Refuse impossible values in words."""
        for name in ("patients", "slices_per_patient", "size_px", "views"):
            if getattr(self, name) < 1:
                msg = f"{name} is {getattr(self, name)}, but must be at least 1"
                raise ValueError(msg)
        if self.slice_mm <= 0:
            msg = f"slice_mm is {self.slice_mm}, but must be above 0"
            raise ValueError(msg)
        if not 0.3 <= self.body_fill <= 0.95:
            msg = f"body_fill is {self.body_fill}, but must lie between 0.3 and 0.95, or the body would be cut"
            raise ValueError(msg)
        for name in (
            "mr_fraction",
            "lesion_patient_fraction",
            "second_lesion_fraction",
            "arms_fraction",
            "blanket_fraction",
            "seg_fraction",
        ):
            if not 0 <= getattr(self, name) <= 1:
                msg = f"{name} is {getattr(self, name)}, but must lie between 0 and 1"
                raise ValueError(msg)
        for name in ("doses", "roll_offs", "mr_noises"):
            if not getattr(self, name) or min(getattr(self, name)) <= 0:
                msg = f"{name} is {getattr(self, name)}, but needs at least one value above 0"
                raise ValueError(msg)
        for name in ("lesion_diameter_mm", "lesion_contrast_hu"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                msg = f"{name} is {low} to {high}, but must rise from a value above 0"
                raise ValueError(msg)
        if self.broken_files < 0:
            msg = f"broken_files is {self.broken_files}, but cannot be below 0"
            raise ValueError(msg)
