"""The page's first section: what was done and what came of it, for a reader who knows no statistics."""

from __future__ import annotations

import pandas as pd

from radgen.provenance import SawPatients
from radgen.report.arms import metric_of, primary_rows, tasks
from radgen.report.html import Html, element, join
from radgen.report.parts import Block, Pictures, count, number, paragraph
from radgen.report.scores import score, shown_scores
from radgen.report.study import StudyResults, records

# A share of near copies this many times that of real images is told as worrying.
WORRYING_TIMES = 2.0


def words_block(study: StudyResults, pictures: Pictures) -> Block:
    """Return the section: a few sentences, then the design of the study."""
    told = [_made(study), *_helps(study), *_copies(study), _trust(study)]
    body = element("ul", [element("li", sentence) for sentence in told if sentence])
    return Block("words", "In plain words", join(body, pictures.of("result"), _gallery(study)))


def _made(study: StudyResults) -> str:
    series = study.table("cohort.series", ("patient_key", "split"))
    people = series["patient_key"].nunique()
    who = "simulated patients" if study.facts.is_phantom else "patients"
    made = sum(
        len(study.images("sample.part_index", source=source))
        for source in study.sources
        if study.has("sample.part_index", source=source)
    )
    if not made:
        return f"Images of {count(people)} {who} were prepared; no synthetic images were made of them yet."
    pairs = sum(
        len(study.images("pairs.part_index", source=source))
        for source in study.sources
        if study.has("pairs.part_index", source=source)
    )
    masks = f", and {count(pairs)} come with outlines of what is seen in them" if pairs else ""
    seen = sum(len(keys) for keys in _seen(study).values())
    return (
        f"A program learnt from images of {count(seen)} of {count(people)} {who} to make new ones that look alike: "
        f"{count(made)} synthetic images were made{masks}."
    )


def _seen(study: StudyResults) -> dict[str, frozenset[str]]:
    """Return the patients whose pixels reached any samples, by split."""
    manifests = [study.manifest("sample.part_manifest", source=source) for source in study.sources]
    saws = [SawPatients.from_json(one["what"]["saw_patients"]).pixels for one in manifests if one is not None]
    return {split: frozenset().union(*(saw.get(split, frozenset()) for saw in saws)) for saw in saws for split in saw}


def _helps(study: StudyResults) -> list[str]:
    """Say for each task whether synthetic images helped, or that this study cannot say."""
    if not study.has("benchmark.summary"):
        return ["Whether the synthetic images help was not tested in this study."]
    told: dict[str, list[str]] = {}
    for task in tasks(study):
        told.setdefault(_task(study, primary_rows(study, task)), []).append(task)
    return [f"{' and '.join(names).capitalize()}: {sentence}" for sentence, names in told.items()]


def _task(study: StudyResults, rows: pd.DataFrame) -> str:
    metric, study_low = metric_of(rows), study.facts.low_arm
    heads = rows[rows["headline"] & rows["synthetic"].notna() & rows["to_low"].notna()]
    if heads.empty:
        return (
            "this study cannot say whether synthetic images help, because no fair comparison was "
            "made: the generator had seen patients that the small real set did without."
            if rows["synthetic"].notna().any()
            else "no synthetic images were tested."
        )
    best = records(heads.sort_values("to_low", ascending=False))[0]
    low = records(rows[rows["arm"] == study_low])
    start = f" from {number(low[0]['mean'], 2)}" if low else ""
    which = f" in the best of {len(heads)} ways of adding them" if len(heads) > 1 else ""
    change = f"{metric} went{start} to {number(best['mean'], 2)}{which}"
    if best["to_low_lower"] > 0:
        return f"synthetic images helped where real ones were few: {change}, more than chance does."
    if best["to_low_upper"] < 0:
        return f"synthetic images did harm: {change}."
    return f"no help was shown: {change}, and chance alone could do that on {count(best['n_patients'])} test patients."


def _copies(study: StudyResults) -> list[str]:
    """Say how many samples look like copies, beside how many real images of other patients do."""
    told = []
    for source in study.sources:
        if not study.has("metrics.quality", source=source):
            continue
        rows = shown_scores(study, source)
        share, usual = (score(rows, "near_copies_pixels", role) for role in ("synthetic", "floor"))
        if share is None or usual is None:
            continue
        verdict = (
            "more than chance resemblance, so look at the closest pairs before anything is shared"
            if share > WORRYING_TIMES * usual
            else "about what chance resemblance gives"
        )
        told.append(
            f"Of 100 images of {source}, {number(100 * share, 1)} lie closer to a training image than nearly all "
            f"images of other patients do (of real images of other patients it is {number(100 * usual, 1)}): {verdict}."
        )
    return told


def _trust(study: StudyResults) -> str:
    facts = study.facts
    told = ["Nothing here is for diagnosis."]
    if facts.is_phantom:
        told.append("The patients are computed, so the numbers show that the program works, not that it helps people.")
    if facts.simulated_annotator:
        told.append("No person drew outlines: a program stood in for the radiologist.")
    if facts.trial is not None:
        told.append("It was a trial with tiny budgets: no number is a result.")
    return " ".join(told)


def _gallery(study: StudyResults) -> Html | None:
    key = "share.gallery" if study.shareable else "gallery.folder"
    if not study.sources or not (study.path(key) / "index.html").is_file():
        return None
    link = element("a", "Look at the synthetic images", href="gallery/index.html")
    return paragraph(link, ", one by one, with filters.")
