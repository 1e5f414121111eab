"""Publish a generator and its label head: safetensors, settings and a model card, only when their audit passes."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from radgen import __version__
from radgen.errors import InputError, ReleaseError
from radgen.export.folder import MARK, new_folder, write_bytes, write_checksums
from radgen.paths import StudyPaths
from radgen.provenance import ASPECTS, SawPatients, digest_file, read_manifest, write_json
from radgen.safety.gate import checked

GENERATOR, HEAD = "generator.safetensors", "head.safetensors"
# The audited sets by part of the results: stage that makes them, and which of the weights their images show.
SETS = {"samples": ("sample", "gan.weights", GENERATOR), "pairs": ("pairs", "labels.head", HEAD)}


@dataclass(frozen=True)
class Weights:
    """One file of weights on its way out: name, file, what its manifest says, and the verdict it leaves by."""

    name: str
    path: Path
    what: Mapping[str, Any]
    verdict: Mapping[str, Any]


def main(words: list[str]) -> int:
    """Write the folder, whole or not at all."""
    parser = argparse.ArgumentParser("radgen publish", description=__doc__)
    parser.add_argument("results", type=Path, help="results folder of the study, such as results/demo")
    parser.add_argument("source", help="the source, such as main")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--licence", default="unspecified", help="under which the weights may be used")
    parser.add_argument("--replace", action="store_true", help="replace an earlier publication")
    options = parser.parse_args(words)
    paths = StudyPaths(str(options.results))
    ready = [found for part in SETS if (found := _released(paths, part, options.source)) is not None]
    if not ready:
        msg = f"{paths('gan.weights', source=options.source)}: no such generator; name the results folder and a source"
        raise InputError(msg)
    saw = SawPatients()
    for weights in ready:
        saw |= SawPatients.from_json(weights.what["saw_patients"])
    settings = {weights.name: dict(weights.what["settings"]) for weights in ready}
    card = model_card(options.source, ready, saw, options.licence)
    _refuse_names(saw, [card, yaml.safe_dump(settings)], [weights.path for weights in ready])
    with new_folder(options.out, replace=options.replace) as draft:
        for weights in ready:
            shutil.copyfile(weights.path, draft / weights.name)
        write_bytes(draft / "config.yaml", yaml.safe_dump(settings, sort_keys=True).encode())
        write_bytes(draft / "README.md", card.encode())
        write_json(draft / MARK, {"made_by": f"radgen {__version__} publish", "source": options.source})
        write_checksums(draft)
    for weights in ready:
        sys.stdout.write(f"{weights.name}: its images {weights.verdict['sentence']}\n")
    sys.stdout.write(f"publish: {', '.join(weights.name for weights in ready)} to {options.out}\n")
    return 0


def _released(paths: StudyPaths, part: str, source: str) -> Weights | None:
    """Return weights whose images may leave; None where the study has none of this kind.

    Raises
    ------
    ReleaseError
        Their images were not audited or may not leave, or were made with other weights.
    """
    stage, key, name = SETS[part]
    weights, index = Path(paths(key, source=source)), Path(paths(f"{stage}.part_index", source=source))
    if not weights.is_file():
        return None
    if not index.is_file():
        msg = f"{index}: no images of {weights.name} were made, so nothing was audited; run `snakemake audit`"
        raise ReleaseError(msg)
    made = read_manifest(index.parent / "manifest.json")["what"]["inputs"]
    if digest_file(weights) not in made.values():
        msg = f"{weights}: the audited images were made with other weights; run `snakemake audit` again"
        raise ReleaseError(msg)
    shards = [path.with_name(path.name.removesuffix(".images.arrow")) for path in index.parent.glob("*.images.arrow")]
    verdict = checked(Path(paths("audit.verdict", part=part, source=source)), sorted(shards))
    return Weights(name, weights, read_manifest(weights.parent / "manifest.json")["what"], verdict)


def model_card(source: str, ready: list[Weights], saw: SawPatients, licence: str) -> str:
    """Return the README of published weights: what they are, whom they saw by number, what the audit found."""
    counts = ", ".join(f"{aspect} of {len(saw.patients(aspect))}" for aspect in ASPECTS)
    unknown = "".join(f"- Not known: {line}.\n" for line in sorted(saw.unknown))
    files = "".join(f"- `{weights.name}`: SHA-256 {digest_file(weights.path)}...\n" for weights in ready)
    checks = "".join(
        f"- {weights.name}: {check['words']}.\n" for weights in ready for check in weights.verdict["checks"]
    )
    return (
        f"# Generator {source}\n\n**Makes synthetic medical images. For research, not for diagnosis.**\n\n"
        f"## Files\n\n{files}- `config.yaml`: the settings they were made with.\n\n"
        f"`radgen.gan.checkpoint.load_generator` reads the generator without running code from the file.\n\n"
        f"## Patients behind them\n\n- Patients that reached these weights: {counts}.\n{unknown}\n"
        f"## Audit of their images\n\n{checks}\n"
        "The audit looked at images made at the study's truncation. Whoever holds weights can make others and look "
        "inside, so weights may give away what these images do not.\n\n"
        f"## Licence\n\n{licence}\n\nMade by radgen {__version__}.\n"
    )


def _refuse_names(saw: SawPatients, texts: list[str], files: list[Path]) -> None:
    """Refuse to publish anything that holds a patient's key, and so joins it to the study's tables."""
    keys = sorted(saw.everyone())
    for text in texts:
        if any(key in text for key in keys):
            msg = "the settings hold a patient's key, so they cannot be published; report this"
            raise ReleaseError(msg)
    for path in files:
        data = path.read_bytes()
        if any(key.encode() in data for key in keys):
            msg = f"{path.name}: holds a patient's key, so it cannot be published; report this"
            raise ReleaseError(msg)
