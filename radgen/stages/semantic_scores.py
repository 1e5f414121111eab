"""Score a semantic source on maps of test patients: distance, agreement with the map, variety, outline, and pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radgen.cohort.settings import ClassSettings, StructureSettings
from radgen.metrics.settings import MetricsSettings
from radgen.provenance import SawPatients, digest_file, input_digest, saw_patients_of, what_part, write_manifest
from radgen.semantic.settings import SemanticSampleSettings, SemanticSettings
from radgen.settings import as_plain

if TYPE_CHECKING:
    import torch

    from radgen.metrics.alexnet import AlexNetDistance

VERSION = 6


def run(
    *,
    weights: Path,
    semantic_manifest: Path,
    slices: Path,
    slices_manifest: Path,
    judge: Path,
    judge_manifest: Path,
    annotator: Path,
    annotator_manifest: Path,
    source: str,
    scores: Path,
    grid: Path,
    manifest: Path,
    semantic: SemanticSettings,
    semantic_sample: SemanticSampleSettings,
    metrics: MetricsSettings,
    classes: ClassSettings,
    structures: StructureSettings,
    device: str = "auto",
) -> None:
    """Write the table of final scores, columns of `radgen.metrics.semantic_scores.SCORES_SCHEMA`.

    Parameters
    ----------
    weights, semantic_manifest
        Published generator.
    slices, slices_manifest
        The study's real image set with masks.
    judge, judge_manifest
        The judge; training patients it never saw set the floor of its distance.
    annotator, annotator_manifest
        A segmenter of other patients; its Dice on real images stands beside that on generated ones.
    source
        Name of the source.
    scores
        The table.
    grid
        PNG: rows are test maps, columns the map, its image in the paired mode, and images of other noise.
    manifest
        Beside them.
    semantic, semantic_sample, metrics, classes, structures
        Settings.
    device
        auto, cpu or cuda.

    Raises
    ------
    CohortError, InputError
        No test maps or test images; all maps are background alone.
    CheckpointError
        A network is damaged or of other labels.
    """
    from radgen.features.network import load_features
    from radgen.features.rows import patients_of, pixel_digests
    from radgen.gan.grid import write_png
    from radgen.imageset.core import ImageSet, write_table
    from radgen.labels.segmenter import check_segmenter, load_segmenter
    from radgen.metrics.extractors import extra_extractors
    from radgen.metrics.semantic_scores import score_semantic
    from radgen.metrics.semantic_ticks import Exam
    from radgen.semantic.checkpoint import load_semantic
    from radgen.semantic.maps.schema import MapSchema
    from radgen.semantic.maps.surroundings import MapReader
    from radgen.semantic.rows import like_maps, of_image_modality, scored_sides, showing
    from radgen.semantic.run import sheet, spread
    from radgen.semantic.sampling import SemanticSampler
    from radgen.training.devices import choose_precision, use_device

    chosen, why = use_device(device, threads=semantic_sample.threads)
    semantic_sample = replace(semantic_sample, precision=choose_precision(semantic_sample.precision, chosen))
    images, schema = ImageSet(slices), MapSchema.of_structures(structures.names, structures.colours)
    segmenter = load_segmenter(annotator, chosen)
    check_segmenter(segmenter.shape, schema.names)
    generator, card = load_semantic(weights, chosen)
    sampler = SemanticSampler.of(generator, card.source, semantic_sample)
    sides, empty = showing(scored_sides(images, semantic), schema)
    shown = sides.image_rows
    sides = replace(sides, image_rows=like_maps(images, shown, schema))
    seen = saw_patients_of(judge_manifest).patients("pixels")
    train = of_image_modality(images, images.rows_where(split="train"), semantic)
    others = train[[patient not in seen for patient in images.column("patient")[train]]]
    unseen = like_maps(images, others, schema)
    network = load_features(judge, chosen)
    exam = Exam(
        maps=images,
        map_rows=spread(sides.map_rows, metrics.images),
        images=images,
        image_rows=spread(sides.image_rows, metrics.images),
        paired=sides.paired,
        schema=schema,
        segmenter=segmenter,
        device=chosen,
        surroundings=card.surroundings,
    )
    _say(
        f"semantic-scores {source}: {len(exam.map_rows)} test maps, {len(exam.image_rows)} images; {empty} maps and "
        f"{len(shown) - len(sides.image_rows)} images of background alone left out; {chosen} ({why})"
    )
    table = score_semantic(
        source,
        sampler,
        exam,
        network,
        spread(unseen, metrics.images),
        published=extra_extractors(replace(metrics, radiomics=False), images.image_shape, chosen),
        perceptual=_perceptual(metrics, chosen),
        samples_per_map=max(2, semantic_sample.per_map),
        body=(semantic.mask_threshold, semantic.outside_ids),
        seed=semantic_sample.seed,
    )
    write_table(scores, table)
    write_png(grid, sheet(sampler, MapReader(images, schema, card.surroundings), sides))
    for row in table.to_pylist():
        value = "none" if row["value"] is None else f"{row['value']:.4g}"
        _say(f"  {row['metric']} {row['label']} ({row['role']}): {value}")
    # Masks of real images say which are scored, and what the segmenter finds in them.
    held_out = replace(sides, looked_at=card.surroundings is not None).saw()
    held_out |= SawPatients(masks=patients_of(images, shown))
    floor = SawPatients(pixels=patients_of(images, unseen), masks=patients_of(images, others))
    write_manifest(
        manifest,
        what=what_part(
            stage="semantic_scores",
            version=VERSION,
            settings={
                "source": source,
                "semantic_sample": as_plain(semantic_sample),
                "metrics": as_plain(metrics.without_places()),
                "modalities": [semantic.mode, semantic.map_modality, semantic.image_modality],
                "body": [semantic.mask_threshold, list(semantic.outside_ids)],
                "structures": list(structures.names),
                "classes": [classes.by, *classes.names],
            },
            inputs=pixel_digests(slices, "slices")
            | {
                "weights": input_digest(weights),
                "judge": input_digest(judge),
                "annotator": input_digest(annotator),
            }
            | {f"network/{name}": digest_file(path) for name, path in (metrics.weights | metrics.pair_weights).items()},
            seed=semantic_sample.seed,
        ),
        outputs={"scores": scores, "grid": grid},
        saw_patients=saw_patients_of(semantic_manifest, judge_manifest, annotator_manifest)
        | held_out
        | floor
        | SawPatients(unknown=saw_patients_of(slices_manifest).unknown),
        device=chosen.type,
        notes={
            "device_reason": why,
            "empty_maps_left_out": empty,
            "empty_images_left_out": len(shown) - len(sides.image_rows),
        },
    )


def _perceptual(metrics: MetricsSettings, device: torch.device) -> AlexNetDistance | None:
    from radgen.metrics.alexnet import AlexNetDistance

    files = metrics.pair_weights
    return AlexNetDistance(files["alexnet"], files.get("lpips"), device) if files else None


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a stage's progress goes to its log
