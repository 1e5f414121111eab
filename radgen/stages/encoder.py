"""Train the encoder of one source: the domain network that may guide, embed and select, and never scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from radgen.cohort.settings import ClassSettings, LowSettings
from radgen.features.settings import EncoderSettings
from radgen.keyed import run_keyed
from radgen.provenance import SawPatients, saw_patients_of, what_part, write_manifest
from radgen.settings import as_plain
from radgen.sources import SourceSettings

if TYPE_CHECKING:
    from radgen.features.train import Lesson
    from radgen.keyed import KeyedJob

VERSION = 1


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    source: str,
    weights: Path,
    history: Path,
    manifest: Path,
    encoder: EncoderSettings,
    source_settings: SourceSettings,
    low: LowSettings,
    classes: ClassSettings,
    work: Path,
    device: str = "auto",
) -> None:
    """Train a small feature network on what its source may see; class labels only where the setting allows them.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set.
    source
        Name of the source this encoder serves.
    weights
        The network, as safetensors.
    history
        Loss on the way, accuracy on training and validation images at the end.
    manifest
        Beside them. Its ancestry is that of the weights: validation images are reported on and choose nothing.
    encoder, source_settings, low, classes
        Settings.
    work
        The study's work folder.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError, TrainingError, LeaseError
        No image to learn from, a loss that is not finite, another live writer.
    """
    from radgen.features.rows import ancestry, pixel_digests, source_rows
    from radgen.features.train import Lesson, choose_objective
    from radgen.imageset.core import ImageSet

    images = ImageSet(slices)
    rows = source_rows(images, source_settings, low, classes)
    objective, reason = choose_objective(encoder.objective, rows, images, classes)
    few = source_settings.train_on == "low" or rows.few_labels
    settings = {
        "source": source,
        "encoder": as_plain(encoder),
        "train_on": source_settings.train_on,
        "few_labels": rows.few_labels,
        "low": as_plain(low) if few else None,  # the other sources do not depend on it
        "classes": [classes.by, *classes.names],
    }
    inputs = pixel_digests(slices, "slices")
    what = what_part(stage="encoder", version=VERSION, settings=settings, inputs=inputs, seed=encoder.seed)
    outputs = {"weights": weights, "history": history}
    _say(f"encoder {source}: {objective} ({reason}), {len(rows.pixels)} images, {len(rows.labelled)} class labels")
    with run_keyed(work, what, outputs) as (job, done):
        if done is None:
            files, used = _train(job, Lesson(images, rows, classes, objective), encoder, device)
            counts = {"images": len(rows.pixels), "labels": len(rows.labelled)}
            notes = {"objective": objective, "reason": reason, "device": used} | counts
            job.publish(job.finish(files, notes), outputs)
        else:
            notes = dict(done.notes)
            _say(f"encoder {source}: unchanged, published again")
        write_manifest(
            manifest,
            what=what,
            outputs=outputs,
            saw_patients=ancestry(images, rows, classes)
            | SawPatients(unknown=saw_patients_of(slices_manifest).unknown),
            device=str(notes["device"]),
            notes=notes,
            reused=done is not None,
        )


def _train(job: KeyedJob, lesson: Lesson, encoder: EncoderSettings, device: str) -> tuple[dict[str, Path], str]:
    """Return the files written and the device that was used."""
    from radgen.features.network import save_network
    from radgen.features.train import history_table, train_network
    from radgen.imageset.core import write_table
    from radgen.training.devices import use_device

    chosen, why = use_device(device, threads=encoder.threads)
    _say(f"device {chosen} ({why}), {encoder.threads} thread(s)")
    network, rows = train_network(lesson, encoder, chosen, _say)
    files: dict[str, Any] = {"weights": job.path("encoder.safetensors"), "history": job.path("history.parquet")}
    save_network(network, files["weights"])
    write_table(files["history"], history_table(rows))
    return files, chosen.type


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
