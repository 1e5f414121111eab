"""The release gate: a set leaves only as it was audited, only if its verdict lets it, without what was dropped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from radgen.errors import InputError, ReleaseError
from radgen.imageset.core import images_path, read_index
from radgen.paths import StudyPaths
from radgen.provenance import digest_file, read_manifest

VERDICT = ".verdict.json"


@dataclass(frozen=True)
class Release:
    """What may leave of a set.

    Attributes
    ----------
    kept
        Ids of the synthetic images that may.
    dropped
        How many may not.
    sentence
        The verdicts in words.
    """

    kept: frozenset[str]
    dropped: int
    sentence: str


def release_of(index: Path, verdict: Path | None = None) -> Release:
    """Return what may leave of the synthetic images of a set.

    Parameters
    ----------
    index
        `index.parquet` of the set.
    verdict
        `*.verdict.json` of its audit; None finds it in the study the set lies in.

    Raises
    ------
    ReleaseError
        The set was not audited, was audited as another one, or its verdict does not let it leave.
    """
    rows = read_index(index).select(["image_id", "shard", "source"]).to_pylist()
    shards = sorted({str(row["shard"]) for row in rows if row["source"] != "real"})
    folders: dict[Path, list[Path]] = {}
    for shard in shards:
        base = index.parent / shard
        folders.setdefault(base.parent, []).append(base)
    kept: set[str] = set()
    sentences = []
    for folder, bases in folders.items():
        found = verdict or verdict_of(folder)
        sentences.append(f"{folder.parent.name}/{folder.name} {checked(found, bases)['sentence']}")
        kept |= _kept(found)
    made = {str(row["image_id"]) for row in rows if row["source"] != "real"}
    return Release(frozenset(made & kept), len(made - kept), "; ".join(sentences))


def verdict_of(folder: Path) -> Path:
    """Return where the verdict of a set lies in its study: of results/demo/samples/main in results/demo/audit."""
    paths = StudyPaths(str(folder.absolute().parents[1]))
    return Path(paths("audit.verdict", part=folder.absolute().parent.name, source=folder.name))


def checked(verdict: Path, shards: Iterable[Path]) -> Mapping[str, Any]:
    """Return a verdict that lets these shards (folder / shard) leave.

    Raises
    ------
    ReleaseError
        There is none, it is damaged, it is another set's, or it does not let the set leave.
    """
    if not verdict.is_file():
        msg = (
            f"{verdict}: this set was not audited for copies of patients; run `snakemake audit`, or `radgen audit` and "
            "name its verdict with --audit"
        )
        raise ReleaseError(msg)
    what = read_manifest(_beside(verdict, ".manifest.json"))["what"]
    for path in (verdict, _beside(verdict, ".images.parquet")):
        if not path.is_file() or what["outputs"].get(path.name) != digest_file(path):
            msg = f"{path}: not as the audit wrote it; audit the set again"
            raise ReleaseError(msg)
    audited = {digest for name, digest in what["inputs"].items() if name.startswith("images/")}
    for base in shards:
        if digest_file(images_path(base)) not in audited:
            msg = f"{base}: these images are not those that {verdict.name} speaks of; audit the set again"
            raise ReleaseError(msg)
    said: Mapping[str, Any] = json.loads(verdict.read_text(encoding="utf-8"))
    if not said["passed"]:
        msg = f"{verdict}: this set {said['sentence']}; change what made it, or the policy under `release`"
        raise ReleaseError(msg)
    return said


def _kept(verdict: Path) -> set[str]:
    table = pq.read_table(_beside(verdict, ".images.parquet"), columns=["image_id", "kept"])
    return {str(row["image_id"]) for row in table.to_pylist() if row["kept"]}


def _beside(verdict: Path, suffix: str) -> Path:
    if not verdict.name.endswith(VERDICT):
        msg = f"{verdict}: name the audit's *{VERDICT}"
        raise InputError(msg)
    return verdict.with_name(verdict.name.removesuffix(VERDICT) + suffix)
