"""The choice of device, and its reason."""

from __future__ import annotations

import ctypes
import platform
from types import SimpleNamespace

import pytest
import torch

from radgen.errors import ConfigError
from radgen.training.devices import (
    KEPT_BYTES,
    LARGEST_KEPT_BYTES,
    autocast,
    choose_device,
    choose_precision,
    set_threads,
)


def test_auto_takes_what_is_there_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == (torch.device("cpu"), "auto: torch sees no CUDA device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    assert choose_device("auto") == (torch.device("cuda"), "auto: found H200")
    assert choose_device("cpu") == (torch.device("cpu"), "asked for")


def test_missing_device_and_unknown_word_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="sees no CUDA device here; set device: auto or cpu"):
        choose_device("cuda")
    with pytest.raises(ConfigError, match="must be one of auto, cpu, cuda, not 'gpu'"):
        choose_device("gpu")


def test_threads_and_precision_are_obeyed() -> None:
    before = torch.get_num_threads()
    set_threads(before + 1)
    assert torch.get_num_threads() == before + 1
    set_threads(before)
    x = torch.randn(4, 4)
    with autocast(torch.device("cpu"), "bf16"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "fp32"):
        assert (x @ x).dtype == torch.float32


@pytest.mark.parametrize(
    ("machine", "library", "avx512_bf16", "amx", "chosen"),
    [
        ("x86_64", True, True, False, "bf16"),
        ("AMD64", True, False, True, "bf16"),
        ("x86_64", True, False, False, "fp32"),  # AVX-512 alone: the library would emulate it, four times slower
        ("x86_64", False, False, False, "fp32"),
        ("aarch64", True, False, False, "bf16"),
        ("aarch64", False, False, False, "fp32"),
    ],
)
def test_auto_takes_bf16_only_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, machine: str, library: bool, avx512_bf16: bool, amx: bool, chosen: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: library)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == chosen
    assert [choose_precision(word, cpu) for word in ("bf16", "fp32")] == ["bf16", "fp32"]
    x = torch.randn(4, 4)
    with autocast(cpu, "auto"):
        assert (x @ x).dtype == (torch.bfloat16 if chosen == "bf16" else torch.float32)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_the_c_library_is_told_to_keep_memory_and_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ctypes.CDLL(None).mallopt
    taken: dict[int, tuple[int, int]] = {}

    def mallopt(parameter: int, value: int) -> int:
        taken[parameter] = value, real(parameter, value)
        return taken[parameter][1]

    monkeypatch.setattr("radgen.training.devices.ctypes.CDLL", lambda _name: SimpleNamespace(mallopt=mallopt))
    set_threads(torch.get_num_threads())
    assert taken == {-1: (KEPT_BYTES, 1), -3: (LARGEST_KEPT_BYTES, 1)}  # 1: a value glibc accepts


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radgen.training.devices.ctypes.CDLL", lambda _name: object())
    set_threads(torch.get_num_threads())
