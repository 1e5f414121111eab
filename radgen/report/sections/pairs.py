"""Annotation, label head and pairs."""

from __future__ import annotations

from radgen.report.figures.labels import ANNOTATOR, UNCERTAINTY, head_scores
from radgen.report.html import Html, element, join, table
from radgen.report.parts import Block, Pictures, count, notice, number, paragraph
from radgen.report.study import StudyResults, records

PACK = ("image_id", "class_name")


def pairs_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return who annotated what, how good the label head is, and the pairs; None in a study without masks."""
    if not study.facts.structures or not study.is_annotated:
        return None
    parts = [_annotation(study)]
    for source in study.sources:
        if study.has("labels.validation", source=source):
            parts += [
                element("h3", f"Label head of {source}"),
                pictures.of("labels", source=source),
                _head_table(study, source),
            ]
        if study.has("pairs.part_index", source=source):
            parts += [element("h3", f"Pairs of {source}"), _counts(study, source), pictures.of("pairs", source=source)]
    return Block("pairs", "Pairs of image and mask", join(parts))


def _annotation(study: StudyResults) -> Html:
    facts = study.facts
    sent = [words for source in study.sources if (words := _sent(study, source))]
    out = f"{' and '.join(sent)} were chosen for annotation. " if sent else ""
    if facts.awaiting is not None:
        folder = element("code", facts.awaiting)
        return notice(element("b", "Annotation is awaited. "), out, "Masks are expected in ", folder, calm=True)
    if not facts.simulated_annotator:
        return paragraph(f"{out}Their masks came back from a person.")
    body = [
        notice(
            element("b", "Simulated annotator. "),
            f"{out}No person drew their masks: a segmenter trained on the masks of patients set apart for it, and used "
            "nowhere else, stands in. Its own validation Dice stands beside every result that rests on it.",
            calm=True,
        )
    ]
    if study.has("annotator.scores"):
        rows = study.table("annotator.scores", ANNOTATOR)
        listed = [[row["structure"], number(row["dice"]), count(row["n"])] for row in records(rows)]
        body.append(
            table(
                ("Structure", "Dice", "Images"),
                listed,
                caption="The simulated annotator on real images of patients held out from it.",
                numeric=(1, 2),
            )
        )
    return join(body)


def _sent(study: StudyResults, source: str) -> str:
    """Say how many images of a source went out, round by round; nothing where none did."""
    rounds = [name for name in study.facts.rounds if study.has("annotate.pack", source=source, round=name)]
    counts = [len(study.table("annotate.pack", PACK, source=source, round=name)) for name in rounds]
    if not counts:
        return ""
    parts = f" in {len(counts)} rounds ({' + '.join(map(count, counts))})" if len(counts) > 1 else ""
    return f"{count(sum(counts))} images of {source}{parts}"


def _head_table(study: StudyResults, source: str) -> Html:
    listed = [
        [
            row["structure"],
            number(row["dice"]),
            count(row["n"]),
            number(row["found"], 2),
            count(row["n_without"]),
            number(row["false_alarms"], 2),
        ]
        for row in records(head_scores(study, source))
    ]
    header = ("Structure", "Dice", "Images with it", "Found in", "Images without it", "Painted all the same")
    return table(header, listed, caption="The ensemble on held-out annotated images.", numeric=range(1, 6))


def _counts(study: StudyResults, source: str) -> Html:
    if not study.has("pairs.uncertainty", source=source):
        return paragraph(f"{count(len(study.images('pairs.part_index', source=source)))} pairs.")
    rows = study.table("pairs.uncertainty", UNCERTAINTY, source=source)
    kept = int(rows["kept"].sum())
    return paragraph(
        f"{count(kept)} pairs were kept and {count(len(rows) - kept)} dropped, the most uncertain of each class."
    )
