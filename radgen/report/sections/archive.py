"""What went in, what was refused, and how slices were made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from radgen.report.figures.cohort import SPLIT_WORDS, SPLITS
from radgen.report.html import Html, element, join, table
from radgen.report.parts import Block, Pictures, count, facts_list, interval, notice, number, paragraph
from radgen.report.study import StudyResults, dig, records

PATIENTS_FROM = {
    "tag": "the PatientID tag of each DICOM file",
    "regex": "a pattern on each file's path",
    "table": "a table that came with the archive",
    "rows": "ranges of row numbers in the file names, an approximation",
    "none": "clusters of near-duplicate images, an approximation",
}


def cohort_block(study: StudyResults, pictures: Pictures) -> Block:
    """Return counts by split and class."""
    counts = study.table("cohort.counts", ("split", "class_name", "patients", "series", "slices", "with_mask"))
    rows = [
        [
            SPLIT_WORDS[split].replace("\n", " "),
            row["class_name"] if isinstance(row["class_name"], str) else "decided slice by slice",
            *(count(row[name]) for name in ("patients", "series", "slices", "with_mask")),
        ]
        for split in SPLITS
        for row in records(counts[counts["split"] == split])
    ]
    header = ("Split", "Class", "Patients", "Series", "Slices", "Series with mask")
    facts = study.facts
    known_by = "; in others by ".join(
        PATIENTS_FROM.get(source, source or "the archive") for source in facts.patients_from.split(", ")
    )
    words = [paragraph(f"One patient is known by {known_by}.")]
    if not facts.patient_claim:
        words.append(
            notice(
                element("b", "No patient-level claim. "),
                "The archive names no patients. Clusters of near-duplicate images were split instead, so intervals "
                "over 'patients' are intervals over clusters.",
            )
        )
    pairs = dig(study.manifest("slices.manifest"), "run", "notes", "near_duplicates_across_splits")
    if pairs:
        words.append(
            notice(
                element("b", "Nearly the same images in different splits: "),
                f"{count(pairs)} pairs, see slices/near_duplicates.parquet. Patients may have leaked between splits.",
            )
        )
    return Block("cohort", "What went in", join(words, pictures.of("cohort"), table(header, rows, numeric=range(2, 6))))


def refused_block(study: StudyResults, pictures: Pictures) -> Block:
    """Return what was refused and why."""
    files = study.table("cohort.rejects", ("stage", "reason", "refused"))
    slices = study.table("slices.rejects", ("reason",))
    outcome = files["refused"].map({True: "refused", False: "set aside on purpose"})
    counted = files.assign(outcome=outcome).value_counts(["stage", "reason", "outcome"]).reset_index()
    listed = [
        [*(_plain(row[name]) for name in ("stage", "reason", "outcome")), count(row["count"])]
        for row in records(counted.sort_values(["stage", "reason", "outcome"]))
    ]
    stored = slices["reason"].value_counts().sort_index()
    listed += [["slices", _plain(reason), "not stored", count(number)] for reason, number in stored.items()]
    if not listed:
        return Block("refused", "What was refused", paragraph("Nothing: every file and every slice could be used."))
    body = join(pictures.of("refused"), table(("Stage", "Reason", "Outcome", "Count"), listed, numeric=(3,)))
    return Block("refused", "What was refused", body)


def _plain(word: object) -> str:
    return str(word).replace("-", " ")


def slices_block(study: StudyResults, pictures: Pictures) -> Block:
    """Return how slices were cut, windowed and cleared of their background."""
    del pictures
    settings = study.stage_settings("slices")
    images = study.images("slices.index")
    clipped = images.column("clipped_fraction").astype(float)
    known = clipped[np.isfinite(clipped)]
    channels, height, width = images.image_shape
    middle, high = (number(100 * float(np.quantile(known, share)), 2) if len(known) else "" for share in (0.5, 0.95))
    shares = f"median {middle} %, 95th percentile {high} %"
    pairs: list[tuple[str, str | Html]] = [
        ("Stored images", f"{count(len(images))} of {height} × {width} px, {channels} channel, 8 bits"),
        ("Pixel size", _pixel_sizes(images.column("spacing_row_mm").astype(float))),
        ("Orientation", "rows from front to back, columns from the patient's right to left: the radiological picture"),
        ("Display window", _window_words(settings, images.column("modality"))),
        ("Clipped share of body pixels", shares if len(known) else "not measured"),
        ("Background", _background_words(settings)),
        ("Slices taken", _choice_words(settings)),
    ]
    return Block("slices", "Slices, window, background", facts_list(pairs))


def checks_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return the way to the quality-control pages, where they were written."""
    del pictures
    if study.shareable or not study.has("qc.page"):
        return None
    notes = (study.manifest("qc.manifest") or {}).get("run", {}).get("notes", {})
    told = f"{count(notes.get('series'))} series, {count(notes.get('stand_out'))} of which stand out"
    link = element("a", "Quality of what went in", href="qc/index.html")
    words = paragraph(
        link, f": {told}. Every series before and after its background is removed, remarks, reasons of refusal, "
        "spacing and intensity histograms.",
    )  # fmt: skip
    return Block("checks", "Quality of what went in", words)


def _pixel_sizes(sizes: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    known = sizes[np.isfinite(sizes)]
    if not len(known):
        return "unknown: the archive names none"
    return (
        f"{number(float(np.median(known)), 2)} mm (median; range {interval(float(known.min()), float(known.max()), 2)})"
    )


def _window_words(settings: dict[str, Any], modalities: np.ndarray[Any, np.dtype[Any]]) -> str:
    window = dig(settings, "slices", "window") or {}
    kinds = sorted({str(kind) for kind in modalities if kind})
    words = []
    if "CT" in kinds and "ct_center_hu" in window:
        words.append(
            f"CT: centre {window['ct_center_hu']:g} HU, width {window['ct_width_hu']:g} HU, the same for every series"
        )
    if set(kinds) - {"CT"} and "low_percentile" in window:
        words.append(
            f"{', '.join(kind for kind in kinds if kind != 'CT')}: percentiles {window['low_percentile']:g} to "
            f"{window['high_percentile']:g} of a volume's body voxels; 8-bit pictures as they are"
        )
    return "; ".join(words) or "not recorded"


def _background_words(settings: dict[str, Any]) -> str:
    method = dig(settings, "slices", "background")
    if method == "none":
        return "not removed (method none)"
    if method != "body":
        return "not recorded"
    arms = dig(settings, "slices", "body", "arms")
    return f"removed by a body mask (couch, blankets and air become grey 0); arms beside the trunk: {arms}"


def _choice_words(settings: dict[str, Any]) -> str:
    choice = dig(settings, "slices", "slice_choice")
    words = {
        "all": "every slice",
        "every": f"each {dig(settings, 'slices', 'every')}th training slice",
        "central": f"the central {100 * (dig(settings, 'slices', 'central_fraction') or 0):g} % of training slices",
        "mask": "training slices in which a structure is seen",
    }
    return f"{words.get(str(choice), 'not recorded')}; validation and test always use every slice"
