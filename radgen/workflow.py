"""What the workflow's rules ask for: paths, settings, code digests, resources, all known before anything runs."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from radgen.annotation.settings import FIRST_ROUND
from radgen.benchmark.settings import ArmSettings
from radgen.checks import check_inputs
from radgen.code import stage_code
from radgen.cohort.archives import Roots, newest_folder_ns
from radgen.cohort.layouts import module_of
from radgen.config import load_config
from radgen.errors import ConfigError
from radgen.paths import WILDCARDS
from radgen.plan_rounds import RoundsPlan
from radgen.plan_semantic import SemanticPlan
from radgen.report_files import qc_files, report_files
from radgen.rule_paths import RulePaths
from radgen.sources import stored_in
from radgen.study import Study

PHANTOM_TABLES = {"rna_table": "radiogenomic_phantom.rna", "clinical_table": "radiogenomic_phantom.clinical"}
NOTHING = "(?!)"
"""A regular expression that nothing matches."""


class Plan:
    """One study in the words of Snakemake's rules.

    Settings that change no bytes (device, work folder, place of the archive, key file) travel as resources, because a
    change of a resource reruns nothing.
    """

    wildcards: Mapping[str, str] = WILDCARDS

    def __init__(self, study: Study) -> None:
        self.study = study
        self.path = RulePaths(study.path.root)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Plan:
        """Validate Snakemake's configuration and check that the archive is there.

        Raises
        ------
        ConfigError
            The configuration is refused, or the archive or a named table does not exist.
        """
        if "study" not in config:
            msg = "config: the key `study` is missing; name the study, it names the results folder too"
            raise ConfigError(msg)
        plan = cls(Study.of(load_config(config)))
        plan.check_inputs()
        return plan

    def check_inputs(self) -> None:
        """Refuse sections that do not fit, a missing archive, table or key, or an archive a phantom would not read.

        Raises
        ------
        ConfigError, PatientKeyError
            One of them is missing; the message names it.
        """
        check_inputs(self)

    def located(self, value: str) -> str:
        """Return a table's path: as given, or inside the archive when it stands there."""
        places = [Path(value), *(folder / value for folder in self.roots.folders.values())]
        return next((str(place) for place in places if place.is_file()), value)

    # ------------------------------------------------------------ what is in the DAG

    @property
    def has_phantom(self) -> bool:
        """Whether the study makes its own phantom archive."""
        return self.study.config.has_phantom

    @property
    def roots(self) -> Roots:
        """Where the archives lie; a phantom is put among the results."""
        if self.has_phantom:
            return Roots({"": Path(self.path.root, "archive")})
        return Roots({name: Path(archive.path) for name, archive in self.study.archives.items()})

    @property
    def archive(self) -> str:
        """Folders of the images as words of a command line."""
        return shlex.join(self.roots.words())

    @property
    def archive_input(self) -> list[str]:
        """What the inventory waits for: the phantom's manifest, or the archive folders themselves."""
        if self.has_phantom:
            return [self.path("phantom.manifest")]
        return [str(folder) for folder in self.roots.folders.values()]

    @property
    def archive_changes(self) -> dict[str, Callable[[Any], int]]:
        """Watch a real archive's folders: a changed param reruns, as the top folder's own time does not tell.

        A phantom archive is made within the DAG, and its manifest tells.
        """
        folders = [] if self.has_phantom else list(self.roots.folders.values())
        return {"changed_ns": lambda _wildcards: max(map(newest_folder_ns, folders))} if folders else {}

    @property
    def shards(self) -> list[str]:
        """Shard numbers as they stand in file names."""
        return self.study.shards

    @property
    def sources(self) -> list[str]:
        """Names of the sources of synthetic images, of every kind."""
        return self.study.sources

    def sources_of(self, *kinds: str) -> list[str]:
        """Return the names of the sources of some kinds."""
        return self.study.sources_of(*kinds)

    def only(self, kind: str) -> str:
        """Return the constraint of wildcard `source` in rules of one kind: kinds put their images at equal places."""
        return "|".join(self.study.sources_of(kind)) or NOTHING

    @cached_property
    def semantic(self) -> SemanticPlan:
        """What rules of semantic synthesis read."""
        return SemanticPlan(self.study)

    @cached_property
    def rounds(self) -> RoundsPlan:
        """What rules of annotation read, round by round."""
        return RoundsPlan(self.study)

    @property
    def sample_jobs(self) -> list[str]:
        """Numbers of the jobs that draft samples; none where one job makes them all."""
        jobs = self.study.config.sample.jobs
        return [f"{number:03d}" for number in range(jobs)] if jobs > 1 else []

    @property
    def sample_gpu(self) -> dict[str, int]:
        """Ask for a GPU where one job makes the samples; laying drafts side by side needs none."""
        return {} if self.sample_jobs else self.gpu

    @property
    def pair_jobs(self) -> list[str]:
        """Numbers of the jobs that draw pairs, as they stand in file names."""
        return [f"{number:03d}" for number in range(self.study.config.pairs.jobs)]

    # ------------------------------------------------------------ the annotation curve

    def curve_annotation(self, output: str) -> str:
        """Return a file of the annotated images: of the curve's own pack where the annotator is simulated.

        `output` is index, manifest or pack.
        """
        if not self.study.simulated_annotator:
            return self.path("annotate.rows" if output == "pack" else f"annotate.{output}")
        own = "pack" if output == "pack" else f"painted_{output}"
        return self.path(f"annotation_curve.{own}", round=FIRST_ROUND)

    def curve_points(self, output: str) -> list[str]:
        """Return one file of every (count, seed) job of a source that stays a wildcard."""
        curve = self.study.config.annotation_curve
        seeds = range(curve.seed, curve.seed + curve.seeds)
        return [
            self.path(f"annotation_curve.{output}", annotations=str(count), seed=str(seed))
            for count in curve.counts
            for seed in seeds
        ]

    def curve_pack_settings(self, wildcards: Any) -> str:  # noqa: ANN401
        """Return the settings of the curve's own pack as JSON: as many images as the whole curve needs."""
        settings = self.study.settings("annotate_pack", source=wildcards.source, round=FIRST_ROUND)
        settings["annotation"]["count"] = self.study.config.annotation_curve.images
        return json.dumps(settings, sort_keys=True)

    def optional(self, name: str) -> list[str]:
        """Return an optional input file as a list of one or none; the radiogenomic phantom brings tables of its own."""
        if self.study.config.radiogenomic_phantom is not None and name in PHANTOM_TABLES:
            return [self.path(PHANTOM_TABLES[name])]
        value = getattr(self.study.config, name)
        return [self.located(value)] if value else []

    def mask_outputs(self) -> dict[str, str]:
        """Return the outputs of slices that exist only where a study has masks."""
        if not self.study.has_masks:
            return {}
        return {"masks": self.path("slices.part_masks"), "volumes": self.path("slices.part_volumes")}

    def mask_options(self, _wildcards: Any, output: Any) -> str:  # noqa: ANN401 - Snakemake's own types
        """Return the options that name those outputs, as words of a command line; in a storage they lie elsewhere."""
        return shlex.join(word for name in self.mask_outputs() for word in (f"--{name}", str(getattr(output, name))))

    @property
    def volumes(self) -> list[str]:
        """Return the tables of source-space masks, on which segmentation is scored."""
        return [self.path("slices.part_volumes", shard=shard) for shard in self.shards] if self.study.has_masks else []

    def images_of(self, source: str, task: str, output: str) -> str:
        """Return the image set (or its manifest) that a source gives to a task or to metrics."""
        return self.path(f"{self.study.images_of(source, task)}.{output}", source=source)

    def imported(self, storage: Any) -> Callable[[Any], dict[str, Any]]:  # noqa: ANN401 - Snakemake's own type
        """Return a function of wildcards that names the folder of a source of kind images.

        One in a storage is fetched as a whole by Snakemake's plugin for it. Of one at hand the files that tell a change
        are named too.
        """

        def folder(wildcards: Any) -> dict[str, Any]:  # noqa: ANN401 - Snakemake's own type
            place = str(self.study.config.sources[wildcards.source].images)
            stored = stored_in(place)
            if stored is None:
                return {
                    "folder": place,
                    "files": [str(Path(place, name)) for name in ("index.parquet", "manifest.json")],
                }
            plugin, query = stored
            return {"folder": storage(query) if plugin is None else getattr(storage, plugin)(query)}

        return folder

    def scored_images(self, output: str) -> Callable[[Any], str]:
        """Return a function of wildcards that names the image set (or its manifest) on which a source is scored."""
        return lambda wildcards: self.images_of(wildcards.source, "metrics", output)

    def synthetic_inputs(self, output: str) -> Callable[[Any], list[str]]:
        """Return a function of wildcards that lists the synthetic sets (or manifests) of one arm."""

        def inputs(wildcards: Any) -> list[str]:  # noqa: ANN401
            return [self.images_of(name, wildcards.task, output) for name in self._arm(wildcards).sources]

        return inputs

    def _arm(self, wildcards: Any) -> ArmSettings:  # noqa: ANN401
        return self.study.arms(wildcards.task)[wildcards.arm]

    def annotator_inputs(self, wildcards: Any) -> list[str]:  # noqa: ANN401
        """Return the simulated annotator's files where it paints real images for an arm."""
        painted = self._arm(wildcards).extra_real == "annotator_masks"
        return [self.path("annotator.weights"), self.path("annotator.manifest")] if painted else []

    def stream_inputs(self, wildcards: Any) -> list[str]:  # noqa: ANN401
        """Return what an arm's online pairs are drawn from."""
        arm = self._arm(wildcards)
        keys = ("gan.weights", "labels.head", "pairs.part_manifest", "encoder.weights")
        return [self.path(key, source=str(arm.synthetic)) for key in keys] if arm.online else []

    def arm_jobs(self, jobs: str) -> str:
        """Return the constraint of wildcard `arm` in a rule for one kind of jobs: no arm where the study has others."""
        return WILDCARDS["arm"] if self.study.config.benchmark.jobs == jobs else f"(?!){WILDCARDS['arm']}"

    def seed_option(self, wildcards: Any) -> str:  # noqa: ANN401
        """Return the option that names the one network of a job; nothing where a job is a whole arm."""
        seed = wildcards.get("seed")
        return "" if seed is None else f"--seeds {seed}"

    def audited_set(self, output: str) -> Callable[[Any], str]:
        """Return a function of wildcards that names a file of the image set that is audited."""

        def file(wildcards: Any) -> str:  # noqa: ANN401 - Snakemake's own type
            stage = {"samples": "sample"}.get(wildcards.part, wildcards.part)
            return self.path(f"{stage}.{output}", source=wildcards.source)

        return file

    def audited_real(self, output: str) -> Callable[[Any], str]:
        """Return a function of wildcards that names a file of the real images that a set is audited against."""
        return lambda wildcards: self.path(f"{self.study.real_of_source(wildcards.source)}.{output}")

    def auditing_judge(self, output: str) -> Callable[[Any], str]:
        """Return a function of wildcards that names a file of the network that knows those real images."""
        judges = {"slices": "judge", "nodules": "nodule_judge"}
        return lambda wildcards: self.path(f"{judges[self.study.real_of_source(wildcards.source)]}.{output}")

    def task_real(self, output: str) -> Callable[[Any], str]:
        """Return a function of wildcards that names a file of the real images that a task is of."""
        return lambda wildcards: self.path(f"{self.study.real_of_task(wildcards.task)}.{output}")

    def audits(self, output: str) -> list[str]:
        """Return one file of every audit."""
        return [self.path(f"audit.{output}", part=part, source=source) for part, source in self.study.audited]

    def stage_before(self, output: str) -> Callable[[Any], list[str]]:
        """Return a function of wildcards that names a file of the stage that a growing generator goes on from, if any.

        Without `px` the last stage is meant, whose files are the generator's own.
        """

        def file(wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's own type
            own_px = int(wildcards.get("px") or sys.maxsize)
            earlier = [px for px in self.study.growth_px if int(px) < own_px]
            return [self.path(f"gan.stage_{output}", source=wildcards.source, px=px) for px in earlier[-1:]]

        return file

    def start_files(self, _wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's own type
        """Return the files that generator training starts from, and the manifest beside them, where there are any."""
        files = list(self.given_weights().values())
        init_from = self.study.config.gan.init_from
        beside = Path(init_from or "").parent / "manifest.json"
        return files + ([str(beside)] if init_from and beside.is_file() else [])

    def given_weights(self) -> dict[str, str]:
        """Return the files of weights that the study names, by key of the configuration."""
        gan = self.study.config.gan
        named = {"gan.init_from": gan.init_from} | self.semantic.given_weights()
        if gan.discriminator == "projected":
            named["gan.projected.weights"] = gan.projected.weights
        return {name: path for name, path in named.items() if path}

    @property
    def scoring_weights(self) -> dict[str, str]:
        """Files of weights of the networks that score and audit beside the judge, by name."""
        return {f"metrics, {name}": str(path) for name, path in self.study.config.metrics.weights.items()}

    @property
    def pair_weights(self) -> dict[str, str]:
        """Files of weights that compare pairs of images, by name."""
        return {f"metrics, {name}": str(path) for name, path in self.study.config.metrics.pair_weights.items()}

    def arm_files(self, output: str, *, curve: bool = False) -> list[str]:
        """Return one file of every (task, arm) job, or of the real-only curve alone."""
        names = self.study.curve_arms if curve else self.study.arms
        return [
            self.path(f"benchmark.{output}", task=task, arm=arm) for task in self.study.tasks for arm in names(task)
        ]

    # ------------------------------------------------------------ params

    def settings(self, stage: str) -> Callable[[Any], str]:
        """Return a function of wildcards that gives a stage's settings as JSON."""

        def text(wildcards: Any) -> str:  # noqa: ANN401
            names = {name: wildcards.get(name) for name in ("source", "task", "arm", "px", "round")}
            return json.dumps(self.study.settings(stage, **names), sort_keys=True)

        return text

    def folder_of(self, output_name: str) -> Callable[[Any, Any], str]:
        """Return a function that gives the folder of a named output."""

        def folder(_wildcards: Any, output: Any) -> str:  # noqa: ANN401 - Snakemake's own types
            return str(Path(str(getattr(output, output_name))).parent)

        return folder

    def code(self, stage: str) -> str:
        """Return the digest of the code a stage rests on; ConfigError where a rule misspells it."""
        layouts = {archive.layout for archive in self.study.archives.values()} if stage == "inventory" else set()
        adapters = sorted(name for layout in layouts if (name := module_of(layout)) is not None)
        return stage_code(stage, adapters)

    # ------------------------------------------------------------ resources

    @property
    def device(self) -> str:
        """Where networks run."""
        return self.study.config.device

    @property
    def gpu(self) -> dict[str, int]:
        """Ask a cluster for one GPU only when the study names cuda."""
        return {"gpu": 1} if self.device == "cuda" else {}

    @property
    def work(self) -> str:
        """Folder of resumable state."""
        return f"{self.study.config.work}/{self.study.config.study}"

    @property
    def key_file(self) -> str:
        """File of a private study's key as a word of a command line, or nothing."""
        return shlex.quote(self.study.config.key_file) if self.study.config.key_file else ""

    def threads(self, stage: str) -> int:
        """Return the threads a stage's settings fix."""
        section = {"pairs_draft": "sample", "semantic_scores": "semantic_sample"}.get(stage, stage)
        settings = getattr(self.study.config, section)
        return int(getattr(settings, "threads", 1))

    @property
    def arm_threads(self) -> int:
        """Return the threads of every benchmark arm."""
        return int(self.study.config.benchmark.training.threads)

    @property
    def qc_inputs(self) -> list[str]:
        """Return the tables of the quality-control pages: those of cohort and slices alone."""
        return qc_files(self.path)

    @cached_property
    def report_inputs(self) -> list[str]:
        """Return every table and image set the figures are drawn from."""
        return report_files(self.study)
