"""List what must be made again, retrained or deleted when a patient withdraws: every output that saw the patient."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from radgen.cohort.keys import load_key, patient_key
from radgen.config import read_config
from radgen.errors import CohortError
from radgen.provenance import ASPECTS, SawPatients, digest_json, read_manifest
from radgen.study import Study

KEY = re.compile(r"[0-9a-f]{16}")
# Stages whose outputs hold the patient's own pixels, masks or rows; and those whose outputs are weights.
HOLDS = frozenset({"inventory", "cohort", "slices", "slices_gather", "nodules", "nodules_gather", "rna", "clinical"})
RETRAIN, DELETE, AGAIN = "retrain", "delete", "make again"


def main(words: list[str]) -> int:
    """Print one line for each output; no identifier and no key is printed."""
    parser = argparse.ArgumentParser("radgen forget", description=__doc__)
    parser.add_argument("patient", help="as the archive names the patient, or the patient's key; `-` reads a line")
    parser.add_argument("config", type=Path, help="the study's YAML file")
    options = parser.parse_args(words)
    told = sys.stdin.readline().strip() if options.patient == "-" else options.patient
    study = Study.of(read_config(options.config))
    root, work = Path(study.path.root), Path(study.config.work, study.config.study)
    manifests = {path: read_manifest(path)["what"] for path in sorted(root.rglob("*manifest.json"))}
    key = _resolved(study, told, manifests.values())
    total = {RETRAIN: 0, DELETE: 0, AGAIN: 0}
    for path, what in manifests.items():
        aspects = saw(what, key)
        if not aspects:
            continue
        action = action_for(str(what["stage"]), what["outputs"])
        total[action] += 1
        names = ", ".join(sorted(what["outputs"])) or "no file"
        _say(f"{action:<10}  {path.parent.relative_to(root)}  {what['stage']}: {names}  (saw {', '.join(aspects)})")
        for folder in _work_of(what, work):
            _say(f"{DELETE:<10}  {folder}  resumable state of {what['stage']}")
    _say(
        f"{total[RETRAIN]} to retrain, {total[DELETE]} to delete, {total[AGAIN]} to make again. Remove the patient's "
        "files from the archive, delete these outputs and run the workflow again. Exports and published weights that "
        "left, copies and backups, and state under the work folder of runs that were never finished are not seen here: "
        "recall or delete them by hand."
    )
    return 0


def saw(what: Mapping[str, Any], key: str) -> list[str]:
    """Return by which aspects (pixels, labels, masks) an output saw a patient."""
    ancestry = SawPatients.from_json(what["saw_patients"])
    return [aspect for aspect in ASPECTS if key in ancestry.patients(aspect)]


def action_for(stage: str, outputs: Mapping[str, str]) -> str:
    """Say what becomes of an output.

    >>> action_for("slices", {"shard-000.images.arrow": ""}), action_for("gan", {"generator.safetensors": ""})
    ('delete', 'retrain')
    """
    if stage in HOLDS:
        return DELETE
    return RETRAIN if any(name.endswith(".safetensors") for name in outputs) else AGAIN


def _resolved(study: Study, told: str, manifests: Any) -> str:  # noqa: ANN401 - an iterable of manifests
    """Return the patient's key, if any output of the study knows it; the message repeats nothing of what was told."""
    config = study.config
    secret = load_key(config.patient_key.public, Path(config.key_file) if config.key_file else None)
    # With several archives a layout's patients are named by archive too.
    names = [told, *(f"{archive}/{told}" for archive in study.archives if archive)]
    keys = [*([told] if KEY.fullmatch(told) else []), *(patient_key(secret, name) for name in names)]
    known: set[str] = set()
    for what in manifests:
        known |= SawPatients.from_json(what["saw_patients"]).everyone()
    found = [key for key in keys if key in known]
    if not found:
        msg = (
            f"no output of study {config.study} saw this patient ({len(known)} patients are known); give the name "
            "exactly as the archive has it, or the patient's key"
        )
        raise CohortError(msg)
    return found[0]


def _work_of(what: Mapping[str, Any], work: Path) -> Iterator[Path]:
    key = digest_json({name: what.get(name) for name in ("stage", "version", "settings", "inputs", "seed")})[:16]
    folder = work / str(what["stage"]) / key
    if folder.is_dir():
        yield folder


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
