"""Join the drafts of image and mask pairs; drop the most uncertain, and those whose class the encoder does not see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.gan.settings import SampleSettings
from radgen.labels.settings import PairsSettings
from radgen.provenance import digest_file, input_digest, read_manifest, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

if TYPE_CHECKING:
    from radgen.labels.pairs import ClassOutcome

VERSION = 4


def run(
    *,
    drafts: tuple[Path, ...],
    weights: Path,
    gan_manifest: Path,
    head: Path,
    labels_manifest: Path,
    encoder: Path,
    encoder_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    source: str,
    index: Path,
    uncertainty: Path,
    manifest: Path,
    pairs: PairsSettings,
    sample: SampleSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    structures: StructureSettings,
    classes: ClassSettings,
) -> None:
    """Keep the pairs of which the heads are surest; counts are those of `sample`, and no byte depends on `pairs.jobs`.

    Parameters
    ----------
    drafts
        Folders of `pairs-draft`, in the order of their jobs.
    weights, gan_manifest, head, labels_manifest, encoder, encoder_manifest
        What the drafts were made with.
    slices, slices_manifest
        The real image set; its training images are counted for `match: train`.
    source
        Name of the generator.
    index
        Index of the image set with masks; its shards go beside it.
    uncertainty
        One row per image drawn, kept or not: `radgen.labels.pairs.UNCERTAINTY_SCHEMA`.
    manifest
        Beside the index; its notes say who annotated, what was dropped why, and the highest expected error kept of
        each class.
    pairs, sample, source_settings, low, structures, classes
        Settings.

    Raises
    ------
    InputError
        A draft is damaged, or drafts were made with other weights, heads or settings.
    ConfigError
        `sample` names an unknown class or asks for nothing; the encoder leaves nothing of a class.
    """
    from radgen.gan.counts import class_counts
    from radgen.imageset.core import ImageSet, write_table
    from radgen.imageset.gather import check_drafts
    from radgen.labels.painting import load_classifier
    from radgen.labels.pairs import join_pairs
    from radgen.labels.plan import PairsPlan
    from radgen.labels.uncertainty import MEASURE

    inputs = {"weights": digest_file(weights), "head": input_digest(head)}
    asked = load_classifier(encoder, classes.names, pairs) is not None
    if asked:
        inputs["encoder"] = input_digest(encoder)
    check_drafts(drafts, inputs | {"source": source, "sample": as_plain(sample)}, stage="pairs-draft")
    counts = class_counts(sample, ImageSet(slices), source_settings, low, classes)
    plan = PairsPlan.of(pairs, counts, (source, inputs["weights"]), sample.rows_per_shard, asked=asked)
    table, files, choice = join_pairs(drafts, plan, index)
    write_table(uncertainty, table)
    notes = read_manifest(labels_manifest)["run"]["notes"]
    plain = {name: value for name, value in as_plain(pairs).items() if name != "jobs"}
    write_manifest(
        manifest,
        what=what_part(
            stage="pairs",
            version=VERSION,
            settings={
                "source": source,
                "pairs": plain,
                "uncertainty": MEASURE,
                "sample": as_plain(sample),
                "counts": dict(plan.counts),
                "structures": list(structures.names),
            },
            # Of the real images only the counts per class matter, and they stand in the settings.
            inputs=inputs,
            seed=sample.seed,
        ),
        outputs={path.name: path for path in (index, uncertainty, *files)},
        saw_patients=saw_patients_of(gan_manifest, labels_manifest, *([encoder_manifest] if asked else [])),
        device=read_manifest(drafts[0] / "manifest.json")["run"]["device"],
        notes={
            "annotator": notes.get("annotator"),
            "label_head_validation_dice": notes.get("validation_dice"),
            "setting": source_settings.setting,
            "slices": input_digest(slices_manifest),
            "drawn": table.num_rows,
            "kept": int(choice.keep.sum()),
            "class_filter": _filter_words(pairs, asked=asked),
            "classes": {name: as_plain(outcome) for name, outcome in choice.outcomes.items()},
        },
    )
    for name, outcome in choice.outcomes.items():
        _say(f"pairs {source}: {name}: {_words(outcome)}")
    _say(f"pairs {source}: {int(choice.keep.sum())} of {table.num_rows} kept; annotator: {notes.get('annotator')}")


def _filter_words(pairs: PairsSettings, *, asked: bool) -> str:
    if asked:
        return f"class probability of the encoder at least {pairs.least_class_probability:g}"
    return "none: the encoder has no class head" if pairs.least_class_probability else "none"


def _words(outcome: ClassOutcome) -> str:
    short = outcome.wanted - outcome.kept
    told = (
        f"{outcome.drawn} drawn, {outcome.kept} kept, {outcome.uncertain} dropped as uncertain, {outcome.other_class} "
        "as of another class"
    )
    lack = f"; {short} FEWER THAN ASKED FOR: raise pairs.spare_fraction, or lower pairs.least_class_probability"
    return told + (lack if short else "")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
