"""Audit a synthetic set for copies of patients, and say whether the release policy lets it leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from radgen.metrics.settings import MetricsSettings
from radgen.provenance import (
    SawPatients,
    input_digest,
    read_manifest,
    saw_patients_of,
    what_part,
    write_json,
    write_manifest,
)
from radgen.safety.settings import ReleaseSettings
from radgen.settings import as_plain

VERSION = 2


def run(
    *,
    slices: Path,
    slices_manifest: Path,
    judge_weights: Path,
    judge_manifest: Path,
    image_set: Path,
    images: Path,
    measures: Path,
    verdict: Path,
    closest: Path,
    manifest: Path,
    release: ReleaseSettings,
    metrics: MetricsSettings,
    device: str = "auto",
) -> None:
    """Look every image up among the patients it rests on, with held-out patients as control, and judge the set.

    Parameters
    ----------
    slices, slices_manifest
        The study's real image set.
    judge_weights, judge_manifest
        The judge: one of the ways in which images are compared.
    image_set
        index.parquet of a synthetic set, its manifests beside it: samples, pairs, or images of another tool.
    images
        Each image kept, or dropped and why; columns in `radgen.safety.tables`.
    measures
        Tidy measures, columns in `radgen.safety.tables`.
    verdict
        JSON: whether the set may leave, in one sentence and by check.
    closest
        Picture of the closest pairs; it shows real patients.
    manifest
        <name>.manifest.json beside them.
    release
        The policy.
    metrics
        Names published networks by which images are compared too.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError
        No training or no held-out images.
    CheckpointError
        The judge's file is not one.
    """
    import numpy as np

    from radgen.features.network import load_features
    from radgen.features.rows import patients_of, pixel_digests
    from radgen.imageset.core import ImageSet, write_table
    from radgen.metrics.extractors import extra_extractors
    from radgen.safety.audit import Auditor
    from radgen.safety.closest import write_closest
    from radgen.safety.networks import Network
    from radgen.safety.policy import judge, patients_behind
    from radgen.safety.sides import manifests_of, sides_of
    from radgen.safety.tables import measures_table
    from radgen.training.devices import use_device

    chosen, why = use_device(device, threads=release.threads)
    _say(f"audit: device {chosen} ({why}), {release.threads} thread(s)")
    real, synthetic = ImageSet(slices), ImageSet(image_set)
    beside = manifests_of(image_set)
    sides = sides_of(real, [read_manifest(path) for path in beside])
    network = load_features(judge_weights, chosen)
    networks = [Network("judge", network.features, saw_patients_of(judge_manifest).patients("pixels"))]
    published = extra_extractors(replace(metrics, radiomics=False), real.image_shape, chosen)
    networks += [Network(extractor.name, extractor.features) for extractor in published]
    audit = Auditor(synthetic, real, sides, networks, release).run()
    found = judge(
        audit.measures, audit.images, patients_behind(real, sides.training, synthetic), sides.unknown, release
    )
    write_table(images, audit.images)
    write_table(measures, measures_table(audit.measures))
    write_json(verdict, found.to_json())
    write_closest(closest, audit.images, synthetic, real)
    for check in found.checks:
        _say(f"{'holds' if check.passed else 'BROKEN'}: {check.words}")
    _say(found.sentence)
    inputs = pixel_digests(slices, "slices") | pixel_digests(image_set, "images")
    inputs |= {"judge": input_digest(judge_weights)}
    inputs |= {f"network/{extractor.name}": extractor.digest for extractor in published}
    read = patients_of(real, np.union1d(sides.training, sides.control))
    write_manifest(
        manifest,
        what=what_part(
            stage="audit", version=VERSION, settings={"release": as_plain(release)}, inputs=inputs, seed=release.seed
        ),
        outputs={"images": images, "measures": measures, "verdict": verdict, "closest": closest},
        saw_patients=saw_patients_of(judge_manifest, *beside)
        | SawPatients(pixels=read, unknown=saw_patients_of(slices_manifest).unknown),
        device=chosen.type,
    )


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
