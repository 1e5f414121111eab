"""Settings of the slices stage: window, background, choice of slices, size, quality."""

from __future__ import annotations

from radgen.settings import section, setting

CHOICES = ("all", "every", "central", "mask")
BACKGROUNDS = ("body", "none")
PICTURE_BACKGROUNDS = ("none", "fan")
CHANNELS = ("grey", "rgb", "windows")
ARMS = ("keep", "drop")


def _one_of(value: str, allowed: tuple[str, ...], name: str) -> None:
    if value not in allowed:
        msg = f"{name}: {value!r} is not one of {', '.join(allowed)}"
        raise ValueError(msg)


@section
class WindowSettings:
    """Which source intensities become grey 0 and grey 255."""

    ct_center_hu: float = setting(40.0, "Centre of the display window of CT in HU.")
    ct_width_hu: float = setting(400.0, "Width of the display window of CT in HU.")
    ct_channels: tuple[tuple[float, float], ...] = setting(
        ((-600.0, 1500.0), (40.0, 400.0), (400.0, 1800.0)),
        "For slices.channels windows: centre and width in HU of each channel of CT; lung, soft tissue, bone.",
    )
    low_percentile: float = setting(
        0.5, "MR and all that is neither CT nor a picture: percentile of a volume's body voxels shown as grey 0."
    )
    high_percentile: float = setting(99.5, "The same for grey 255. Pictures of 8 bits are taken as they are.")

    def __post_init__(self) -> None:
        """Refuse an empty window."""
        if self.ct_width_hu <= 0:
            msg = f"ct_width_hu: {self.ct_width_hu:g} HU is no width; give a number above 0"
            raise ValueError(msg)
        if not self.ct_channels or any(len(pair) != 2 or pair[1] <= 0 for pair in self.ct_channels):
            pairs = [list(pair) for pair in self.ct_channels]
            msg = f"ct_channels: {pairs} must be pairs of a centre and a width above 0"
            raise ValueError(msg)
        if not 0 <= self.low_percentile < self.high_percentile <= 100:
            msg = (
                f"low_percentile: {self.low_percentile:g} and high_percentile: {self.high_percentile:g} must rise "
                "and lie between 0 and 100"
            )
            raise ValueError(msg)


@section
class BodySettings:
    """How the patient is told from air, couch and blankets."""

    ct_threshold_hu: float = setting(-400.0, "CT: what is denser may be the patient.")
    mr_threshold: float = setting(
        0.05, "MR: least threshold between air and tissue, as a share of a volume's range; noisy air raises it."
    )
    opening_mm: float = setting(6.0, "What is thinner than twice this is no patient: couch shells, blankets, cables.")
    marker_mm: float = setting(11.0, "A piece must somewhere be thicker than twice this to be the patient's.")
    give_back_mm: float = setting(9.0, "How far the opened body grows back into its own corners and rim.")
    arms: str = setting(
        "keep", "Pieces beside the trunk: keep | drop (an arm that merges with the trunk over more than 24 mm stays)."
    )

    def __post_init__(self) -> None:
        """Refuse impossible lengths and shares."""
        _one_of(self.arms, ARMS, "arms")
        if not 0 < self.mr_threshold <= 0.15:
            msg = f"mr_threshold: {self.mr_threshold:g} must lie above 0 and up to 0.15"
            raise ValueError(msg)
        if not 0 < self.opening_mm <= self.marker_mm or self.give_back_mm < 0:
            msg = (
                f"opening_mm: {self.opening_mm:g}, marker_mm: {self.marker_mm:g}, give_back_mm: {self.give_back_mm:g}; "
                "the opening must be above 0 and at most the marker, and nothing below 0"
            )
            raise ValueError(msg)


@section
class QualitySettings:
    """Which slices are refused. Slices of val and test are never refused by these."""

    min_body_fraction: float = setting(0.02, "Least share of a slice that is body; below it the slice is almost empty.")
    min_contrast: float = setting(0.01, "Least standard deviation of a slice's body, as a share of the grey scale.")
    duplicates: bool = setting(True, "Refuse a slice equal to an earlier one of its series.")
    near_duplicate_correlation: float | None = setting(
        None,
        "Refuse a slice whose correlation with the slice kept before it is above this, between 0 and 1. null: none.",
    )

    def __post_init__(self) -> None:
        """Refuse impossible shares."""
        for name in ("min_body_fraction", "min_contrast"):
            if not 0 <= getattr(self, name) < 1:
                msg = f"{name}: {getattr(self, name):g} is not a share of at least 0 and below 1"
                raise ValueError(msg)
        most = self.near_duplicate_correlation
        if most is not None and not 0 < most < 1:
            msg = f"near_duplicate_correlation: {most:g} is not between 0 and 1; give null to thin nothing"
            raise ValueError(msg)


@section
class SlicesSettings:
    """From series to an image set of 2-D slices."""

    size_px: int = setting(64, "Side of the stored images in pixels.")
    field_of_view_mm: float | None = setting(
        None,
        "Physical side of the stored images. null: every slice is padded to a square and scaled. A number resamples "
        "all slices to one pixel size, centred on the body; a slice whose body does not fit is refused.",
    )
    slice_spacing_mm: float | None = setting(
        None,
        "Distance of training slices, interpolated between those of the file. null: the slices of the file. Validation "
        "and test always use the slices of the file.",
    )
    channels: str = setting(
        "grey",
        "Channels of the stored images: grey (one; colour becomes luminance) | rgb (three; grey repeats itself) | "
        "windows (CT: one for each of window.ct_channels; all else repeats itself).",
    )
    slice_choice: str = setting(
        "all",
        "Which training slices are taken: all | every (each k-th) | central (the middle part) | mask (those where a "
        "structure is seen). Validation and test always use every slice.",
    )
    every: int = setting(2, "For every: the k of each k-th slice.")
    central_fraction: float = setting(0.6, "For central: the middle share of a series' slices, by count.")
    background: str = setting(
        "body", "CT, MR and other volumes: what lies outside the patient becomes grey 0: body | none."
    )
    picture_background: str = setting(
        "none",
        "Pictures, ultrasound and endoscopy: what lies outside the fan, or in dark corners, becomes 0: none | fan.",
    )
    overlay_boxes: tuple[tuple[float, float, float, float], ...] = setting(
        (),
        "Pictures, ultrasound and endoscopy: where text is burned in; boxes of top, left, bottom, right as shares of "
        "the picture become grey 0.",
    )
    series_seconds: float = setting(
        600.0, "Processor time that reading and slicing one series may take; beyond it the series is refused."
    )
    memory_gib: float = setting(
        16.0, "Memory that reading and slicing one series may take (address space); beyond it the series is refused."
    )
    window: WindowSettings = setting(WindowSettings(), "Display window.")
    body: BodySettings = setting(BodySettings(), "Body mask.")
    quality: QualitySettings = setting(QualitySettings(), "Quality filter.")

    def __post_init__(self) -> None:
        """Refuse unknown choices and impossible sizes."""
        _one_of(self.slice_choice, CHOICES, "slice_choice")
        _one_of(self.background, BACKGROUNDS, "background")
        _one_of(self.picture_background, PICTURE_BACKGROUNDS, "picture_background")
        _one_of(self.channels, CHANNELS, "channels")
        for top, left, bottom, right in self.overlay_boxes:
            if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
                msg = (
                    f"overlay_boxes: top {top:g}, left {left:g}, bottom {bottom:g}, right {right:g} make no box; the "
                    "shares must lie between 0 and 1 and rise"
                )
                raise ValueError(msg)
        if self.slice_spacing_mm is not None and self.slice_spacing_mm <= 0:
            msg = f"slice_spacing_mm: {self.slice_spacing_mm:g} is no distance; give millimetres above 0, or null"
            raise ValueError(msg)
        if not 8 <= self.size_px <= 4096:
            msg = f"size_px: {self.size_px} is not between 8 and 4096"
            raise ValueError(msg)
        if self.field_of_view_mm is not None and self.field_of_view_mm <= 0:
            msg = f"field_of_view_mm: {self.field_of_view_mm:g} is no length; give millimetres above 0, or null"
            raise ValueError(msg)
        for name in ("series_seconds", "memory_gib"):
            if getattr(self, name) <= 0:
                msg = f"{name}: {getattr(self, name):g} lets no series pass; give a number above 0"
                raise ValueError(msg)
        if self.every < 1:
            msg = f"every: {self.every} takes no slice; give at least 1"
            raise ValueError(msg)
        if not 0 < self.central_fraction <= 1:
            msg = f"central_fraction: {self.central_fraction:g} is not a share above 0 and up to 1"
            raise ValueError(msg)

    @property
    def channel_count(self) -> int:
        """How many channels the stored images have."""
        return {"grey": 1, "rgb": 3, "windows": len(self.window.ct_channels)}[self.channels]
