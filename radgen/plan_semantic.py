"""What rules of semantic synthesis read: maps of a folder, weights to go on from, what images are painted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from radgen.errors import ConfigError
from radgen.semantic.settings import STUDY_MAPS, started_from
from radgen.study import Study


class SemanticPlan:
    """Inputs of semantic rules; each function takes Snakemake's wildcards."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def maps(self, wildcards: Any) -> list[str]:  # noqa: ANN401 - Snakemake's own type
        """Return the index of the label maps that a source learns from, where they lie in a folder of their own."""
        folder = self._study.semantic(wildcards.source).maps
        return [] if folder is None else [f"{folder}/index.parquet"]

    def start(self, wildcards: Any) -> list[str]:  # noqa: ANN401
        """Return the weights that training goes on from, where there are any."""
        init_from = self._study.semantic(wildcards.source).init_from
        other = self._other(init_from)
        if other is not None:
            return [self._study.path(f"semantic.{other[1]}", source=other[0])]
        return [] if init_from is None else [init_from]

    def painted(self, wildcards: Any) -> str:  # noqa: ANN401
        """Return the index of the maps that images are painted on."""
        wanted = self._study.config.semantic_sample.maps
        if wanted not in STUDY_MAPS:
            return f"{wanted}/index.parquet"
        own = self.maps(wildcards) if wanted == "learnt" else []
        return own[0] if own else self._study.path("slices.index")

    def seen(self, wildcards: Any) -> list[str]:  # noqa: ANN401
        """Return the table of what a source saw, where images are painted on the maps that taught it."""
        if self._study.config.semantic_sample.maps != "learnt":
            return []
        return [self._study.path("semantic.seen", source=wildcards.source)]

    def given_weights(self) -> dict[str, str]:
        """Return the files of weights that the configuration names, by key."""
        starts = {name: self._study.semantic(name).init_from for name in self._study.sources_of("semantic")}
        return {
            f"semantic.init_from of {name}": path
            for name, path in starts.items()
            if path is not None and self._other(path) is None
        }

    def check_maps(self) -> None:
        """Refuse folders of label maps that are not there, before anything runs.

        Raises
        ------
        ConfigError
            With the folder and the commands that write one.
        """
        study = self._study
        folders = {f"semantic.maps of {name}": study.semantic(name).maps for name in study.sources_of("semantic")}
        wanted = study.config.semantic_sample.maps
        if study.sources_of("semantic") and wanted not in STUDY_MAPS:
            folders["semantic_sample.maps"] = wanted
        for name, folder in folders.items():
            if folder is None or Path(folder).is_relative_to(study.path.root):
                continue
            if not Path(folder, "index.parquet").is_file():
                msg = (
                    f"{name}: {folder} holds no set of label maps (index.parquet); make one by `radgen import-maps` or "
                    "`radgen semantic-maps`, or correct the folder"
                )
                raise ConfigError(msg)

    def _other(self, init_from: str | None) -> tuple[str, str] | None:
        return started_from(init_from, tuple(self._study.sources_of("semantic")))
