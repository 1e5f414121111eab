"""What one study consists of: its sources, tasks and arms, what is absent and why, and what each stage is given.

All of it is decided from the configuration before anything runs, and nothing here reads an image.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from radgen.annotation.settings import FIRST_ROUND, at_round
from radgen.annotation.waiting import masks_present, pack_present
from radgen.benchmark.seal import is_open, read_openings, seal_in_words
from radgen.benchmark.settings import LOW_ARM, ArmSettings, BenchmarkSettings, arm_table
from radgen.benchmark.words import arm_in_words
from radgen.cohort.archives import ArchiveSettings, archive_table
from radgen.cohort.keys import fingerprint, load_key
from radgen.cohort.settings import ClassSettings, PatientKeySettings, StructureSettings
from radgen.config import DEMO_ARCHIVE, StudyConfig
from radgen.gan.settings import at_stage, growth_px
from radgen.merged_structures import with_merged_structures
from radgen.paths import StudyPaths
from radgen.provenance import digest_json
from radgen.report.settings import StudyFacts
from radgen.semantic.settings import SemanticSettings, at_source
from radgen.settings import as_plain
from radgen.sources import images_of
from radgen.trial import trial_of

# Which sections of the configuration each stage is given, under the names of its `run` parameters.
STAGE_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "phantom": ("phantom",),
    "radiogenomic_phantom": ("radiogenomic_phantom",),
    "inventory": ("inventory", "archives", "patient_key"),
    "cohort": ("cohort", "classes", "structures", "limit"),
    "slices": ("slices", "classes", "structures", "archives"),
    "slices_gather": ("cohort", "classes", "limit"),
    "gather": (),
    "nodules": ("nodules", "archives"),
    "nodules_gather": (),
    "nodules_pictures": ("nodules",),
    "clinical": ("clinical", "patient_key"),
    "rna": ("rna", "patient_key"),
    "radiogenomic": ("radiogenomic",),
    "radiogenomic_sample": ("radiogenomic_sample", "rna_settings"),
    "radiogenomic_scores": ("radiogenomic_scores",),
    "radiogenomic_survival": ("survival",),
    "encoder": ("encoder", "source_settings", "low", "classes"),
    "judge": ("judge", "classes"),
    "gan": ("gan", "source_settings", "low", "classes"),
    "source_images": ("classes", "structures"),
    "sample_draft": ("sample", "source_settings", "low", "classes"),
    "sample": ("sample", "source_settings", "low", "classes"),
    "semantic": ("semantic", "source_settings", "low", "classes", "structures"),
    "semantic_sample": ("semantic_sample",),
    "semantic_scores": ("semantic", "semantic_sample", "metrics", "classes", "structures"),
    "interpolation": ("sample",),
    "annotator": ("annotator", "structures", "classes"),
    "annotate_pack": ("annotation", "structures", "classes", "sample", "source_settings", "low"),
    "annotate_import": ("annotation", "structures", "classes"),
    "annotate_simulated": ("annotation", "structures", "classes"),
    "annotate_gather": (),
    "labels": ("labels", "structures", "classes"),
    "labels_calibration": ("calibration", "annotator", "sample", "structures", "classes"),
    "annotation_curve_point": (
        *("annotation_curve", "labels", "annotator", "pairs", "sample", "structures", "classes"),
    ),
    "annotation_curve": ("annotation_curve", "structures"),
    "pairs_draft": ("pairs", "sample", "source_settings", "low", "structures", "classes"),
    "pairs": ("pairs", "sample", "source_settings", "low", "structures", "classes"),
    "benchmark": ("benchmark", "arm_settings", "low", "classes", "structures"),
    "benchmark_join": (),
    "benchmark_summary": ("benchmark", "arms", "low"),
    "metrics": ("metrics", "source_settings", "low", "classes"),
    "audit": ("release", "metrics"),
    "qc": ("report", "facts"),
    "figures": ("report", "facts"),
    "gallery": ("report", "facts"),
    "report": ("report", "facts"),
}


# What nodule patches are, where a task is of them instead of slices.
OF_NODULES = {
    "classes": ClassSettings(by="folder", names=("nodule",)),
    "structures": StructureSettings(names=("nodule",)),
}
# Sections whose seed another draw of a source changes.
SEEDED = frozenset({"gan", "semantic", "sample", "semantic_sample"})


@dataclass(frozen=True)
class Study:
    """One study, as the workflow and the commands see it."""

    config: StudyConfig

    @classmethod
    def of(cls, config: StudyConfig) -> Study:
        """Prepare a study; a limit on patients turns it into a trial with small budgets.

        Raises
        ------
        ConfigError
            A merge table cannot be read, or two archives bring one.
        """
        config = with_merged_structures(config)
        return cls(config if config.limit.patients is None else trial_of(config))

    @cached_property
    def path(self) -> StudyPaths:
        """Where results lie."""
        return StudyPaths(f"{self.config.results}/{self.config.study}")

    # ------------------------------------------------------------ what is in this study

    @property
    def shards(self) -> list[str]:
        """Shard numbers as they stand in file names."""
        return [f"{number:03d}" for number in range(self.config.inventory.shards)]

    @property
    def archives(self) -> dict[str, ArchiveSettings]:
        """The archives by name; `archive:` names a study's only one, or another place of the only one in the list."""
        config = self.config
        if len(config.archives) == 1 and config.archive != DEMO_ARCHIVE:
            return archive_table([dataclasses.replace(config.archives[0], path=config.archive)])
        return archive_table(config.archives) or {"": ArchiveSettings(path=config.archive)}

    @property
    def label_archives(self) -> frozenset[str]:
        """Names of the archives that hold label maps of others."""
        return frozenset(own.labels.archive for own in self.archives.values() if own.labels is not None)

    @property
    def has_masks(self) -> bool:
        """Whether the study has label masks."""
        return bool(self.config.structures.names)

    @property
    def segments_nodules(self) -> bool:
        """Whether segmentation is of nodule patches: a study with genes that names no structures of its slices."""
        return self.config.has_genes and not self.has_masks

    @property
    def sources(self) -> list[str]:
        """Names of the sources of synthetic images, of every kind."""
        return list(self.config.sources)

    def sources_of(self, *kinds: str) -> list[str]:
        """Return the names of the sources of some kinds."""
        return [name for name, source in self.config.sources.items() if source.kind in kinds]

    def images_of(self, source: str, task: str) -> str:
        """Return the stage whose image set a source gives to a task or to metrics: its name in the table of paths."""
        return images_of(self.config.sources[source].kind, task)

    def semantic(self, source: str) -> SemanticSettings:
        """Return how one source of kind semantic is trained."""
        return at_source(self.config.semantic, source)

    def sources_ready(self, task: str) -> list[str]:
        """Return the sources whose images for a task can be made now: pairs wait for masks of a generator's images."""
        annotated = self.annotated_sources
        return [name for name in self.sources if self.images_of(name, task) != "pairs" or name in annotated]

    @property
    def growth_px(self) -> list[str]:
        """Resolutions of the stages before the last one, as they stand in file names; none unless generators grow."""
        return [str(px) for px in growth_px(self.config.gan, self.config.slices.size_px)]

    @property
    def tasks(self) -> list[str]:
        """Downstream tasks this study can do: no masks, no segmentation; one class, no classification."""
        possible = {
            "segmentation": self.has_masks or self.segments_nodules,
            "classification": len(self.config.classes.names) > 1,
        }
        return [task for task in self.config.benchmark.tasks if possible[task]]

    @property
    def rounds(self) -> tuple[str, ...]:
        """Names of the rounds of annotation."""
        return self.config.annotation.rounds

    @property
    def simulated_annotator(self) -> bool:
        """Whether a trained segmenter stands in for the person who annotates."""
        return self.has_masks and bool(self.sources_of("gan")) and self.config.annotation.source == "simulated"

    def pack_folder(self, source: str, round_name: str) -> Path:
        """Return the folder that goes out in one round, and to which masks come back."""
        return Path(self.path("annotate.folder", source=source, round=round_name))

    def returned_rounds(self, source: str) -> list[str]:
        """Return the rounds whose masks are there, or are simulated, up to the first whose masks are not."""
        if not self.has_masks or self.simulated_annotator:
            return list(self.rounds) if self.has_masks else []
        return list(itertools.takewhile(lambda name: masks_present(self.pack_folder(source, name)), self.rounds))

    def sent_rounds(self, source: str) -> list[str]:
        """Return the rounds that go out: those whose masks are there, and the next one."""
        return list(self.rounds[: len(self.returned_rounds(source)) + 1]) if self.has_masks else []

    def painted_packs(self) -> list[tuple[str, str]]:
        """Return (source, round) of packs whose masks a person has begun to paint: they are never made again."""
        if self.simulated_annotator:
            return []
        pairs = itertools.product(self.sources_of("gan"), self.rounds if self.has_masks else ())
        return [pair for pair in pairs if pack_present(folder := self.pack_folder(*pair)) and masks_present(folder)]

    def awaited_folder(self, source: str) -> Path | None:
        """Return the folder whose masks are still awaited, or None."""
        waiting = self.sent_rounds(source)[len(self.returned_rounds(source)) :]
        return self.pack_folder(source, waiting[0]) if waiting else None

    @property
    def annotated_sources(self) -> list[str]:
        """Class-conditional generators with a round whose masks are there, or are simulated."""
        return [name for name in self.sources_of("gan") if self.returned_rounds(name)]

    @property
    def audited(self) -> list[tuple[str, str]]:
        """Kind (a folder of results) and source of every synthetic image set that may leave."""
        return [
            *(("samples", name) for name in self.sources),
            *(("pairs", name) for name in self.annotated_sources),
        ]

    def real_of_source(self, source: str) -> str:
        """Return the stage of the real images that a source learns from: its name in the table of paths."""
        return "nodules" if source in self.sources_of("radiogenomic") else "slices"

    def real_of_task(self, task: str) -> str:
        """Return the stage of the real images that a task is of."""
        return "nodules" if task == "segmentation" and self.segments_nodules else "slices"

    @property
    def awaiting(self) -> list[Path]:
        """All folders in which masks are awaited."""
        return [folder for name in self.sources_of("gan") if (folder := self.awaited_folder(name)) is not None]

    def arms(self, task: str) -> dict[str, ArmSettings]:
        """Return the arms of one task that can run now, the real-only curve first."""
        ready = self.sources_ready(task)
        table = arm_table(
            self.config.benchmark,
            self.config.arms,
            task=task,
            low_fraction=self.config.low.fraction,
            simulated_annotator=self.simulated_annotator,
            annotated_images=self.annotated_images,
            annotated_sources=self.annotated_sources,
        )
        return {name: arm for name, arm in table.items() if set(arm.sources) <= set(ready)}

    @property
    def annotated_images(self) -> int:
        """How many synthetic images of a source were annotated, in all rounds whose masks are there."""
        counts = (self.config.annotation.count, *self.config.annotation.further_rounds)
        return max((sum(counts[: len(self.returned_rounds(name))]) for name in self.annotated_sources), default=0)

    @property
    def networks(self) -> list[str]:
        """Seeds of the networks of every arm, as they stand in file names."""
        training = self.config.benchmark.training
        return [str(seed) for seed in range(training.seed, training.seed + training.seeds)]

    # ------------------------------------------------------------ the seal of the test

    @cached_property
    def config_digest(self) -> str:
        """Digest of the configuration without what changes no result: where things lie, and how the report looks."""
        plain = as_plain(self.config)
        elsewhere = ("archive", "archives", "results", "work", "device", "key_file", "report")
        kept = {name: value for name, value in plain.items() if name not in elsewhere}
        return digest_json(kept | {"archives": as_plain(self._archives_without_places())})

    @property
    def sealed(self) -> bool:
        """Whether scores are of development folds: the test was not opened for this configuration."""
        log = Path(self.path("benchmark.openings"))
        return self.config.benchmark.sealed and not is_open(read_openings(log), self.config_digest)

    def curve_arms(self, task: str) -> list[str]:
        """Return the arms of the real-only curve."""
        return [name for name, arm in self.arms(task).items() if arm.on_curve]

    def absent(self) -> dict[str, str]:
        """Return the stages that are not in this study, each with its reason in words."""
        reasons: dict[str, str] = {}
        if not self.has_masks:
            what = (
                "annotation, label head and pairs"
                if self.segments_nodules
                else "annotation, label head, pairs and segmentation"
            )
            reasons[what] = "the study names no mask structures"
        elif self.sources and not self.sources_of("gan"):
            reasons["annotation, label head and pairs"] = "no source is of kind gan"
        if len(self.config.classes.names) < 2:
            reasons["classification"] = "the study has a single image class"
        if not self.sources:
            reasons["generator and everything synthetic"] = "the study names no source"
        for task in ("classification", "segmentation"):
            if task not in self.config.benchmark.tasks:
                reasons.setdefault(task, "the configuration leaves this task out")
        return reasons

    # ------------------------------------------------------------ what a stage is given

    def settings(
        self,
        stage: str,
        *,
        source: str | None = None,
        task: str | None = None,
        arm: str | None = None,
        px: str | None = None,
        round: str | None = None,  # noqa: A002 - the wildcard's name
    ) -> dict[str, Any]:
        """Return the sections of one stage as plain data, under the names of its `run` parameters."""
        special: dict[str, Any] = {
            "patient_key": self._patient_key,
            "facts": self._facts,
            "arms": self._all_arms,
            "archives": self._archives_without_places,
            "benchmark": self._benchmark,
            "rna_settings": lambda: self.config.rna,
            # How many jobs make the images changes no byte of them, so nothing runs again for it.
            "sample": lambda: dataclasses.replace(self.config.sample, jobs=1),
        }
        values: dict[str, Any] = {}
        for name in STAGE_SECTIONS[stage]:
            if name == "source_settings":
                values[name] = self.config.sources[str(source)]
            elif name == "gan":
                values[name] = at_stage(self.config.gan, int(px or self.config.slices.size_px))
            elif name == "semantic":
                values[name] = self.semantic(str(source))
            elif name == "semantic_sample":
                values[name] = at_source(self.config.semantic_sample, str(source))
            elif name == "annotation":
                values[name] = at_round(self.config.annotation, str(round or FIRST_ROUND))
            elif name == "arm_settings":
                values[name] = self._resolved(self.arms(str(task))[str(arm)])
            else:
                values[name] = special[name]() if name in special else getattr(self.config, name)
        if task is not None and self.real_of_task(task) == "nodules":
            values |= {name: own for name, own in OF_NODULES.items() if name in values}
        redraw = None if source is None else self.config.sources[str(source)].seed
        for name in SEEDED & set(values) if redraw is not None else ():
            values[name] = dataclasses.replace(values[name], seed=redraw)
        return {name: as_plain(value) for name, value in values.items()}

    def _resolved(self, arm: ArmSettings) -> ArmSettings:
        """Fill in the setting an arm takes from its source."""
        if arm.synthetic is None or arm.setting is not None:
            return arm
        return dataclasses.replace(arm, setting=self.config.sources[arm.synthetic].setting)

    def _benchmark(self) -> BenchmarkSettings:
        return dataclasses.replace(self.config.benchmark, sealed=self.sealed)

    def _all_arms(self) -> dict[str, ArmSettings]:
        return {name: self._resolved(arm) for task in self.tasks for name, arm in self.arms(task).items()}

    def _archives_without_places(self) -> dict[str, ArchiveSettings]:
        """Return the archives without paths: where they lie changes no bytes, and merge tables are read already."""
        return {name: _without_places(archive) for name, archive in self.archives.items()}

    def _patient_key(self) -> PatientKeySettings:
        config = self.config
        key_file = Path(config.key_file) if config.key_file else None
        found = fingerprint(load_key(config.patient_key.public, key_file))
        return dataclasses.replace(config.patient_key, fingerprint=found)

    def _facts(self) -> StudyFacts:
        config = self.config
        awaiting = ", ".join(str(folder) for folder in self.awaiting)
        told = (archive.patient_from or config.inventory.patient_from for archive in self.archives.values())
        patients_from = sorted(set(told))
        return StudyFacts(
            study=config.study,
            title=config.title,
            is_phantom=config.has_phantom,
            trial=config.limit.patients,
            patient_claim="none" not in patients_from,
            patients_from=", ".join(patients_from),
            simulated_annotator=self.simulated_annotator,
            automatic_labels=any(own.labels is not None and own.labels.automatic for own in self.archives.values()),
            rounds=self.rounds,
            sources={name: source.setting for name, source in config.sources.items()},
            kinds={name: source.kind for name, source in config.sources.items()},
            arms={name: arm_in_words(arm) for name, arm in self._all_arms().items()},
            low_arm=LOW_ARM,
            structures=config.structures.names,
            awaiting=awaiting or None,
            test_set=seal_in_words(
                read_openings(Path(self.path("benchmark.openings"))),
                self.config_digest,
                sealed=config.benchmark.sealed,
            ),
            absent=self.absent(),
        )


def _without_places(archive: ArchiveSettings) -> ArchiveSettings:
    labels = archive.labels and dataclasses.replace(archive.labels, merge=None)
    return dataclasses.replace(archive, path="", labels=labels)
