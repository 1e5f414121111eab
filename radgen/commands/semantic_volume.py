"""Paint all slices of one case's label map, with noise that hangs together, as NIfTI on the source's own grid."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from radgen.config import read_config
from radgen.errors import ConfigError, InputError
from radgen.semantic.settings import at_source
from radgen.study import Study
from radgen.workflow import Plan

if TYPE_CHECKING:
    from radgen.imaging.reassemble import SourceGrid
    from radgen.imaging.volume import Volume
    from radgen.semantic.checkpoint import SemanticCard
    from radgen.semantic.maps.surroundings import MapReader
    from radgen.semantic.sampling import SemanticSampler

VERSION = 2


def main(words: list[str]) -> int:
    """Write SERIES_labels.nii.gz, SERIES_000.nii.gz and further images of other noise, and a manifest."""
    parser = argparse.ArgumentParser("radgen semantic-volume", description=__doc__)
    parser.add_argument("config", type=Path, help="the study's YAML file; its source must be trained")
    parser.add_argument("--archive", help="another place of the archive")
    parser.add_argument("--source", required=True, help="name of the source of kind semantic")
    parser.add_argument("--series", required=True, help="the case: a series key of the maps' index.parquet")
    parser.add_argument("--maps", type=Path, help="folder of maps that import-maps wrote; the study's own by default")
    parser.add_argument("--images", type=int, default=1, help="images of the case, each of other noise (1)")
    parser.add_argument("--seed", type=int, help="of the noise (semantic_sample.seed)")
    parser.add_argument(
        "--noise-slices", type=float, default=float("inf"), help="slices over which noise stays alike; 0: none (inf)"
    )
    parser.add_argument("--channel", type=int, default=0, help="which channel, counted from 0")
    parser.add_argument("--out", type=Path, required=True, help="folder; the labels are a patient's, so keep it safe")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options = parser.parse_args(words)
    if options.images < 1:
        msg = f"--images {options.images}: give at least 1"
        raise InputError(msg)
    study = Study.of(read_config(options.config, {"archive": options.archive} if options.archive else None))
    if options.source not in study.sources_of("semantic"):
        msg = f"--source {options.source}: semantic sources of this study are {study.sources_of('semantic') or 'none'}"
        raise ConfigError(msg)
    _write(Plan(study), options)
    return 0


@dataclass(frozen=True, eq=False)
class _Case:
    """The label maps of one case: a set, positions int64 in it, and the grid they were cut from."""

    reader: MapReader
    rows: NDArray[np.int64]
    grid: SourceGrid

    @classmethod
    def of(cls, plan: Plan, index: Path, series: str, card: SemanticCard) -> _Case:
        """Find a case and its grid: of the import beside the maps, or of the study's archive."""
        from radgen.imageset.core import ImageSet
        from radgen.imaging.reassemble import cohort_grids, read_grids
        from radgen.semantic.maps.surroundings import MapReader
        from radgen.semantic.samples import schema_of_maps

        maps = ImageSet(index)
        rows = maps.rows_where(series=series)
        if not len(rows):
            known = sorted({str(name) for name in maps.column("series") if name is not None})
            msg = f"{index}: no slice of series {series} among those of {len(known)}, such as {', '.join(known[:3])}"
            raise InputError(msg)
        beside = index.parent / "grids.parquet"
        if beside.is_file():
            grids = read_grids(beside)
        else:
            files = Path(plan.path("inventory.files"))
            grids = cohort_grids(Path(plan.path("cohort.series")), files, plan.roots, [series])
        if series not in grids:
            msg = f"{beside}: no grid of series {series}: its map was pictures, which have no place in space"
            raise InputError(msg)
        return cls(MapReader(maps, schema_of_maps(index, card), card.surroundings), rows, grids[series])

    def labels(self) -> Volume:
        """Return the stored ids, uint8; 0 where no slice was stored."""
        from radgen.imaging.reassemble import reassemble

        return reassemble(self.reader.maps, self.rows.tolist(), self.grid, kind="masks")

    def painted(self, sampler: SemanticSampler, number: int, options: argparse.Namespace, modality: str) -> Volume:
        """Return an image, float32: in units of the maps' window where it is of their modality, else grey levels."""
        from radgen.imaging.reassemble import in_units
        from radgen.imaging.restore import restore

        places: list[dict[str, Any]] = self.reader.maps.table.take(self.rows).to_pylist()
        made = sampler.case(
            self.reader.classes(self.rows),
            options.series,
            [place["slice_index"] for place in places],
            number,
            length_slices=options.noise_slices,
        )
        if not 0 <= options.channel < made.shape[1]:
            msg = f"--channel {options.channel}: images have {made.shape[1]} channel(s), counted from 0"
            raise InputError(msg)
        other = {"window_low": None, "window_high": None}
        shown = [place if place["modality"] == modality else place | other for place in places]
        planes = [in_units(place, image, options.channel) for place, image in zip(shown, made, strict=True)]
        return restore(self.grid.volume(), places, planes, np.nan)


def _write(plan: Plan, options: argparse.Namespace) -> None:
    from radgen.imaging.reassemble import write_volume
    from radgen.provenance import input_digest, what_part, write_manifest
    from radgen.semantic.checkpoint import load_semantic
    from radgen.semantic.sampling import SemanticSampler
    from radgen.semantic.seen import behind, behind_maps
    from radgen.training.devices import choose_precision, use_device

    settings = at_source(plan.study.config.semantic_sample, options.source)
    device, why = use_device(options.device, threads=settings.threads)
    settings = replace(
        settings,
        seed=settings.seed if options.seed is None else options.seed,
        precision=choose_precision(settings.precision, device),
    )
    weights = Path(plan.path("semantic.weights", source=options.source))
    generator, card = load_semantic(weights, device)
    index = options.maps / "index.parquet" if options.maps else Path(plan.path("slices.index"))
    case = _Case.of(plan, index, options.series, card)
    sampler = SemanticSampler.of(generator, card.source, settings)
    modality = card.settings.get("image_modality") or case.reader.maps.column("modality")[case.rows[0]]
    labels = case.labels()
    files = {f"{options.series}_labels.nii.gz": labels}
    for number in range(options.images):
        files[f"{options.series}_{number:03d}.nii.gz"] = case.painted(sampler, number, options, modality)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, volume in files.items():
        write_volume(options.out / name, volume)
    write_manifest(
        options.out / "manifest.json",
        what=what_part(
            stage="semantic_volume",
            version=VERSION,
            settings={
                "source": card.source,
                "series": options.series,
                "images": options.images,
                "noise_slices": str(options.noise_slices),
                "region_spread": settings.region_spread,
                "precision": settings.precision,
                "channel": options.channel,
                "modality": modality,
                "labels": list(case.reader.schema.names),
            },
            inputs={"weights": input_digest(weights), "maps": input_digest(index)},
            seed=settings.seed,
        ),
        outputs={name: options.out / name for name in files},
        saw_patients=behind(weights) | behind_maps(case.reader, case.rows, index),
        device=device.type,
        notes={"device_reason": why, "slices": len(case.rows)},
    )
    size = " x ".join(map(str, labels.array.shape))
    sys.stdout.write(f"{options.series}: {len(case.rows)} slices painted {options.images} time(s), {size} voxels\n")
