"""Settings of the radiogenomic phantom."""

from __future__ import annotations

from radgen.settings import section, setting

PATHWAYS = ("size", "density", "spiculation")
"""What each of the three pathways drives."""


@section
class RadiogenomicPhantomSettings:
    """An archive of computed chest CT with one nodule each, and of genes that three pathways and noise decide."""

    seed: int = setting(1, "Seed of every patient, gene, date, identifier and noise value")
    patients: int = setting(128, "Patients with images, each with one nodule in one CT series and its SEG")
    without_rna: int = setting(4, "How many of them have no column in the RNA table")
    rna_alone: int = setting(4, "Further patients who are in the RNA table alone")
    genes: int = setting(400, "Genes of the RNA table")
    pathway_genes: int = setting(20, "Genes that each of the three pathways drives; all others are noise")
    gene_noise: float = setting(0.7, "Deviation of a gene's own noise, log2; a pathway moves its genes by about 1")
    missing_share: float = setting(0.02, "Share of entries that are NA; they lie in a tenth of the genes")
    slices_per_patient: int = setting(9, "Axial slices of a series")
    slice_mm: float = setting(4.0, "Distance between slices and their thickness, mm")
    size_px: int = setting(256, "Rows and columns of a slice")
    views: int = setting(320, "Projection angles over 180 degrees")
    photons: float = setting(3.0e5, "Photons per detector element before the body")

    def __post_init__(self) -> None:
        """Refuse impossible values in words."""
        for name in ("patients", "pathway_genes", "slices_per_patient", "size_px", "views"):
            if getattr(self, name) < 1:
                msg = f"{name} is {getattr(self, name)}, but must be at least 1"
                raise ValueError(msg)
        if self.genes < len(PATHWAYS) * self.pathway_genes:
            msg = f"genes is {self.genes}, but {len(PATHWAYS)} pathways of {self.pathway_genes} genes need more"
            raise ValueError(msg)
        if not 0 <= self.without_rna < self.patients or self.rna_alone < 0:
            msg = (
                f"without_rna is {self.without_rna} and rna_alone {self.rna_alone}, but the first must lie below "
                f"patients ({self.patients}), and none below 0"
            )
            raise ValueError(msg)
        if not 0 <= self.missing_share <= 0.05 or self.gene_noise < 0:
            msg = (
                f"missing_share is {self.missing_share:g} and gene_noise {self.gene_noise:g}, but the first must lie "
                "between 0 and 0.05, the second not below 0"
            )
            raise ValueError(msg)
        if min(self.slice_mm, self.photons) <= 0:
            msg = f"slice_mm is {self.slice_mm:g} and photons {self.photons:g}, but both must be above 0"
            raise ValueError(msg)
