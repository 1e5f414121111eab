"""What genes and nodules add to a study: files of its report, and sections that must fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from radgen.benchmark.settings import ArmSettings
from radgen.config import StudyConfig
from radgen.errors import ConfigError

if TYPE_CHECKING:
    from radgen.study import Study

GRIDS = ("background", "gene", "noise")
SCORES = ("scores", "shuffles", "agreement", "nearest", "saliency", "manifest")


def radiogenomic_files(study: Study) -> list[str]:
    """Return tables, grids and manifests of genes and nodules that the report shows; none in a study without genes."""
    config, path = study.config, study.path
    if not config.has_genes:
        return []
    files = [path(f"nodules.{name}") for name in ("index", "backgrounds", "manifest")]
    files += [path("rna.join"), path("rna.manifest")]
    for source in study.sources_of("radiogenomic"):
        own = [*(f"radiogenomic.{name}" for name in ("history", "manifest"))]
        own += [f"radiogenomic_sample.grid_{varies}" for varies in GRIDS]
        own += [f"radiogenomic_scores.{name}" for name in SCORES]
        if config.clinical_table is not None or config.radiogenomic_phantom is not None:
            own += ["radiogenomic_survival.table", "radiogenomic_survival.manifest"]
        files += [path(name, source=source) for name in own]
    return files


def nodule_judge_settings(study: Study) -> str:
    """Return the settings of the feature network of nodules as JSON: the judge's, with a single class."""
    classes = {"by": "folder", "names": ["nodule"]}
    return json.dumps(study.settings("judge") | {"classes": classes}, sort_keys=True)


def check_radiogenomic(config: StudyConfig) -> None:
    """Refuse a source of nodules without genes, and arms that it cannot teach.

    Raises
    ------
    ConfigError
        With both names.
    """
    coded = [name for name, source in config.sources.items() if source.kind == "radiogenomic"]
    if coded and not config.has_genes:
        msg = f"sources.{coded[0]} is of kind radiogenomic, but the study has no rna_table; name the table of its genes"
        raise ConfigError(msg)
    for name, arm in config.arms.items():
        for source in sorted(set(arm.sources) & set(coded)):
            reason = _unfit(config, arm)
            if reason:
                msg = f"arms.{name} trains on {source}, a source of nodules from genes, {reason}"
                raise ConfigError(msg)


def _unfit(config: StudyConfig, arm: ArmSettings) -> str:
    """Return why nodules cannot teach an arm, with the remedy; nothing where they can."""
    if config.structures.names:
        return (
            f"but the study segments {', '.join(config.structures.names)} in slices; leave the arm out, or name no "
            "structures"
        )
    if "classification" in config.benchmark.tasks and len(config.classes.names) > 1 and arm.tasks != ("segmentation",):
        return "which have one class; give the arm tasks: [segmentation]"
    return ""
