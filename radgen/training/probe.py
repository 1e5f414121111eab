"""What a training will need, measured by a few seconds of it: parameters, operations, memory, time to the budget."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from radgen.progress import clock
from radgen.training.loop import Trainee

PROBE_SECONDS = 20.0
WARM_UP_STEPS = 2
MIB = 1024**2


def probe(
    trainee: Trainee,
    networks: Mapping[str, nn.Module],
    device: torch.device,
    budget_images: int,
    *,
    first_image: int = 0,
    seconds: float | None = None,
) -> list[str]:
    """Train for some seconds and say what the whole budget needs; the trainee is spoilt by it.

    Parameters
    ----------
    trainee
        Freshly built.
    networks
        Whose parameters are counted.
    device
        Where it runs.
    budget_images
        The whole training.
    first_image
        Where the probe begins: behind a phase at the start that is unlike the rest.
    seconds
        Length of the probe, PROBE_SECONDS if None; beyond two steps of warm-up and one that is counted.

    Returns
    -------
    list of str
        One line each for parameters, operations, memory and time.
    """
    lines = [
        f"{name}: {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, "
        f"{sum(p.numel() for p in network.parameters() if p.requires_grad) / 1e6:.2f} M of them learn"
        for name, network in networks.items()
    ]
    batch = trainee.batch_size
    seen = first_image // batch * batch
    for _ in range(WARM_UP_STEPS):
        trainee.step(seen)
        seen += batch
    with OperationCount() as counter:
        trainee.step(seen)
    gflops = counter.flops / batch / 1e9
    steps, took = _timed(trainee, seen + batch, device, PROBE_SECONDS if seconds is None else seconds)
    rate = steps * batch / took
    lines.append(f"operations: {gflops:.2f} GFLOP per image shown (convolutions and matrix products), both passes")
    lines.append(f"memory: {_peak_mib(device):,.0f} MiB at most so far on {device.type}")
    lines.append(
        f"time: {rate:.1f} images/s, {rate * gflops / 1e3:.3f} TFLOP/s; {budget_images:,} images take "
        f"{clock(budget_images / rate)} without scores ({steps} steps in {took:.1f} s)"
    )
    return lines


class OperationCount(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count floating-point operations; torch's own counter hooks modules and fails where gradients are taken apart."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


def _timed(trainee: Trainee, seen: int, device: torch.device, seconds: float) -> tuple[int, float]:
    start, steps = time.monotonic(), 0
    while steps == 0 or time.monotonic() - start < seconds:
        trainee.step(seen + steps * trainee.batch_size)
        steps += 1
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return steps, time.monotonic() - start


def _peak_mib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
