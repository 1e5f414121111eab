"""What is refused before anything runs: sections that do not fit each other, and files that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radgen.config import StudyConfig
from radgen.errors import ConfigError
from radgen.gan.settings import STEM_PX, growth_px
from radgen.semantic.settings import SIDE_STEP_PX, Settings, at_source
from radgen.sources import stored_in
from radgen.study_genes import check_radiogenomic

if TYPE_CHECKING:
    from radgen.workflow import Plan

TABLES = ("patient_table", "labels_table", "split_file", "group_table", "rna_table", "gene_list", "clinical_table")


def check_inputs(plan: Plan) -> None:
    """Refuse sections that do not fit, a missing archive, table or key, or an archive a phantom would not read.

    Raises
    ------
    ConfigError, PatientKeyError
        One of them is missing; the message names it.
    """
    config = plan.study.config
    check_sections(config)
    if config.has_phantom and not _own_archive(config, Path(config.archive)):
        msg = (
            f"archive {config.archive}: study {config.study} makes its own phantom and reads {plan.archive}; "
            f"name the CONFIG of your own study, which `radgen init {config.archive}` writes"
        )
        raise ConfigError(msg)
    for name, folder in {}.items() if plan.has_phantom else plan.roots.folders.items():
        if not folder.is_dir() and name in plan.study.label_archives:
            msg = (
                f"archive {name}, {folder}: no such folder of label maps; make them by TotalSegmentator "
                "(`TotalSegmentator -i ct.nii.gz -o <case>.nii.gz --ml`, docs/studies/totalsegmentator.md), or "
                "correct archives.path"
            )
            raise ConfigError(msg)
        if not folder.is_dir():
            msg = f"archive {folder}: no such folder; set `archive:` (or ARCHIVE=...) to the folder of the images"
            raise ConfigError(msg)
    for name in (*TABLES, "key_file"):
        value = getattr(config, name)
        if value and plan.optional(name) and not Path(plan.located(value)).is_file():
            msg = f"{name} {value}: no such file, neither here nor in the archive; correct the path or leave it out"
            raise ConfigError(msg)
    for name, path in (plan.given_weights() | plan.scoring_weights | plan.pair_weights).items():
        if not Path(path).is_file():
            msg = f"{name} {path}: no such file of weights; correct the path, or leave it out"
            raise ConfigError(msg)
    plan.semantic.check_maps()
    for name in plan.sources_of("images"):
        place = str(config.sources[name].images)
        index = Path(place, "index.parquet")
        if stored_in(place) is None and not index.is_file():
            msg = f"sources.{name}.images {index.parent}: no image set there; write one with `radgen import-images`"
            raise ConfigError(msg)
    plan.study.settings("inventory")  # reads the key


def _own_archive(config: StudyConfig, archive: Path) -> bool:
    """Whether this is where a phantom is put, here or in a run with other results, or the unchanged default."""
    default = StudyConfig()
    places = [Path(results, config.study) for results in (config.results, default.results)]
    return archive in {Path(default.archive), *(place / "archive" for place in places)}


def check_sections(config: StudyConfig) -> None:
    """Refuse sections that do not fit each other, before hours are spent.

    Raises
    ------
    ConfigError
        With both values.
    """
    classes, names, px = config.classes, config.structures.names, config.slices.size_px
    if classes.by == "mask" and classes.structure not in names:
        msg = (
            f"classes.structure is {classes.structure!r}, but structures.names are {', '.join(names) or 'none'}; "
            "name the structure there, or the classes by something else"
        )
        raise ConfigError(msg)
    if config.structures.body is not None and config.slices.background == "none":
        msg = "structures.body is what background removal keeps, but slices.background is none; leave one of them out"
        raise ConfigError(msg)
    check_radiogenomic(config)
    painted = [name for name, source in config.sources.items() if source.kind == "semantic"]
    if painted and not names:
        msg = f"sources.{painted[0]} is of kind semantic, but structures.names are none; name the labels of maps there"
        raise ConfigError(msg)
    if painted and px % SIDE_STEP_PX:
        near = " or ".join(str(size) for size in (px - px % SIDE_STEP_PX, px + -px % SIDE_STEP_PX) if size)
        msg = (
            f"slices.size_px is {px}, but source {painted[0]} paints images whose sides are multiples of "
            f"{SIDE_STEP_PX}; choose {near}"
        )
        raise ConfigError(msg)
    _check_semantic("semantic", config.semantic, painted)
    _check_semantic("semantic_sample", config.semantic_sample, painted)
    _check_annotator(config)
    if config.gan.generator == "alias-free" and (px < STEM_PX or px & (px - 1)):
        msg = f"slices.size_px is {px}, but an alias-free generator makes a power of two of at least {STEM_PX} pixels"
        raise ConfigError(msg)
    unknown = sorted(set(config.gan.stages) - {*growth_px(config.gan, px), px})
    if unknown:
        known = ", ".join(map(str, (*growth_px(config.gan, px), px)))
        msg = f"gan.stages: {unknown[0]} pixels is no stage of this study; stages are {known}"
        raise ConfigError(msg)


def _check_annotator(config: StudyConfig) -> None:
    drawn = [name for name, source in config.sources.items() if source.kind == "gan"]
    simulated = config.structures.names and drawn and config.annotation.source == "simulated"
    dealt = config.cohort.annotator or "annotator" in config.cohort.ranges or config.split_file
    if simulated and not dealt:
        msg = (
            f"annotation.source is simulated for source {drawn[0]}, but cohort.annotator is 0: it learns from masks of "
            "patients set apart for it; set their share, such as 0.1, or annotation.source: folder to paint yourself"
        )
        raise ConfigError(msg)


def _check_semantic(section: str, settings: Settings, sources: list[str]) -> None:
    strangers = sorted(set(settings.sources) - set(sources))
    if strangers:
        known = ", ".join(sources) or "none"
        msg = f"{section}.sources: {strangers[0]!r} is no source of kind semantic; these are {known}"
        raise ConfigError(msg)
    for name in sources:
        try:
            at_source(settings, name)
        except ValueError as error:
            msg = f"{section}.sources.{name}: {error}"
            raise ConfigError(msg) from error
