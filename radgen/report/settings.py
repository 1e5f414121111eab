"""Settings of the figures and the page: what a user may choose, and the facts of the study that they must state."""

from __future__ import annotations

from radgen.settings import section, setting


@section
class ReportSettings:
    """What a user may choose about the figures and the page; nothing here changes a number."""

    gallery_columns: int = setting(4, "Images in a row of the gallery, for real and for synthetic images each.")
    gallery_rows: int = setting(3, "Rows of the gallery per class; fewer where a study has many classes.")
    closest_pairs: int = setting(8, "Synthetic images shown beside their nearest training image, closest first.")
    pairs_per_class: int = setting(8, "Synthetic images of each class shown with their masks overlaid.")
    browse_images: int = setting(
        20_000, "Most synthetic images on the gallery page, spread evenly over each source; 838 are 4 MB at 64 px."
    )
    browse_tile_px: int = setting(128, "Side of an image on the gallery page; larger images are made smaller.")
    show_nearest: bool = setting(
        True, "Whether the internal gallery shows each image's nearest training image; the shareable one never does."
    )
    qc_series: int = setting(3000, "Series shown before and after on the quality-control pages; unusual ones first.")
    qc_series_per_page: int = setting(60, "Series on one of those pages; 60 with pictures are about 2 MB.")
    qc_outlier_score: float = setting(
        5.0, "Robust standard deviations from the median of its archive and modality at which a series stands out."
    )

    def __post_init__(self) -> None:
        """Refuse galleries that cannot be drawn."""
        for name, least in (
            ("browse_images", 1),
            ("browse_tile_px", 8),
            ("qc_series", 1),
            ("qc_series_per_page", 1),
            ("qc_outlier_score", 1.0),
        ):
            if getattr(self, name) < least:
                msg = f"{name} is {getattr(self, name)}, but must be {least} or more"
                raise ValueError(msg)
        for name in ("gallery_columns", "gallery_rows", "closest_pairs", "pairs_per_class"):
            if not 1 <= getattr(self, name) <= 8:
                msg = f"{name} is {getattr(self, name)}, but a gallery shows 1 to 8; choose a number between"
                raise ValueError(msg)


@section
class StudyFacts:
    """Facts that captions and the page must state; the workflow fills them in from the study's other settings.

    They stand apart from `ReportSettings` because a user must not be able to switch them off.
    """

    study: str = setting("study", "Name of the study, which also names its results folder.")
    title: str = setting("", "Heading of the page; the study's name if empty.")
    is_phantom: bool = setting(False, "Whether the archive is the embedded phantom: simulated patients.")
    trial: int | None = setting(None, "Number of patients a trial was limited to; null for a whole study.")
    patient_claim: bool = setting(True, "Whether patients are known; false heads the page 'no patient-level claim'.")
    patients_from: str = setting("", "Who counts as one patient: tag, regex, table, rows or none, with commas.")
    rounds: tuple[str, ...] = setting(("round-01",), "Rounds of annotation.")
    simulated_annotator: bool = setting(False, "Whether a trained segmenter stands in for the person who annotates.")
    automatic_labels: bool = setting(False, "Whether a program made the label maps of the archive.")
    sources: dict[str, str] = setting({}, "Each generator and its ancestry setting, such as main: scarce-labels.")
    kinds: dict[str, str] = setting(
        {}, "The kind of each source; one that is not named is a class-conditional generator."
    )
    arms: dict[str, str] = setting({}, "Each benchmark arm in the order to show it, and what it trains on, in words.")
    low_arm: str = setting("", "Arm that differences are taken to.")
    structures: tuple[str, ...] = setting((), "Names of the mask labels 1, 2, ...")
    colours: tuple[str, ...] = setting((), "Colours of the mask labels as #rrggbb; empty takes the palette's.")
    awaiting: str | None = setting(None, "Folder in which masks are awaited from a person; null when none are.")
    test_set: str = setting("", "Whether the benchmark's scores are of the test, and how often that was opened.")
    absent: dict[str, str] = setting({}, "Stages that are not in this study, each with the reason in words.")
    command: str = setting("make demo", "Command that makes the whole study again.")
