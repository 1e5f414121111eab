"""What becomes of every folder of the real test data: a table in Markdown, as docs/ingest.md shows it.

    python bench/ingest_outcomes.py [--data DIR] [--irregular refuse] [FOLDER ...]

Each folder runs through the commands `radgen inventory`, `radgen cohort` and `radgen slices` in a temporary folder, as
an archive of one split without masks. Nothing but counts and reasons is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from radgen.cli import main as radgen

DATA = Path(os.environ.get("RADGEN_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
# Who is a patient does not matter here; what a folder's files do not say about themselves does.
SETTINGS = {
    "ants_jlf_brain_tissue": {"modality": "MR"},
    "hippocampus_msd": {"modality": "MR"},
    "lidc_nodule_patches": {"modality": "CT"},
    "totalsegmentator_ref": {"modality": "CT"},
}
HEADER = ("folder", "files", "series read", "slices stored", "refused, with the reason", "set aside")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the real test data")
    parser.add_argument("--irregular", default="refuse", help="inventory.on_irregular: refuse, nearest or resample")
    parser.add_argument("folders", nargs="*", help="only these folders")
    options = parser.parse_args()
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    for folder in sorted(path for path in options.data.iterdir() if path.is_dir()):
        if not options.folders or folder.name in options.folders:
            print(f"| {' | '.join(outcome(folder, options.irregular))} |", flush=True)


def outcome(folder: Path, on_irregular: str) -> tuple[str, ...]:
    """Run one folder; return the cells of its row."""
    with tempfile.TemporaryDirectory(prefix="radgen-outcomes-") as place:
        root = Path(place)
        code, said = _run(_inventory(folder, root, on_irregular))
        if code:
            return folder.name, "", "0", "0", said.strip().splitlines()[-1].replace(str(folder), folder.name), ""
        _must(_run(_cohort(root)))
        _must(_run(_slices(folder, root)))
        rejects = pq.read_table(root / "cohort" / "rejects.parquet").to_pylist()
        unread = pq.read_table(root / "slices" / "shard-000.rejects.parquet").to_pylist()
        series = pq.read_table(root / "cohort" / "series.parquet")
        remarks = Counter(
            f"{remark['kind']} ({remark['treatment']})" for row in series["remarks"].to_pylist() for remark in row
        )
        refused = Counter(row["reason"] for row in rejects if row["refused"])
        refused += Counter(f"{row['reason']} (in slices)" for row in unread)
        aside = Counter(row["reason"] for row in rejects if not row["refused"])
        slices = pq.read_metadata(root / "slices" / "shard-000.index.parquet").num_rows
        files = pq.read_metadata(root / "private" / "files.parquet").num_rows
        read = f"{series.num_rows}" + (f"; {_words(remarks)}" if remarks else "")
        return folder.name, str(files), read, str(slices), _words(refused), _words(aside)


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.most_common()) or "none"


def _run(words: list[str]) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = radgen(words)
    return code, said.getvalue()


def _must(done: tuple[int, str]) -> None:
    if done[0]:
        raise SystemExit(done[1])


def _inventory(folder: Path, root: Path, on_irregular: str) -> list[str]:
    inventory = {"shards": 1, "patient_from": "regex", "patient_regex": "^(.*)$", "on_irregular": on_irregular}
    sections = {"inventory": inventory | SETTINGS.get(folder.name, {}), "patient_key": {"public": "for test data only"}}
    words = ["inventory", "--archive", str(folder), "--settings", json.dumps(sections), "--work", str(root / "work")]
    places = {"index": "index.parquet", "rejects": "rejects.parquet", "manifest": "manifest.json"}
    for name, file in places.items():
        words += [f"--{name}", str(root / "inventory" / file)]
    return [*words, "--files", str(root / "private" / "files.parquet")]


def _cohort(root: Path) -> list[str]:
    cohort = {"val": 0, "test": 0, "min_patients": 1, "min_images": 1, "max_refused_fraction": 1.0}
    sections = {"cohort": cohort, "classes": {"by": "position", "names": ["all"]}}
    words = ["cohort", "--settings", json.dumps(sections), "--files", str(root / "private" / "files.parquet")]
    for name, file in {"inventory": "index.parquet", "inventory-rejects": "rejects.parquet"}.items():
        words += [f"--{name}", str(root / "inventory" / file)]
    words += ["--inventory-manifest", str(root / "inventory" / "manifest.json")]
    files = {"series": "series.parquet", "rejects": "rejects.parquet", "counts": "counts.parquet", "page": "index.html"}
    for name, file in (files | {"manifest": "manifest.json", "shards": "shard-000.parquet"}).items():
        words += [f"--{name}", str(root / "cohort" / file)]
    return words


def _slices(folder: Path, root: Path) -> list[str]:
    sections = {"classes": {"by": "position", "names": ["all"]}}
    words = ["slices", "--settings", json.dumps(sections), "--files", str(root / "private" / "files.parquet")]
    words += ["--archive", str(folder), "--series", str(root / "cohort" / "shard-000.parquet")]
    words += ["--cohort-manifest", str(root / "cohort" / "manifest.json"), "--work", str(root / "work")]
    words += ["--masks", "--volumes", "--rejects", str(root / "slices" / "shard-000.rejects.parquet")]
    files = {"images": "images.arrow", "index": "index.parquet", "qc": "qc.parquet", "manifest": "manifest.json"}
    for name, file in files.items():
        words += [f"--{name}", str(root / "slices" / f"shard-000.{file}")]
    return words


if __name__ == "__main__":
    main()
