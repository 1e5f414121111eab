"""The design of the study with its real counts: which patients teach what, and who is tested."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd

from radgen.provenance import SawPatients
from radgen.report.album import Album
from radgen.report.arms import primary_rows, tasks
from radgen.report.figures.boxes import Box, Diagram, height_of
from radgen.report.figures.cohort import SPLIT_WORDS, SPLITS
from radgen.report.study import StudyResults
from radgen.report.style import GOOD, REAL, SYNTHETIC

BOX_IN, GAP_IN = 1.2, 0.245
ROW_GAP_IN = 0.16
MOST_SOURCES = 3
Words = tuple[str, list[str]]


def draw_design(study: StudyResults, album: Album) -> None:
    """Draw archive, splits, generators with what is made of them, and the benchmark."""
    splits = _splits(study)
    chains = [chain for source in study.sources[:MOST_SOURCES] if (chain := _chain(study, source))]
    apart = [name for name in ("annotator",) if name in splits and chains]
    rows = [name for name in splits if name not in apart]
    chain_heights = [max(height_of(lines) for _, lines in chain) for chain in chains]
    apart_height = max((height_of(splits[name]) for name in apart), default=0.0)
    row_height = max((height_of(splits[name]) for name in rows), default=0.0)
    heights = [*chain_heights, *([apart_height] if apart else []), *([row_height] * len(rows))]
    total = sum(heights) + ROW_GAP_IN * (len(heights) - 1)
    figure = album.new(total + 0.2)
    diagram = Diagram(figure, top_in=album.banner_in)
    tops = [0.08 + sum(heights[:number]) + ROW_GAP_IN * number for number in range(len(heights))]
    archive = diagram.box(_column(0), 0.08, BOX_IN - 0.25, "Archive", _archive(study), height=total)
    tested = _benchmark(study)
    bench = diagram.box(_column(4) + 0.1, 0.08, BOX_IN - 0.1, "Benchmark", tested, height=total) if tested else None
    made = [_draw_chain(diagram, chain, top, bench) for chain, top in zip(chains, tops, strict=False)]
    first = len(chains)
    if apart:
        _draw_apart(diagram, (apart[0], splits[apart[0]]), (tops[first], archive), [row[2:3] for row in made])
    for name, top in zip(rows, tops[first + bool(apart) :], strict=True):
        box = diagram.box(_column(1), top, BOX_IN, _split_name(name), splits[name], height=row_height, colour=REAL)
        diagram.arrow((archive.right[0], box.middle_left[1]), box.middle_left)
        if bench is not None and name != "generator":
            colour = GOOD if name == "test" else REAL
            diagram.arrow(box.right, (bench.left, box.right[1]), colour=colour)
        if made and name == _teacher(rows):
            target = made[-1][0].below
            diagram.arrow((target[0], box.top), target, colour=SYNTHETIC)
    album.add(
        figure,
        "design",
        section="result",
        title="Design of the study",
        caption=(
            "Blue: real images by split. Orange: what is made from them, with the patients whose pixels reached the "
            "generator. Networks of the benchmark train on real images, synthetic ones or both, choose their state on "
            "validation patients and are tested on test patients, from whom nothing was learnt."
        ),
        data=_as_table([("Archive", _archive(study)), *splits.items(), *(b for c in chains for b in c)], tested),
        simulated=study.annotator_words(),
    )


def _column(number: int) -> float:
    return 0.1 + number * (BOX_IN + GAP_IN)


def _split_name(name: str) -> str:
    return SPLIT_WORDS[name].replace("\n", " ").capitalize()


def _teacher(splits: Sequence[str]) -> str:
    """Return the split a generator learns from: that set apart for it, or the training patients."""
    return "generator" if "generator" in splits else "train"


def _archive(study: StudyResults) -> list[str]:
    series = study.table("cohort.series", ("patient_key",))
    kind = ["phantom"] if study.facts.is_phantom else []
    images = len(study.images("slices.index"))
    return [*kind, f"{series['patient_key'].nunique():,} patients", f"{len(series):,} series", f"{images:,} images"]


def _splits(study: StudyResults) -> dict[str, list[str]]:
    series = study.table("cohort.series", ("patient_key", "split"))
    patients = series.groupby("split")["patient_key"].nunique()
    images = pd.Series(study.images("slices.index").column("split")).value_counts()
    return {
        name: [f"{int(patients[name]):,} patients", f"{int(images.get(name, 0)):,} images"]
        for name in SPLITS
        if name in patients.index
    }


def _chain(study: StudyResults, source: str) -> list[Words]:
    """Return generator, samples, annotated images and pairs of a source, as far as they are there."""
    manifest = study.manifest("gan.manifest", source=source) or study.manifest("sample.part_manifest", source=source)
    if manifest is None:
        return []
    pixels = SawPatients.from_json(manifest["what"]["saw_patients"]).pixels
    saw = sum(len(patients) for patients in pixels.values())
    chain: list[Words] = [("Generator", [source, f"({study.setting_of(source)})", f"saw {saw:,} patients"])]
    if study.has("sample.part_index", source=source):
        chain.append(("Samples", [f"{len(study.images('sample.part_index', source=source)):,} images"]))
    packs = [name for name in study.facts.rounds if study.has("annotate.pack", source=source, round=name)]
    if packs:
        sent = sum(len(study.table("annotate.pack", ("image_id",), source=source, round=name)) for name in packs)
        who = "simulated" if study.facts.simulated_annotator else "by a person"
        chain.append(("Annotated", [f"{sent:,} of them", who]))
    if study.has("pairs.part_index", source=source):
        pairs = len(study.images("pairs.part_index", source=source))
        chain.append(("Pairs", [f"{pairs:,} with masks", "by label head"]))
    return chain


def _benchmark(study: StudyResults) -> list[str]:
    if not study.has("benchmark.summary"):
        return []
    lines = []
    for task in tasks(study):
        rows = primary_rows(study, task)
        lines += [task, f"{len(rows)} arms", f"{int(rows['n_seeds'].max())} networks each"]
        lines += [f"{int(rows['n_patients'].max()):,} test patients", ""]
    return lines[:-1]


def _draw_chain(diagram: Diagram, chain: list[Words], top: float, bench: Box | None) -> list[Box]:
    height = max(height_of(lines) for _, lines in chain)
    width = BOX_IN - 0.26
    step = (3 * (BOX_IN + GAP_IN) - 0.02) / 4
    boxes = [
        diagram.box(_column(1) + number * step, top, width, title, lines, height=height, colour=SYNTHETIC)
        for number, (title, lines) in enumerate(chain)
    ]
    for one, other in itertools.pairwise(boxes):
        diagram.arrow(one.right, other.middle_left, colour=SYNTHETIC)
    if bench is not None:
        diagram.arrow(boxes[-1].right, (bench.left, boxes[-1].right[1]), colour=SYNTHETIC)
    return boxes


def _draw_apart(
    diagram: Diagram, split: tuple[str, list[str]], place: tuple[float, Box], annotated: list[list[Box]]
) -> None:
    """Draw the patients set apart for the simulated annotator below what it annotates."""
    (name, lines), (top, archive) = split, place
    box = diagram.box(_column(2), top, BOX_IN + 0.25, _split_name(name), lines, colour=REAL)
    diagram.arrow((archive.right[0], box.middle_left[1]), box.middle_left)
    for boxes in annotated[-1:]:
        for target in boxes:
            diagram.arrow((target.below[0], box.top), target.below, colour=SYNTHETIC)


def _as_table(boxes: Sequence[Words], tested: list[str]) -> pd.DataFrame:
    rows = [(title, line) for title, lines in [*boxes, ("Benchmark", tested)] for line in lines if line]
    return pd.DataFrame(rows, columns=["part", "count"])
