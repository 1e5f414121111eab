"""Cut one shard's CT with DICOM SEG into patches of nodules, their masks, and healthy lung of the same patients."""

from __future__ import annotations

from pathlib import Path

from radgen.cohort.archives import ArchiveSettings
from radgen.errors import ConfigError
from radgen.keyed import run_keyed
from radgen.provenance import SawPatients, by_split, input_digest, saw_patients_of, what_part, write_manifest
from radgen.radiogenomic.settings import PatchSettings
from radgen.settings import as_plain

VERSION = 2
INDEX_SUFFIX = ".index.parquet"


def run(
    *,
    series: Path,
    cohort_manifest: Path,
    files: Path,
    archive: tuple[str, ...],
    images: Path,
    masks: Path,
    index: Path,
    background_images: Path,
    backgrounds: Path,
    patches: Path,
    rejects: Path,
    manifest: Path,
    nodules: PatchSettings,
    archives: dict[str, ArchiveSettings],
    work: Path,
) -> None:
    """Write one shard of both image sets; a shard whose series and settings are unchanged is only published again.

    Parameters
    ----------
    series
        cohort/shard-NNN.parquet; it may hold no series.
    cohort_manifest
        Of the cohort: what it does not know about its patients is passed on.
    files
        private/files.parquet: where each file id lies.
    archive
        Folder of the study's archive; of several, `name=folder` for each.
    images, masks, index
        Nodules: <stem>.images.arrow, <stem>.masks.arrow (cover by the nodule, 255 is whole), <stem>.index.parquet.
    background_images, backgrounds
        Healthy patches: images and index in a folder `backgrounds` beside them.
    patches
        What only patches have, a row for each image of both sets.
    rejects
        Series, nodules and healthy patches that there are not, each with a sentence.
    manifest
        Beside the images.
    nodules, archives
        Settings; a study with one nameless archive may leave out `archives`.
    work
        Work folder of the study.

    Raises
    ------
    ConfigError
        The files are not named as a shard.
    """
    import pyarrow.parquet as pq

    from radgen.cohort.archives import Roots
    from radgen.cohort.readers import file_paths
    from radgen.radiogenomic.patch_sets import PatchFiles, write_patches

    target = PatchFiles(index.parent, index.name.removesuffix(INDEX_SUFFIX))
    outputs = {"images": images, "masks": masks, "index": index, "background_images": background_images}
    outputs |= {"backgrounds": backgrounds, "patches": patches, "rejects": rejects}
    wrong = [name for name, path in target.files.items() if outputs[name] != path]
    if wrong:
        msg = f"--{wrong[0].replace('_', '-')} {outputs[wrong[0]]}: must be {target.files[wrong[0]]}"
        raise ConfigError(msg)
    settings = as_plain({"shard": target.shard, "nodules": nodules, "structures": ["nodule"]})
    what = what_part(stage="nodules", version=VERSION, settings=settings, inputs={"series": input_digest(series)})
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            rows = pq.read_table(series).to_pylist()
            wanted = {file_id for row in rows for file_id in (*row["file_ids"], *row["mask_ids"])}
            paths = file_paths(files, Roots.parse(archive, archives or ("",)), wanted)
            own = PatchFiles(job.folder, target.shard)
            counts = write_patches(own, rows, paths, nodules, _say)
            finished = job.finish(own.files, counts)
            job.publish(finished, outputs)
        else:
            finished = done
            _say(f"{target.shard}: unchanged, {finished.notes['nodule']} nodule patches published again")
        everyone = by_split(_pairs(patches, series))
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=SawPatients(pixels=everyone, masks=everyone)
            | SawPatients(unknown=saw_patients_of(cohort_manifest).unknown),
            notes=finished.notes,
            reused=done is not None,
        )


def _pairs(patches: Path, series: Path) -> list[tuple[str, str]]:
    """Return split and patient of those whose patches are stored here."""
    import pyarrow.parquet as pq

    rows = pq.read_table(series, columns=["patient_key", "split"]).to_pylist()
    shown = set(pq.read_table(patches, columns=["patient"]).column("patient").to_pylist())
    return [(row["split"], row["patient_key"]) for row in rows if row["patient_key"] in shown]


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
