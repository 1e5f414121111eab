"""A methods paragraph written from what the manifests say was done, not from what a configuration asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from radgen.report.html import element, join
from radgen.report.parts import Block, Pictures, count, paragraph
from radgen.report.study import StudyResults, dig

Settings = dict[str, Any]


def methods_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return the methods section; None where no manifest tells anything."""
    del pictures
    paragraphs = methods_paragraphs(study)
    if not paragraphs:
        return None
    note = paragraph(element("small", "Written from the settings recorded in each manifest; free to copy."))
    return Block("methods", "Methods", join([paragraph(text) for text in paragraphs], note))


def methods_paragraphs(study: StudyResults) -> list[str]:
    """Return the paragraphs on data, networks, masks and benchmark, as far as manifests tell of them."""
    return [text for text in (_data(study), _networks(study), _masks(study), _benchmark(study)) if text]


def _sentences(study: StudyResults, stage: str, *tellers: Callable[[Settings], str]) -> list[str]:
    settings = study.stage_settings(stage)
    return [sentence for teller in tellers if settings and (sentence := teller(settings))]


def _data(study: StudyResults) -> str:
    kind = "A phantom archive was simulated" if study.facts.is_phantom else "The archive was read"
    series = study.table("cohort.series", ("patient_key", "split"))
    patients = series.groupby("split")["patient_key"].nunique()
    order = [name for name in ("train", "val", "test", "annotator", "generator") if name in patients.index]
    splits = ", ".join(f"{count(patients[name])} {name}" for name in order)
    told = [f"{kind} and its {count(series['patient_key'].nunique())} patients were split by keyed hash ({splits})."]
    return " ".join(told + _sentences(study, "slices", _slices))


def _slices(settings: Settings) -> str:
    own = settings.get("slices") or {}
    if "size_px" not in own:
        return ""
    field = own.get("field_of_view_mm")
    scale = "padded to squares and scaled" if field is None else f"resampled to a field of view of {field:g} mm"
    removed = " after removal of the background outside the body" if own.get("background") == "body" else ""
    return (
        f"Slices in canonical orientation were windowed{removed}, {scale}, and stored at {own['size_px']} px with "
        "8 bits."
    )


def _networks(study: StudyResults) -> str:
    return " ".join(
        _sentences(study, "encoder", _encoder) + _sentences(study, "judge", _judge) + _sentences(study, "gan", _gan)
    )


def _encoder(settings: Settings) -> str:
    own = settings.get("encoder") or {}
    return f"A domain encoder ({_shown(own)}) guided selection." if own else ""


def _judge(settings: Settings) -> str:
    own = settings.get("judge") or {}
    if not own:
        return ""
    return (
        f"An independent judge ({_shown(own)}), trained on half of the training patients with another seed and "
        "objective and used in no loss, gave every published distance."
    )


def _shown(own: Settings) -> str:
    return f"{own.get('dimension', '?')} features, {count(own.get('images'))} images shown"


def _gan(settings: Settings) -> str:
    own = settings.get("gan") or {}
    if not own:
        return ""
    losses = {
        "relativistic": "relativistic loss with R1 and R2 penalties",
        "nonsaturating": "non-saturating loss with lazy R1",
    }
    loss = losses.get(str(own.get("loss")), str(own.get("loss")))
    augment = dig(own, "augment", "probability")
    shown = f"; images of both sides were augmented with probability {augment:g}" if augment else ""
    return (
        f"A class-conditional residual generator with a mapping network was trained with the {loss} on "
        f"{count(settings.get('budget_images'))} real images shown (batch {own.get('batch_size', '?')}, precision "
        f"{own.get('precision', '?')}{shown}); the published weights are the running average, chosen as "
        f"{own.get('publish', '?')}."
    )


def _masks(study: StudyResults) -> str:
    if not study.facts.structures or not study.is_annotated:
        return ""
    who = "came from a simulated annotator" if study.facts.simulated_annotator else "came from a person"
    who = "are awaited from a person" if study.facts.awaiting is not None else who
    told = [f"Masks of a few synthetic images, chosen to be diverse in the encoder's features, {who}."]
    return " ".join(told + _sentences(study, "labels", _head) + _sentences(study, "pairs", _pairs))


def _head(settings: Settings) -> str:
    own = settings.get("labels") or {}
    if not own:
        return ""
    return (
        f"An ensemble of {own.get('members', '?')} label heads on the frozen generator's features learnt from them "
        f"({100 * own.get('validation_fraction', 0):g} % held out)."
    )


def _pairs(settings: Settings) -> str:
    share = dig(settings, "pairs", "drop_fraction")
    return (
        ""
        if share is None
        else f"The {100 * share:g} % of images of whose masks the heads expect the largest error were dropped."
    )


def _benchmark(study: StudyResults) -> str:
    return " ".join(_sentences(study, "benchmark", _training) + _sentences(study, "benchmark_summary", _summary))


def _training(settings: Settings) -> str:
    own = settings.get("training") or {}
    if not own:
        return ""
    return (
        f"In every arm {own.get('seeds', '?')} networks of one architecture were trained for "
        f"{count(own.get('max_steps'))} steps with the same batch size and augmentation; the "
        f"state with the best score on the validation patients of the arm's own label budget was {_scored(settings)}."
    )


def _scored(settings: Settings) -> str:
    if dig(settings, "arm", "evaluation") == "development":
        return "scored on patients of its development fold inside training and validation, while the test stays sealed"
    return "tested on real patients that no ancestor saw"


def _summary(settings: Settings) -> str:
    own = settings.get("summary") or {}
    if not own:
        return ""
    return (
        f"Intervals cover {100 * own.get('confidence', 0):g} % and come from {count(own.get('bootstrap_samples'))} "
        "bootstrap samples of patients, the same for all arms. p values come from "
        f"{count(own.get('permutations'))} permutations of patients; all but the primary arm's are adjusted by Holm's "
        "method. The low fraction must leave a gap to all patients of at least "
        f"{own.get('rule_gap', 0):g} and {own.get('rule_standard_errors', 0):g} standard errors."
    )
