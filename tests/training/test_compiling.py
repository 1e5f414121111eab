"""Compilation is an option: where it fails, training goes on uncompiled and says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radgen.training.compiling import compile_or_fall_back


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.layer(x)


def test_a_failing_compiler_is_named_once_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    calls: list[int] = []
    network = Twice()
    x = torch.ones(2, 3)
    expected = network(x)

    def broken(*_arguments: object, **_options: object) -> object:
        calls.append(1)
        msg = "no C++ compiler\nand more"
        raise RuntimeError(msg)

    monkeypatch.setattr(Twice, "compile", lambda self: setattr(self, "_compiled_call_impl", broken))
    compile_or_fall_back(network, said.append)
    assert torch.equal(network(x), expected)
    assert torch.equal(network(x), expected)
    assert len(calls) == 1
    assert said == ["torch.compile failed (RuntimeError: no C++ compiler); going on without it"]


def test_a_compiled_network_keeps_its_names_and_values() -> None:
    network = Twice()
    names = list(network.state_dict())
    x = torch.ones(2, 3)
    expected = network(x)
    said: list[str] = []
    torch.compiler.reset()
    with torch.compiler.set_stance("force_eager"):  # the compiler itself takes half a minute and is torch's to test
        compile_or_fall_back(network, said.append)
        assert torch.allclose(network(x), expected)
    assert list(network.state_dict()) == names
    assert not said
