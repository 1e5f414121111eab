"""A toy study of 32-pixel images with masks: a body disc with an organ in it, at places that differ; four splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from radgen.cohort.settings import ClassSettings, LowSettings, StructureSettings
from radgen.features.network import ConvEncoder, NetworkShape, save_network
from radgen.imageset.core import gather_index
from radgen.imageset.writers import ShardWriter
from radgen.labels.segmenter import Segmenter, SegmenterShape, save_segmenter
from radgen.provenance import SawPatients, what_part, write_manifest
from radgen.semantic.settings import SemanticSampleSettings, SemanticSettings
from radgen.settings import as_plain, build, is_section
from radgen.sources import SourceSettings

PX = 32
STRUCTURES = ("organ", "body")
CLASSES = ClassSettings(by="position", names=("all",))
SPLITS = {"train": 8, "val": 4, "test": 4}
SLICES = 14
SEMANTIC = {
    "images": 24,
    "batch_size": 4,
    "precision": "fp32",
    "networks": {
        "generator_channels": [8, 8, 8, 8, 8, 8],
        "modulation_channels": 8,
        "segmenter_channels": [8, 8],
        "discriminator_channels": [8, 8, 8, 8, 8],
        "image_noise": 2,
        "region_noise": 2,
        "pixel_noise": 2,
    },
    "mask": 1.0,
    "tick_images": 12,
    "evaluate_maps": 6,
    "samples_per_map": 2,
    "save_every_images": 8,
}


def semantic(**changes: Any) -> SemanticSettings:
    """Return settings of seconds."""
    return build(SemanticSettings, SEMANTIC | changes)


def picture(random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return one image [1, PX, PX] and its mask [PX, PX]."""
    y, x = np.mgrid[:PX, :PX]
    far = np.hypot(y - PX / 2, x - PX / 2)
    down, right = random.uniform(-4, 4, 2)
    mask = np.where(far < 13, 2, 0)
    mask[np.hypot(y - PX / 2 - down, x - PX / 2 - right) < 4] = 1
    image = np.choose(mask, [0, 200, 110]) + random.normal(0, 5, mask.shape)
    return image.clip(0, 255).astype(np.uint8)[None], mask.astype(np.uint8)


def write_images(
    folder: Path, *, modalities: tuple[str, ...] = ("CT",), change: Any = None, brightness: int = 0
) -> Path:
    """Write the image set and its manifest; return its index. Patients take modalities in turn.

    `change(row, mask)` may alter a mask in place before it is written; `brightness` is added to all images.
    """
    random = np.random.default_rng(0)
    with ShardWriter(folder, "shard-000", (1, PX, PX), with_masks=True) as writer:
        for split, count in SPLITS.items():
            for patient in range(count):
                for number in range(SLICES):
                    image, mask = picture(random)
                    row = {
                        "image_id": f"{split}{patient}-{number:04d}",
                        "source": "real",
                        "split": split,
                        "patient": f"{split}-patient-{patient}",
                        "series": f"{split}-series-{patient}",
                        "slice_index": number,
                        "modality": modalities[patient % len(modalities)],
                        "class_name": "all",
                        "class_id": 0,
                        "spacing_row_mm": 1.5,
                        "spacing_col_mm": 1.5,
                    }
                    if change is not None:
                        change(row, mask)
                    writer.append(row, (image.astype(int) + brightness).clip(0, 255).astype(np.uint8), mask)
    index = folder / "index.parquet"
    gather_index([folder / "shard-000.index.parquet"], index)
    _manifest(folder / "manifest.json", "slices", {"index": index})
    return index


def write_networks(folder: Path) -> None:
    """Write an untrained encoder, a judge and a segmenter, each with its manifest."""
    torch.manual_seed(0)
    for name in ("encoder", "judge"):
        save_network(ConvEncoder(NetworkShape(1, PX, PX, 4, 4, ("all",))), folder / name / f"{name}.safetensors")
        _manifest(folder / name / "manifest.json", name, {"weights": folder / name / f"{name}.safetensors"})
    weights = folder / "annotator" / "annotator.safetensors"
    save_segmenter(Segmenter(SegmenterShape(1, (4, 8), ("background", *STRUCTURES))), weights)
    _manifest(folder / "annotator" / "manifest.json", "annotator", {"weights": weights})


def _manifest(path: Path, stage: str, outputs: dict[str, Path]) -> None:
    what = what_part(stage=stage, version=1, settings={}, inputs={}, seed=0)
    write_manifest(path, what=what, outputs=outputs, saw_patients=SawPatients(), device="cpu")


def make(root: Path, **options: Any) -> Path:
    """Write the whole study; return its root."""
    write_images(root / "slices", **options)
    write_networks(root)
    return root


def train_options(root: Path, source: str = "painted", *, out: Path | None = None, **changes: Any) -> dict[str, Any]:
    """Return the options of the semantic stage on this study."""
    out = out or root / "semantic" / source
    return {
        "slices": root / "slices" / "index.parquet",
        "slices_manifest": root / "slices" / "manifest.json",
        "encoder": root / "encoder" / "encoder.safetensors",
        "encoder_manifest": root / "encoder" / "manifest.json",
        "annotator": root / "annotator" / "annotator.safetensors",
        "annotator_manifest": root / "annotator" / "manifest.json",
        "source": source,
        "weights": out / "generator.safetensors",
        "best": out / "best.safetensors",
        "last": out / "last.safetensors",
        "history": out / "history.parquet",
        "labels": out / "labels.parquet",
        "seen": out / "seen.parquet",
        "grid": out / "samples.png",
        "manifest": out / "manifest.json",
        "semantic": semantic(),
        "source_settings": SourceSettings(kind="semantic"),
        "low": LowSettings(fraction=0.5),
        "classes": CLASSES,
        "structures": StructureSettings(names=STRUCTURES, body="body"),
        "work": root / "work",
        "device": "cpu",
    } | changes


def train_command(root: Path, name: str) -> list[str]:
    """Return the words of `radgen` that run the semantic stage, writing into folders of a name."""
    options = train_options(root, out=root / name, work=root / f"work-{name}")
    sections = {name: as_plain(value) for name, value in options.items() if is_section(type(value))}
    words = ["semantic", "--settings", json.dumps(sections)]
    for name, value in options.items():
        if name not in sections:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def score_options(root: Path, out: Path, source: str = "painted", **changes: Any) -> dict[str, Any]:
    """Return the options of the scoring stage on this study; results lie in a folder."""
    options, made = train_options(root, source), root / "semantic" / source
    shared = ("slices", "slices_manifest", "annotator", "annotator_manifest", "source")
    return (
        {name: options[name] for name in (*shared, "semantic", "classes", "structures", "device")}
        | {
            "weights": made / "generator.safetensors",
            "semantic_manifest": made / "manifest.json",
            "judge": root / "judge" / "judge.safetensors",
            "judge_manifest": root / "judge" / "manifest.json",
            "scores": out / f"{source}.parquet",
            "grid": out / f"{source}.png",
            "manifest": out / f"{source}.manifest.json",
            "semantic_sample": SemanticSampleSettings(),
        }
        | changes
    )


def sample_options(root: Path, source: str = "painted", **changes: Any) -> dict[str, Any]:
    """Return the options of the sampling stage on this study."""
    made, out = root / "semantic" / source, root / "samples" / source
    return {
        "weights": made / "generator.safetensors",
        "maps": root / "slices" / "index.parquet",
        "seen": made / "seen.parquet",
        "index": out / "index.parquet",
        "grid": out / "samples.png",
        "manifest": out / "manifest.json",
        "semantic_sample": SemanticSampleSettings(most_maps=6),
        "device": "cpu",
    } | changes
