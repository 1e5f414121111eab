"""One study's configuration: read, validated, and cut into the sections each stage is given.

This module alone knows pydantic. Rules read the validated object; stages get plain JSON of their own sections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from radgen.annotation.settings import AnnotationSettings
from radgen.benchmark.settings import ArmSettings, BenchmarkSettings
from radgen.cohort.archives import ArchiveSettings, archive_table
from radgen.cohort.phantom.settings import PhantomSettings
from radgen.cohort.settings import (
    ClassSettings,
    CohortSettings,
    InventorySettings,
    LimitSettings,
    LowSettings,
    PatientKeySettings,
    StructureSettings,
)
from radgen.errors import ConfigError
from radgen.features.settings import EncoderSettings, JudgeSettings
from radgen.gan.settings import GanSettings, SampleSettings
from radgen.imaging.settings import SlicesSettings
from radgen.labels.settings import (
    AnnotationCurveSettings,
    AnnotatorSettings,
    CalibrationSettings,
    LabelHeadSettings,
    PairsSettings,
)
from radgen.metrics.settings import MetricsSettings
from radgen.paths import WILDCARDS
from radgen.radiogenomic.evaluation.settings import RadiogenomicScoresSettings, SurvivalSettings
from radgen.radiogenomic.phantom.settings import RadiogenomicPhantomSettings
from radgen.radiogenomic.settings import ClinicalSettings, PatchSettings, RnaSettings
from radgen.radiogenomic.synthesis.settings import RadiogenomicSampleSettings, RadiogenomicSettings
from radgen.report.settings import ReportSettings
from radgen.safety.settings import ReleaseSettings
from radgen.semantic.settings import SemanticSampleSettings, SemanticSettings
from radgen.settings import section, setting
from radgen.sources import SourceSettings

DEMO_ARCHIVE = "results/demo/archive"

STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_NAME = 64


@section
class StudyConfig:
    """Everything a study's YAML file may say."""

    study: str = setting("demo", "Name of the study: results go to <results>/<study>.")
    title: str = setting("", "Heading of the report; the study's name if empty.")
    archive: str = setting(DEMO_ARCHIVE, "Folder of the images, read only; the demo's phantom writes it itself.")
    archives: tuple[ArchiveSettings, ...] = setting(
        (), "Several archives instead of one, each with its name, path, layout, modality, window and channels."
    )
    results: str = setting("results", "Folder under which results go.")
    work: str = setting("work", "Folder for resumable state of long jobs; safe to delete when nothing runs.")
    device: str = setting("auto", "Where networks run: auto, cpu or cuda. Never changes what is asked for, only where.")
    phantom: PhantomSettings | None = setting(None, "The demo's embedded archive; leave out for real archives.")
    radiogenomic_phantom: RadiogenomicPhantomSettings | None = setting(
        None, "An embedded archive of lung nodules that genes shape, with its RNA and clinical tables."
    )
    patient_key: PatientKeySettings = setting(PatientKeySettings(), "The key that turns patient ids into pseudonyms.")
    key_file: str | None = setting(None, "File that holds a private study's key; never put that key in this file.")
    patient_table: str | None = setting(None, "CSV that says which file belongs to which patient.")
    labels_table: str | None = setting(None, "CSV of class labels, keyed by patient, study, series or file.")
    split_file: str | None = setting(None, "CSV of a given split, obeyed as it is.")
    group_table: str | None = setting(
        None, "CSV of patients who must share a split, such as a family or a site: columns patient and group."
    )
    rna_table: str | None = setting(
        None, "Expression table of genes and patients; with it the study has nodules, genes and their statistics."
    )
    gene_list: str | None = setting(None, "Text file with one gene a line, for rna.select: list.")
    clinical_table: str | None = setting(None, "CSV of clinical variables and survival, one patient a line.")
    limit: LimitSettings = setting(LimitSettings(), "A trial on a few patients; the report is marked TRIAL.")
    inventory: InventorySettings = setting(InventorySettings(), "What files are there.")
    cohort: CohortSettings = setting(CohortSettings(), "Who is in, and in which split.")
    classes: ClassSettings = setting(ClassSettings(), "Image classes and where they come from.")
    structures: StructureSettings = setting(StructureSettings(), "Labels of the masks; empty where a study has none.")
    low: LowSettings = setting(LowSettings(), "The low fraction of labelled patients.")
    slices: SlicesSettings = setting(SlicesSettings(), "From volumes to 2-D slices.")
    encoder: EncoderSettings = setting(EncoderSettings(), "The domain encoder: it may guide, embed and select.")
    judge: JudgeSettings = setting(JudgeSettings(), "The judge: every published score uses it, no training does.")
    sources: dict[str, SourceSettings] = setting(
        {}, "Named sources of synthetic images, and which patients each may see."
    )
    gan: GanSettings = setting(GanSettings(), "Generator training.")
    sample: SampleSettings = setting(SampleSettings(), "How many synthetic images, and how varied.")
    semantic: SemanticSettings = setting(SemanticSettings(), "Semantic synthesis: images painted on label maps.")
    semantic_sample: SemanticSampleSettings = setting(SemanticSampleSettings(), "On which maps, and how many images.")
    annotator: AnnotatorSettings = setting(AnnotatorSettings(), "The simulated annotator.")
    annotation: AnnotationSettings = setting(AnnotationSettings(), "The few images that go out for annotation.")
    labels: LabelHeadSettings = setting(LabelHeadSettings(), "The label head on the generator's features.")
    calibration: CalibrationSettings = setting(CalibrationSettings(), "Whether uncertainty tells error; optional.")
    pairs: PairsSettings = setting(PairsSettings(), "Image and mask pairs.")
    annotation_curve: AnnotationCurveSettings = setting(
        AnnotationCurveSettings(), "What a number of annotations is worth; optional."
    )
    rna: RnaSettings = setting(RnaSettings(), "How the expression table becomes the input of a network.")
    clinical: ClinicalSettings = setting(ClinicalSettings(), "The columns of the clinical table.")
    nodules: PatchSettings = setting(PatchSettings(), "Patches of nodules and of healthy lung.")
    radiogenomic: RadiogenomicSettings = setting(
        RadiogenomicSettings(), "Generators of nodules from genes; names and defaults are the published training's."
    )
    radiogenomic_sample: RadiogenomicSampleSettings = setting(
        RadiogenomicSampleSettings(), "Whose genes nodules are drawn from, and how many."
    )
    radiogenomic_scores: RadiogenomicScoresSettings = setting(
        RadiogenomicScoresSettings(), "Whether nodules follow genes, whether their masks are right, whom they copy."
    )
    survival: SurvivalSettings = setting(
        SurvivalSettings(), "Whether the embedding of genes tells survival; for studies with a clinical table."
    )
    metrics: MetricsSettings = setting(MetricsSettings(), "Distances to real images and the nearest-image audit.")
    release: ReleaseSettings = setting(ReleaseSettings(), "What a synthetic set must pass before it may leave.")
    benchmark: BenchmarkSettings = setting(BenchmarkSettings(), "The downstream tasks.")
    arms: dict[str, ArmSettings] = setting({}, "What each arm of the benchmark trains on.")
    report: ReportSettings = setting(ReportSettings(), "The page and its figures.")

    def __post_init__(self) -> None:
        if self.device not in {"auto", "cpu", "cuda"}:
            msg = f"device is {self.device!r}; choose auto, cpu or cuda"
            raise ValueError(msg)
        _check_names(self)
        archive_table(self.archives)
        if len(self.archives) > 1 and self.archive != DEMO_ARCHIVE:
            msg = (
                f"archive: {self.archive!r} is given beside {len(self.archives)} archives; it can move one "
                "archive alone, so correct the paths under archives instead"
            )
            raise ValueError(msg)
        if self.phantom is not None and self.radiogenomic_phantom is not None:
            msg = "phantom and radiogenomic_phantom: a study has one embedded archive; leave one of them out"
            raise ValueError(msg)
        if self.archives and self.has_phantom:
            msg = "archives: a study with a phantom reads its own archive; leave out phantom or archives"
            raise ValueError(msg)
        for name, arm in self.arms.items():
            for source in sorted(set(arm.sources) - set(self.sources)):
                msg = f"arm {name!r} names source {source!r}; sources are {', '.join(self.sources) or 'none'}"
                raise ValueError(msg)
            drawn = [self.sources[source] for source in arm.sources if self.sources[source].kind != "images"]
            if len({source.seed for source in drawn}) < len(drawn):
                msg = f"arm {name!r}: sources {', '.join(arm.sources)} share a seed; give each redrawn one its own"
                raise ValueError(msg)
            if arm.online and self.sources[str(arm.synthetic)].kind != "gan":
                msg = f"arm {name!r} draws pairs online, but source {arm.synthetic!r} is of another kind than gan"
                raise ValueError(msg)
        if self.benchmark.primary is not None and self.benchmark.primary not in self.arms:
            arms = ", ".join(self.arms) or "none"
            msg = f"benchmark.primary is {self.benchmark.primary!r}; it must be one of the study's own arms: {arms}"
            raise ValueError(msg)

    @property
    def has_phantom(self) -> bool:
        """Whether the study makes its own archive."""
        return self.phantom is not None or self.radiogenomic_phantom is not None

    @property
    def has_genes(self) -> bool:
        """Whether the study has an expression table, and with it nodules and genes."""
        return self.rna_table is not None or self.radiogenomic_phantom is not None


ADAPTER = TypeAdapter(StudyConfig)


def _check_names(config: StudyConfig) -> None:
    """Refuse names that become parts of paths and of command lines and hold more than such parts may."""
    if not STUDY_NAME.fullmatch(config.study):
        msg = f"study is {config.study!r}; a name holds letters, digits, dots, - and _, begins with a letter or digit"
        raise ValueError(msg)
    for key, wildcard, names in (("sources", "source", config.sources), ("arms", "arm", config.arms)):
        for name in names:
            if not re.fullmatch(WILDCARDS[wildcard], name) or len(name) > LONGEST_NAME:
                msg = f"{key}: {name!r} is no name; it holds a-z, 0-9 and _, begins with a letter, and is not long"
                raise ValueError(msg)


def load_config(data: Mapping[str, Any], where: str = "config") -> StudyConfig:
    """Validate a study's configuration.

    Raises
    ------
    ConfigError
        A key is unknown, a value has the wrong type, or a section refuses it; the message names the key and the value.
    """
    try:
        return ADAPTER.validate_python(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        if first["type"] == "unexpected_keyword_argument":
            msg = f"{where}: unknown key {place}; `radgen config` prints every known key with its meaning"
        elif first["type"] == "value_error":
            msg = f"{where}: {place}: {first['ctx']['error']}"
        else:
            msg = f"{where}: {place} is {first['input']!r}: {first['msg']}"
        raise ConfigError(msg) from error


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read and validate a YAML file.

    Raises
    ------
    ConfigError
        The file is refused by `read_mapping` or `load_config`.
    """
    return load_config(read_mapping(path) | dict(overrides or {}), path.name)


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file of sections as it stands, without validation.

    Raises
    ------
    ConfigError
        The file is missing, is not YAML, or holds no mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"{path}: no such configuration; `radgen init ARCHIVE` writes one from an archive"
        raise ConfigError(msg) from error
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        msg = f"{path}: not YAML ({' '.join(str(error).split())})"
        raise ConfigError(msg) from error
    if not isinstance(data, dict):
        msg = f"{path}: a mapping of sections is expected, {type(data).__name__} found"
        raise ConfigError(msg)
    return data
