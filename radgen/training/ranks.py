"""The processes that train one network together: who they are, and the few things they say to each other.

`torchrun --nproc-per-node 2 -m radgen.cli gan ...` starts several; without it there is one, and nothing is said.
Every process keeps a full copy of the networks and works on its own parts of each batch; gradients are summed by hand,
because the wrapper of `torch.nn.parallel` counts one backward pass per step, and adversarial losses need several, some
of them twice differentiable (docs/adr/0007-gradients-are-summed.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

# The first process scores samples and writes states while the others wait for it.
PATIENCE = timedelta(hours=4)


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those of a job.

    Attributes
    ----------
    rank, count
        0 <= rank < count.
    device
        Where messages lie.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes states, scores and results."""
        return self.rank == 0

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over the processes; one message for all of them."""
        if self.count == 1:
            return
        parameters = list(parameters)
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        parts = flat.split_with_sizes([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.reshape(gradient.shape))

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Tell whether the flag is raised in any process, so that all of them stop at one step."""
        if self.count == 1:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)


def join(device: torch.device) -> Ranks:
    """Join the processes that torchrun started, if it did; return this one's place.

    Parameters
    ----------
    device
        The chosen kind: of several GPUs each process takes the one of its local rank, named in `Ranks.device`.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Ranks(device=device)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    return Ranks(dist.get_rank(), count, device)


def leave() -> None:
    """End the talk between processes, if there was any."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
