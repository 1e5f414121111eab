"""Genes and nodules: who has what, and what the statistics over patients say of each source."""

from __future__ import annotations

from radgen.report.figures.radiogenomic import SECTION, caption_words, scores_of, value_of, words_of
from radgen.report.html import Html, element, join, table
from radgen.report.parts import Block, Pictures, count, interval, notice, number, paragraph
from radgen.report.study import StudyResults, dig, records

METRIC_WORDS = {
    "coupling_p": "coupling, p",
    "coupling_shuffles": "shuffled genes with p < .05 (what chance explains)",
    "agreement_r": "correlation of real and generated patient means",
    "mask_dice": "Dice of masks by a segmenter of real nodules",
    "copies": "nearer to a training nodule than 99 % of held-out ones",
    "nearest_is_own": "nearest training patient gave the genes",
    "most_frequent_nearest": "share of the most frequent nearest patient",
    "saliency_auc": "saliency against planted genes, area under the curve",
    "empty_masks": "empty masks",
}


def radiogenomic_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return the section; None in a study without genes."""
    if not study.has("rna.manifest"):
        return None
    sources = [name for name in study.sources if study.has("radiogenomic_scores.scores", source=name)]
    told = [notice(element("b", f"{word[0].upper()}{word[1:]}."), calm=True) for word in caption_words(study)]
    parts = [_data(study), pictures.of(SECTION, source="")]
    parts += [_source(study, pictures, source) for source in sources]
    return Block(SECTION, "Nodules from genes", join(told, parts))


def _data(study: StudyResults) -> Html:
    notes = dig(study.manifest("rna.manifest"), "run", "notes") or {}
    genes = notes.get("genes") or {}
    kept = (
        f"Of {count(genes.get('read'))} genes {count(genes.get('kept'))} are used: "
        f"{count(genes.get('dropped_missing'))} were missing too often, {count(genes.get('dropped_constant'))} "
        f"constant and {count(genes.get('not_selected'))} not selected, as training patients alone decide."
    )
    patches = dig(study.manifest("nodules.manifest"), "run", "notes") or {}
    rejects = f"{count(patches.get('rejects'))} series, nodules or healthy patches are not there, each with its reason."
    return paragraph(f"{notes.get('join', '')}. {kept} {rejects}")


def _source(study: StudyResults, pictures: Pictures, source: str) -> Html:
    scores = scores_of(study, source)
    sentences = [
        words_of(scores, "coupling_p", "radiomic"),
        words_of(scores, "coupling_p", "encoder"),
        words_of(scores, "mask_dice", "generated"),
        words_of(scores, "saliency_auc"),
        words_of(scores, "empty_masks"),
    ]
    audit = element("b", words_of(scores, "copies", "pixels"))
    rows = [
        [
            METRIC_WORDS[row["metric"]],
            row["space"].replace("_", " "),
            number(row["value"], 4 if row["metric"] == "coupling_p" else 3),
            interval(row["low"], row["high"]),
            count(row["n"]),
        ]
        for row in records(scores)
        if row["metric"] in METRIC_WORDS
    ]
    lost = value_of(scores, "coupling_p", "radiomic") is None
    return join(
        element("h3", f"Source {source} ({study.setting_of(source)})"),
        notice("The coupling was not tested.", calm=True) if lost else None,
        element("ul", [element("li", sentence) for sentence in sentences if sentence]),
        paragraph(audit),
        pictures.of(SECTION, source=source),
        table(("Score", "of", "Value", "Interval or bound", "n"), rows, numeric=range(2, 5)),
    )
