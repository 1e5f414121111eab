"""Settings of the radiogenomic generator, under the names that Xu et al. (2019) gave theirs."""

from __future__ import annotations

from radgen.settings import above_zero, one_of, section, setting

PRECISIONS = ("auto", "bf16", "fp32")
BACKGROUNDS = ("shared", "own")
SIZES_PX = (32, 64, 128, 256)


@section
class RadiogenomicSettings:
    """How a generator learns to draw nodules from genes, noise and a healthy background."""

    device: str = setting(
        "cuda:0", "Which GPU is meant where the study's device is, or finds, a GPU; without one the CPU is used."
    )
    ep: int = setting(500, "Budget: epochs, in each of which every training patch is shown once.")
    bs: int = setting(16, "Patches per step.")
    seed: int = setting(12345, "Of weights, order, pairs and noise.")
    save_interval: int = setting(50, "Epochs between saved states, grids and progress lines.")
    g_lr: float = setting(1e-4, "Adam's rate of the encoder and the generator.")
    d_lr: float = setting(1e-4, "Adam's rate of the discriminator.")
    g_n_feat: int = setting(32, "Channels of the generator at full size; each halving doubles them, up to 16 times.")
    d_n_feat: int = setting(64, "Channels of the discriminator at half size; each halving doubles them, up to 8 times.")
    embed_dim: int = setting(128, "Length of the code that the encoder makes of a gene profile.")
    g_ls: int = setting(10, "Length of the noise vector.")
    code_kernel: int = setting(8, "Rows and columns of the smallest maps, and of the kernels that judge them.")
    c_i: float = setting(8.0, "Weight of the verdict on the image.")
    c_is: float = setting(1.0, "Weight of the verdict on the image and its mask.")
    c_isc: float = setting(10.0, "Weight of the verdict on image, mask and code: the matching loss.")
    c_bg: float = setting(100.0, "Weight of the difference to the background, away from the nodule.")
    workers: int = setting(4, "Batches held ready for a GPU; on a CPU none are.")
    cr: float = setting(1.0, "Share of the patches kept in memory; the others are read from the disk each time.")
    hidden: int = setting(512, "Channels between genes and code.")
    ema: float = setting(0.999, "Share of the weights' running average that a step keeps.")
    erode_px: int = setting(
        5, "Side of the square by which the region outside the nodule is eroded before it must equal the background."
    )
    turn: bool = setting(True, "Show patches in their eight turns and mirror images, so that few patients show more.")
    gene_start: float = setting(
        1.0,
        "Scale of the encoder's first weights at the start. With hundreds of genes 0.1 leaves to learning which "
        "of them count, where at 1 chance has joined them all.",
    )
    gene_dropout: float = setting(
        0.0, "Share of the genes that training hides from the encoder at random, so that it rests on many."
    )
    part_size: int | None = setting(None, "Patches worked on at once, a divisor of bs; null for whole batches.")
    precision: str = setting("auto", "Arithmetic of convolutions: bf16 | fp32 | auto (bf16 where there is such).")
    threads: int = setting(1, "CPU threads; another number gives slightly different weights.")

    def __post_init__(self) -> None:
        """Refuse values with which no training is possible."""
        one_of("precision", self.precision, PRECISIONS)
        positive = (
            *("ep", "bs", "save_interval", "g_lr", "d_lr", "g_n_feat", "d_n_feat", "embed_dim", "g_ls", "hidden"),
            *("erode_px", "threads", "gene_start"),
        )
        above_zero(**{name: getattr(self, name) for name in positive})
        for name in ("c_i", "c_is", "c_isc", "c_bg", "workers"):
            if getattr(self, name) < 0:
                msg = f"{name} must be 0 or more, not {getattr(self, name)}"
                raise ValueError(msg)
        for name in ("cr", "ema", "gene_dropout"):
            if not 0 <= getattr(self, name) <= 1 or (name != "cr" and getattr(self, name) == 1):
                msg = f"{name} must lie from 0 to {'1' if name == 'cr' else 'below 1'}, not {getattr(self, name)}"
                raise ValueError(msg)
        if self.code_kernel not in (4, 8, 16) or self.erode_px % 2 == 0:
            msg = f"code_kernel must be 4, 8 or 16 and erode_px odd, not {self.code_kernel} and {self.erode_px}"
            raise ValueError(msg)
        if self.part_size is not None and (self.part_size < 1 or self.bs % self.part_size):
            msg = f"part_size must divide bs {self.bs}, but it is {self.part_size}"
            raise ValueError(msg)


@section
class RadiogenomicSampleSettings:
    """Which nodules are drawn from whose genes."""

    splits: tuple[str, ...] = setting(("train", "val", "test"), "Splits whose patients' genes are used.")
    patients: tuple[str, ...] = setting((), "Patient keys, if not all of the splits.")
    per_patient: int = setting(8, "Images of each profile, each of its own noise and background.")
    backgrounds: str = setting(
        "shared",
        "shared (image k of everybody has the same background, a training patient's, so that genes alone differ) or "
        "own (the patient's, where there is one).",
    )
    seed: int = setting(1, "Of the noise and of the choice of backgrounds.")
    rows_per_shard: int = setting(1_024, "Images per shard.")
    threads: int = setting(1, "CPU threads; another number may change the lowest bits.")

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        above_zero(per_patient=self.per_patient, rows_per_shard=self.rows_per_shard, threads=self.threads)
        one_of("backgrounds", self.backgrounds, BACKGROUNDS)
        if not self.splits and not self.patients:
            msg = "splits and patients are both empty; name whose genes are to be used"
            raise ValueError(msg)
