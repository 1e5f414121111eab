"""An archive of RadImageNet's size, simulated, through cohort, splits and the gathered index: seconds and memory.

    python bench/archive_scale.py [--images 1350000] [--patients 131872] [--shards 256]

What the inventory would have found is made: a series to an image, classes by the place of images, all patients split.
Each step runs in a process of its own. Pixels are not made; what they would take is in docs/scale.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import describe

from radgen.cohort import tables
from radgen.imageset.core import gather_index
from radgen.paths import StudyPaths

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Print one line to each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_350_000)
    parser.add_argument("--patients", type=int, default=131_872)
    parser.add_argument("--shards", type=int, default=256)
    parser.add_argument("--gather", type=Path, help="run the index's step alone, in this folder")
    options = parser.parse_args()
    if options.gather:
        parts = sorted(options.gather.glob("shard-*.index.parquet"))
        gather_index(parts, options.gather / "index.parquet")
        return
    print(describe())
    print(f"{options.images:,} images of {options.patients:,} patients in {options.shards} shards")
    with tempfile.TemporaryDirectory() as name:
        path = StudyPaths(name)
        write_inventory(path, options.images, options.patients, options.shards)
        timed("cohort and splits", cohort_words(path, options.shards))
        folder = Path(name) / "slices"
        write_parts(folder, options.images, options.shards)
        timed("gathered index", [sys.executable, __file__, "--gather", str(folder)])


def timed(what: str, words: list[str]) -> None:
    """Run a step and print processor time and the largest resident size of all steps so far."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wall_s = time.perf_counter() - start
    print(
        f"{what}: {seconds:.1f} s of processor time, {wall_s:.1f} s, at most {after.ru_maxrss / 1024:,.0f} MiB so far"
    )


def write_inventory(path: StudyPaths, images: int, patients: int, shards: int) -> None:
    """Write the tables that the inventory of such an archive would have left."""
    random = np.random.default_rng(0)
    owner = np.sort(np.concatenate([np.arange(patients), random.integers(0, patients, images - patients)]))
    keys = np.array([hashlib.sha256(b"patient %d" % number).hexdigest()[:16] for number in range(patients)])[owner]
    ids = pa.array([f"{number:016x}" for number in range(images)])
    empty = pa.array([[]] * images, pa.list_(pa.string()))
    constant = {
        **{
            "archive": "",
            "format": "picture",
            "modality": "CT",
            "anatomy": "",
            "n_slices": 1,
            "rows": 224,
            "cols": 224,
        },
        **{"given_split": "", "repeat": 0, "spacing_slice_mm": None, "spacing_row_mm": None, "spacing_col_mm": None},
        **{"row_number": None, "mask_kind": None, "copies": None},
    }
    columns: dict[str, object] = {name: [value] * images for name, value in constant.items()}
    columns |= {"series_key": ids, "study_key": keys, "patient_key": keys, "shard": (owner % shards).astype(np.int32)}
    columns |= {"mask_ids": empty, "mask_labels": empty, "digest": ids}
    columns["file_ids"] = pa.ListArray.from_arrays(np.arange(images + 1, dtype=np.int32), ids)
    columns["remarks"] = pa.array([[]] * images, tables.INVENTORY_SCHEMA.field("remarks").type)
    _write(Path(path("inventory.index")), columns, tables.INVENTORY_SCHEMA)
    private = {"file_id": ids, "path": ids, "patient": keys, "study": keys, "series": ids, "series_key": ids}
    private |= {"patient_key": keys, "study_key": keys, "class_value": [""] * images, "segments": empty}
    fields = {field.name: private[field.name] for field in tables.FILES_SCHEMA if field.name in private}
    fields |= {field.name: pa.nulls(images, field.type) for field in tables.FILES_SCHEMA if field.name not in fields}
    segments = tables.FILES_SCHEMA.field("segments").type
    fields["segments"] = pa.array([[]] * images, segments)
    _write(Path(path("inventory.files")), fields, tables.FILES_SCHEMA)
    tables.write_rows(Path(path("inventory.rejects")), [], tables.REJECTS_SCHEMA)
    saw = {"pixels": {"by_split": {}}, "labels": {"by_split": {}}, "masks": {"by_split": {}}, "unknown": []}
    manifest = {"what": {"stage": "inventory", "outputs": {}, "saw_patients": saw}, "run": {"notes": {}}}
    Path(path("inventory.manifest")).write_text(json.dumps(manifest))


def _write(path: Path, columns: dict[str, object], schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), path)


def cohort_words(path: StudyPaths, shards: int) -> list[str]:
    """Return the command that makes the cohort."""
    settings = {
        "cohort": {"val": 0.15, "test": 0.25, "annotator": 0.0, "min_patients": 1, "min_images": 1},
        "classes": {"by": "position", "names": ["lower", "upper"]},
    }
    options = {
        **{"inventory": "inventory.index", "inventory-rejects": "inventory.rejects", "files": "inventory.files"},
        **{"inventory-manifest": "inventory.manifest", "series": "cohort.series", "rejects": "cohort.rejects"},
        **{"counts": "cohort.counts", "page": "cohort.page", "manifest": "cohort.manifest"},
    }
    words = [word for name, key in options.items() for word in (f"--{name}", path(key))]
    tables_of_shards = [path("cohort.shard", shard=f"{number:03d}") for number in range(shards)]
    program = [sys.executable, "-m", "radgen.cli", "cohort", *words, "--shards", *tables_of_shards]
    return [*program, "--settings", json.dumps(settings)]


def write_parts(folder: Path, images: int, shards: int) -> None:
    """Write the index parts that the shards of slices would have left."""
    from radgen.imageset.writers import ShardWriter

    sample = folder / "sample"
    with ShardWriter(sample, "shard-000", (1, 2, 2), with_masks=False) as writer:
        row = {
            "image_id": "0",
            "source": "real",
            "split": "train",
            "patient": "0",
            "class_name": "lower",
            "class_id": 0,
        }
        writer.append(row, np.zeros((1, 2, 2), np.uint8))
    one = pq.read_table(sample / "shard-000.index.parquet")
    each = -(-images // shards)
    for shard in range(shards):
        count = min(each, images - shard * each)
        part = pa.concat_tables([one]).take(pa.array(np.zeros(count, np.int64)))
        ids = pa.array([f"{shard:03d}-{number:013d}" for number in range(count)])
        part = part.set_column(part.schema.get_field_index("image_id"), part.schema.field("image_id"), ids)
        pq.write_table(part, folder / f"shard-{shard:03d}.index.parquet")


if __name__ == "__main__":
    main()
