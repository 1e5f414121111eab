"""The structures of a study that a merge table of label maps names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from radgen.cohort.merge_tables import read_merge_table
from radgen.config import StudyConfig
from radgen.errors import ConfigError


def with_merged_structures(config: StudyConfig) -> StudyConfig:
    """Fill in the structures that an archive's merge table names, where the study names none itself.

    Raises
    ------
    ConfigError
        A table cannot be read, or there are several.
    """
    tables = {archive.labels.merge for archive in config.archives if archive.labels is not None} - {None}
    if not tables or config.structures.names:
        return config
    if len(tables) > 1:
        names = ", ".join(sorted(map(str, tables)))
        msg = f"archives: {len(tables)} merge tables ({names}), but a study has one set of labels; keep one table"
        raise ConfigError(msg)
    merged = read_merge_table(Path(str(tables.pop())))
    body = config.structures.body
    found = () if body is None or body in merged.names else (body,)
    structures = dataclasses.replace(config.structures, names=(*merged.names, *found), map=merged.map)
    return dataclasses.replace(config, structures=structures)
