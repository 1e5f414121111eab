"""An archive of RadImageNet's size, simulated, through cohort, splits and the gathered index: seconds and memory.

    python bench/archive_scale.py [--images 1350000] [--patients 131872] [--shards 256] [--aside 0.1] [--folder FOLDER]

What the inventory would have found is made: a series to an image, classes by the names of folders, of which a share
is none of the study's, and all patients split. Each step runs in a process of its own. Pixels are not made; what they
would take is in docs/scale.md. A process begins with the largest memory of the one that starts it, so this one, which
reports, makes no tables itself. `--folder` keeps the tables, and the page, to be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
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
from radgen.imageset.core import gather_index, write_table
from radgen.paths import StudyPaths

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Print one line to each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_350_000)
    parser.add_argument("--patients", type=int, default=131_872)
    parser.add_argument("--shards", type=int, default=256)
    parser.add_argument("--aside", type=float, default=0.1, help="share of images in folders of no class")
    parser.add_argument("--folder", type=Path, help="where to work, kept at the end")
    parser.add_argument("--step", choices=STEPS, help="one step alone, in the folder")
    options = parser.parse_args()
    if options.step:
        STEPS[options.step](options)
        return
    print(describe())
    print(f"{options.images:,} images of {options.patients:,} patients in {options.shards} shards")
    with tempfile.TemporaryDirectory() as name:
        place = options.folder or Path(name)
        again = [sys.executable, *sys.argv, "--folder", str(place), "--step"]
        subprocess.run([*again, "inventory"], check=True)
        timed("cohort and splits", cohort_words(StudyPaths(str(place)), options.shards))
        subprocess.run([*again, "parts"], check=True)
        timed("gathered index", [*again, "gather"])


def timed(what: str, words: list[str]) -> None:
    """Run a step and print its processor time and largest resident size."""
    start = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(words, env=environment, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode:
            sys.exit(said.read())
    seconds, wall_s = used.ru_utime + used.ru_stime, time.perf_counter() - start
    print(f"{what}: {seconds:.1f} s of processor time, {wall_s:.1f} s, at most {used.ru_maxrss / 1024:,.0f} MiB")


def write_inventory(options: argparse.Namespace) -> None:
    """Write the tables that the inventory of such an archive would have left."""
    path, images, patients, shards = StudyPaths(options.folder), options.images, options.patients, options.shards
    random = np.random.default_rng(0)
    owner = np.sort(np.concatenate([np.arange(patients), random.integers(0, patients, images - patients)]))
    keys = np.array(sorted(hashlib.sha256(b"patient %d" % number).hexdigest()[:16] for number in range(patients)))[
        owner
    ]
    kinds = np.where(
        random.random(images) < options.aside, "other", np.where(random.random(images) < 0.3, "ill", "normal")
    )
    places = [f"CT/chest/{kind}/{number:016x}.png" for number, kind in enumerate(kinds)]
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
    private = {"file_id": ids, "path": places, "patient": keys, "study": keys, "series": ids, "series_key": ids}
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
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    write_table(path, pa.Table.from_arrays(arrays, schema=schema))


def cohort_words(path: StudyPaths, shards: int) -> list[str]:
    """Return the command that makes the cohort."""
    settings = {
        "cohort": {"val": 0.15, "test": 0.25, "annotator": 0.0, "min_patients": 1, "min_images": 1},
        "classes": {"by": "folder", "names": ["normal", "ill"]},
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


def write_parts(options: argparse.Namespace) -> None:
    """Write the index parts that the shards of slices would have left."""
    folder, images, shards = options.folder / "slices", options.images, options.shards
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
        count = max(0, min(each, images - shard * each))
        part = pa.concat_tables([one]).take(pa.array(np.zeros(count, np.int64)))
        ids = pa.array([f"{shard:03d}-{number:013d}" for number in range(count)], pa.string())
        part = part.set_column(part.schema.get_field_index("image_id"), part.schema.field("image_id"), ids)
        write_table(folder / f"shard-{shard:03d}.index.parquet", part)


def gather(options: argparse.Namespace) -> None:
    """Join them."""
    parts = sorted((options.folder / "slices").glob("shard-*.index.parquet"))
    gather_index(parts, options.folder / "slices" / "index.parquet")


STEPS = {"inventory": write_inventory, "parts": write_parts, "gather": gather}

if __name__ == "__main__":
    main()
