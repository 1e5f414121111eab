"""Which device and precision a training job uses, and why; CPU threads as a setting, never taken from the machine."""

from __future__ import annotations

import contextlib
import ctypes
import platform

import torch
from torch import nn

from radgen.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda")
KEPT_BYTES = 1 << 30  # in all
LARGEST_KEPT_BYTES = 1 << 25  # of one tensor; glibc takes no more
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of glibc's malloc.h


def choose_device(device: str) -> tuple[torch.device, str]:
    """Choose the device and say why.

    Parameters
    ----------
    device
        "auto" takes a CUDA device where torch sees one, else the CPU; "cpu" and "cuda" are obeyed.

    Returns
    -------
    device, reason
        The reason is a phrase for one printed line.

    Raises
    ------
    ConfigError
        The word is unknown, or "cuda" was asked for and there is none.

    Examples
    --------
    >>> choose_device("cpu")
    (device(type='cpu'), 'asked for')
    """
    if device not in DEVICES:
        msg = f"device must be one of {', '.join(DEVICES)}, not {device!r}"
        raise ConfigError(msg)
    if device == "cpu":
        return torch.device("cpu"), "asked for"
    if torch.cuda.is_available():
        reason = "asked for" if device == "cuda" else f"auto: found {torch.cuda.get_device_name()}"
        return torch.device("cuda"), reason
    if device == "cuda":
        msg = f"device is cuda, but torch {torch.__version__} sees no CUDA device here; set device: auto or cpu"
        raise ConfigError(msg)
    return torch.device("cpu"), "auto: torch sees no CUDA device"


def set_threads(threads: int) -> None:
    """Fix the number of CPU threads of torch: sums depend on it, so it is a setting and not the core count."""
    torch.set_num_threads(threads)
    _keep_freed_memory()


def use_device(device: str, *, threads: int) -> tuple[torch.device, str]:
    """Choose the device, say why, and fix the threads: what every stage does before its first tensor.

    Raises
    ------
    ConfigError
        As `choose_device`.
    """
    chosen = choose_device(device)
    set_threads(threads)
    return chosen


def _keep_freed_memory() -> None:
    """Let the C library keep memory that tensors gave back, where it is glibc.

    Each step frees some hundred megabytes and asks for them again. By default they go back to the system, which must
    map and clear every page anew: a tenth of a small network's step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)


def choose_precision(precision: str, device: torch.device) -> str:
    """Turn auto into bf16 where the device has such arithmetic, else into fp32; other words stay.

    oneDNN runs bf16 convolutions on every processor with AVX-512, but without bf16 instructions at a quarter of the
    speed of fp32; where it has none, torch takes a loop of its own, about ten times slower than fp32.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() and _has_bf16_instructions() else "fp32"


def _has_bf16_instructions() -> bool:
    """Whether an x86 processor multiplies bf16 itself; for others (Arm) oneDNN's word is taken."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Return the context in which convolutions run in bf16, or one that does nothing for fp32."""
    if choose_precision(precision, device) == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def place(network: nn.Module, device: torch.device) -> None:
    """Move a network to a device, in place, with convolution weights in the channels-last layout."""
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
