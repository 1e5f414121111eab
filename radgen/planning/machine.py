"""From work to hours and days on a named machine: processors, GPUs, and which stages wait for which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from radgen.errors import ConfigError
from radgen.planning.amounts import Amount
from radgen.planning.rates import Rates

# Largest dense rate in 16-bit arithmetic, in TFLOP/s, as the vendor states it.
PEAK_TFLOPS: Mapping[str, float] = {"V100": 125.0, "A100": 312.0, "H100": 989.0, "H200": 989.0}
# Share of it that training small images reaches: an assumption, no GPU has been measured.
GPU_SHARE = 0.1
# Where images of a source come from.
IMAGES = ("sample", "semantic-sample", "radiogenomic-sample", "images")
# Which stages a stage waits for; those that are named first in `JOBS` come first.
AFTER: Mapping[str, tuple[str, ...]] = {
    "ingest": ("phantom", "radiogenomic-phantom"),
    "slices": ("ingest",),
    "nodules": ("ingest",),
    "genes": ("ingest",),
    "judge": ("slices", "nodules"),
    "annotator": ("slices",),
    "encoder": ("slices",),
    "gan": ("encoder",),
    "semantic": ("encoder", "annotator"),
    "radiogenomic": ("nodules", "genes"),
    "sample": ("gan",),
    "semantic-sample": ("semantic",),
    "radiogenomic-sample": ("radiogenomic",),
    "annotate": ("gan", "annotator"),
    "labels": ("annotate",),
    "pairs": ("labels",),
    "metrics": (*IMAGES, "judge"),
    "semantic-scores": ("semantic", "judge"),
    "radiogenomic-scores": ("radiogenomic-sample", "judge"),
    "survival": ("radiogenomic",),
    "benchmark": (*IMAGES, "pairs"),
    "audit": (*IMAGES, "pairs", "judge"),
    "report": ("benchmark", "metrics", "semantic-scores", "radiogenomic-scores", "survival", "audit"),
}
HOUR = 3600.0


@dataclass(frozen=True)
class Machine:
    """Where a study is to run.

    Attributes
    ----------
    cpus, gpus
        How many jobs of one thread, and of one GPU, run at a time.
    gpu_model
        One of `PEAK_TFLOPS`.
    gpu_share
        Share of its peak that training reaches.
    """

    cpus: int
    gpus: int = 0
    gpu_model: str = "A100"
    gpu_share: float = GPU_SHARE

    def __post_init__(self) -> None:
        """Refuse an unknown GPU and numbers that are none.

        Raises
        ------
        ConfigError
            With the value.
        """
        if self.gpu_model not in PEAK_TFLOPS:
            msg = f"GPU {self.gpu_model!r} is unknown; known are {', '.join(PEAK_TFLOPS)}"
            raise ConfigError(msg)
        if self.cpus < 1 or self.gpus < 0 or not 0 < self.gpu_share <= 1:
            msg = f"{self.cpus} processors, {self.gpus} GPUs at {self.gpu_share} of their peak: not a machine"
            raise ConfigError(msg)

    @property
    def gflop_per_second(self) -> float:
        """What one GPU does in training."""
        return 1e3 * PEAK_TFLOPS[self.gpu_model] * self.gpu_share


@dataclass(frozen=True)
class Cost:
    """What one stage needs: hours of one processor, hours of one GPU, and hours by the clock once it may start."""

    amount: Amount
    cpu_hours: float
    gpu_hours: float
    clock_hours: float


def costs(found: list[Amount], rates: Rates, machine: Machine) -> list[Cost]:
    """Return the cost of each stage on a machine.

    A GPU is taken to be faster than one thread by the ratio of what both do in generator training, in every stage
    that can use one; the processor beside it is busy as long as the GPU.
    """
    one_thread = 1 / rates.seconds["gan"] if "gan" in rates.seconds else None
    rows = []
    for amount in found:
        cpu_hours, gpu_hours = rates.cpu_seconds(amount) / HOUR, 0.0
        if amount.on_gpu and machine.gpus:
            if one_thread is None:
                msg = f"rates of {rates.source}: generator training was not measured; no GPU compares with it"
                raise ConfigError(msg)
            gpu_hours = cpu_hours = cpu_hours * one_thread / machine.gflop_per_second
        slots = machine.gpus if gpu_hours else machine.cpus
        waves = -(-amount.jobs // min(slots, amount.jobs))
        rows.append(Cost(amount, cpu_hours, gpu_hours, cpu_hours / amount.jobs * waves))
    return rows


def calendar_hours(rows: list[Cost], machine: Machine) -> float:
    """Return the hours from start to report: the longest chain of stages, or all work over all slots if more."""
    ends: dict[str, float] = {}
    for cost in rows:
        before = [ends.get(name, 0.0) for name in _waits_for(cost.amount.stage, ends)]
        ends[cost.amount.stage] = max(before, default=0.0) + cost.clock_hours
    on_cpu = sum(cost.cpu_hours for cost in rows if not cost.gpu_hours)
    on_gpu = sum(cost.gpu_hours for cost in rows)
    return max(max(ends.values(), default=0.0), on_cpu / machine.cpus, on_gpu / machine.gpus if machine.gpus else 0.0)


def _waits_for(stage: str, ends: Mapping[str, float]) -> set[str]:
    """Return the stages before, those that are absent replaced by what they wait for."""
    found: set[str] = set()
    for name in AFTER.get(stage, ()):
        found |= {name} if name in ends else _waits_for(name, ends)
    return found
