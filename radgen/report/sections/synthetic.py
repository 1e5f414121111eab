"""Judge, training, samples and their scores."""

from __future__ import annotations

from typing import Any

from radgen.report.figures.judge import CHECKS, judge_accuracy
from radgen.report.html import Html, element, join, table
from radgen.report.parts import DASH, Block, Pictures, count, interval, notice, number, paragraph
from radgen.report.scores import FLOOR, METRIC_WORDS, SYNTHETIC, shown_scores, withheld_classes
from radgen.report.study import StudyResults, records


def judge_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return what the judge sees; None where there is no judge."""
    if not study.has("judge.checks"):
        return None
    checks = study.table("judge.checks", CHECKS)
    accuracy = judge_accuracy(study)
    words = paragraph(
        "Every published distance is the judge's: a small network trained on half of the training patients with "
        "another seed and objective than the encoder, used in no loss and for no choice."
        + (f" Its balanced class accuracy on held-out images is {number(accuracy[0], 2)}." if accuracy else "")
    )
    missing = checks[checks["value"].isna()]
    gaps = [paragraph(f"Check {row['check']} was not made: {row['reason']}.") for row in records(missing)]
    return Block("judge", "The judge", join(words, gaps, pictures.of("judge")))


def training_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return training curves; None in a study without generator."""
    if not study.sources or not pictures.has("training"):
        return None
    return Block("training", "Training", pictures.of("training"))


def samples_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return samples beside real images; None in a study without generator."""
    del study
    return Block("samples", "Samples beside real images", pictures.of("samples")) if pictures.has("samples") else None


def quality_block(study: StudyResults, pictures: Pictures) -> Block | None:
    """Return scores beside their floors with the audit of copies; None where no source was scored."""
    scored = [source for source in study.sources if study.has("metrics.quality", source=source)]
    if not scored:
        return None
    words = paragraph(
        "Each score stands beside its floor: what real images of other patients reach in the samples' place, with the "
        "same number of images. All are the judge's and on held-out real images; none is the FID of an ImageNet "
        "network. A Frechet distance is shown only together with recall and the audit of copies."
    )
    bodies = [
        join(
            element("h3", f"Source {source} ({study.setting_of(source)})"),
            _withheld(study, source),
            pictures.of("quality", source=source),
            _scores(study, source),
        )
        for source in scored
    ]
    return Block("quality", "Scores and the audit of copies", join(words, _audit_words(), bodies))


def _audit_words() -> Html:
    return paragraph(
        "A near copy is a sample that lies nearer to a training image than nearly all held-out real images of other "
        "patients do. Its share is compared with the share that real images show, which copy nobody."
    )


def _withheld(study: StudyResults, source: str) -> Html | None:
    classes = withheld_classes(study, source)
    if not classes:
        return None
    return notice(
        f"The Frechet distance of {', '.join(classes)} is withheld: recall or the audit of copies is missing for it.",
        calm=True,
    )


def _scores(study: StudyResults, source: str) -> Html:
    pairs: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in records(shown_scores(study, source)):
        pairs.setdefault((row["class_name"], row["metric"]), {})[row["role"]] = row
    listed = []
    for (name, metric), roles in pairs.items():
        made, floor = roles.get(SYNTHETIC), roles.get(FLOOR)
        first = made or floor or {}
        reason = first.get("reason")
        listed.append(
            [
                name,
                METRIC_WORDS.get(metric, metric),
                _value(made, metric),
                _value(floor, metric),
                count(first.get("n_synthetic")),
                count(first.get("n_real")),
                reason if isinstance(reason, str) else "",
            ]
        )
    header = ("Class", "Score", "Samples", "Floor", "n", "n held out", "")
    return table(header, listed, numeric=range(2, 6))


def _value(row: dict[str, Any] | None, metric: str) -> str | Html:
    if row is None or number(row["value"]) == DASH:
        return DASH
    if metric.startswith("near_copies"):
        return f"{100 * row['value']:.2f} %"
    bounds = interval(row["low"], row["high"])
    return number(row["value"]) if bounds == DASH else join(number(row["value"]), " ", element("small", bounds))
