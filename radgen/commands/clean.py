"""Free resumable state that no result refers to: work folders of settings that are no longer in use."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from radgen.keyed import KeyedJob
from radgen.provenance import digest_json


def main(words: list[str]) -> int:
    """List (or with `--yes` delete) the keyed work folders that no manifest of the study was published from."""
    parser = argparse.ArgumentParser("radgen clean", description=__doc__)
    parser.add_argument("results", type=Path, help="results folder of the study, such as results/demo")
    parser.add_argument("work", type=Path, help="work folder of the study, such as work/demo")
    parser.add_argument("--yes", action="store_true", help="delete; without it the folders are only listed")
    options = parser.parse_args(words)
    used = used_keys(options.results)
    total = _clean_features(options.work, options.results, delete=options.yes)
    for folder in sorted(path for path in options.work.glob("*/*") if path.is_dir()):
        if folder.name in used or KeyedJob.is_held(folder):
            continue
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        total += size
        sys.stdout.write(f"{'deleted' if options.yes else 'unused'}  {size / 2**20:8.1f} MiB  {folder}\n")
        if options.yes:
            shutil.rmtree(folder)
    sys.stdout.write(f"{total / 2**20:.1f} MiB {'freed' if options.yes else 'could be freed; add --yes to delete'}\n")
    return 0


def _clean_features(work: Path, results: Path, *, delete: bool) -> int:
    """List or delete feature tables that no manifest read, and return their bytes."""
    read = set()
    for manifest in results.rglob("*manifest.json"):
        read |= set(json.loads(manifest.read_text(encoding="utf-8"))["run"]["notes"].get("features", ()))
    total = 0
    for path in sorted((work / "features").glob("*.npy")):
        if path.stem in read:
            continue
        total += path.stat().st_size
        sys.stdout.write(f"{'deleted' if delete else 'unused'}  {path.stat().st_size / 2**20:8.1f} MiB  {path}\n")
        if delete:
            path.unlink()
    return total


def used_keys(results: Path) -> frozenset[str]:
    """Return the keys of all long jobs that the study's manifests were published from."""
    keys = set()
    for manifest in results.rglob("*manifest.json"):
        what = json.loads(manifest.read_text(encoding="utf-8"))["what"]
        keys.add(
            digest_json({name: what.get(name) for name in ("stage", "version", "settings", "inputs", "seed")})[:16]
        )
    return frozenset(keys)
