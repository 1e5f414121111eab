"""A small radiogenomic study: the phantom in its TCIA tree, taken through inventory, cohort, nodules and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radgen.cohort.settings import PatientKeySettings
from radgen.imageset.core import ImageSet
from radgen.radiogenomic.patch_sets import PatchFiles
from radgen.radiogenomic.phantom.archive import CLINICAL_NAME, RNA_NAME
from radgen.radiogenomic.phantom.settings import RadiogenomicPhantomSettings
from radgen.radiogenomic.settings import ClinicalSettings, PatchSettings, RnaSettings
from radgen.stages import clinical, nodules, nodules_gather, radiogenomic_phantom, rna
from tests.cohort.layout_study import LayoutStudy

PHANTOM = RadiogenomicPhantomSettings(
    patients=16,
    without_rna=2,
    rna_alone=3,
    genes=40,
    pathway_genes=5,
    size_px=128,
    views=128,
    slices_per_patient=5,
    slice_mm=6.0,
)
PATCHES = PatchSettings(size_px=32, field_mm=56.0, slices_per_nodule=2, backgrounds_per_nodule=2, lung_share=0.7)
KEY = PatientKeySettings(public="tests")


@dataclass
class NoduleStudy(LayoutStudy):
    """The stages of genes and nodules after those of any archive."""

    @property
    def out(self) -> Path:
        """Folder of the patches."""
        return self.root / "nodules"

    def write_phantom(self, settings: RadiogenomicPhantomSettings = PHANTOM) -> None:
        """Run the stage that makes the archive."""
        manifest = self.archive / "phantom.manifest.json"
        radiogenomic_phantom.run(archive=self.archive, manifest=manifest, radiogenomic_phantom=settings)

    def cut(self, settings: PatchSettings = PATCHES) -> ImageSet:
        """Run inventory, cohort, nodules and their gathering; return the nodules."""
        self.assemble(by="position")
        files = PatchFiles(self.out, "shard-000").files
        nodules.run(
            series=self.root / "cohort" / "shard-000.parquet",
            cohort_manifest=self.root / "cohort" / "manifest.json",
            files=self.root / "private" / "files.parquet",
            archive=(str(self.archive),),
            **files,
            manifest=self.out / "shard-000.manifest.json",
            nodules=settings,
            archives={},
            work=self.root / "work",
        )
        nodules_gather.run(
            parts=(files["index"],),
            background_parts=(files["backgrounds"],),
            patches_parts=(files["patches"],),
            rejects_parts=(files["rejects"],),
            part_manifests=(self.out / "shard-000.manifest.json",),
            index=self.out / "index.parquet",
            backgrounds=self.out / "backgrounds" / "index.parquet",
            patches=self.out / "patches.parquet",
            rejects=self.out / "rejects.parquet",
            manifest=self.out / "manifest.json",
        )
        return ImageSet(self.out / "index.parquet")

    def read_clinical(self) -> None:
        """Run the clinical stage."""
        clinical.run(
            clinical_table=self.archive / CLINICAL_NAME,
            table=self.root / "clinical" / "clinical.parquet",
            manifest=self.root / "clinical" / "manifest.json",
            clinical=ClinicalSettings(),
            patient_key=KEY,
        )

    def read_rna(self, settings: RnaSettings, place: str = "rna", **inputs: Any) -> Path:
        """Run the rna stage; return its folder."""
        out = self.root / place
        rna.run(
            **({"rna_table": self.archive / RNA_NAME} | inputs),
            series=self.root / "cohort" / "series.parquet",
            files=self.root / "private" / "files.parquet",
            nodules=self.out / "index.parquet",
            nodules_manifest=self.out / "manifest.json",
            codes=out / "rna.parquet",
            transform=out / "transform.safetensors",
            joined=out / "join.parquet",
            manifest=out / "manifest.json",
            rna=settings,
            patient_key=KEY,
        )
        return out
