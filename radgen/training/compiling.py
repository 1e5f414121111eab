"""torch.compile as an option that falls back: a network runs uncompiled where its compilation fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn


def compile_or_fall_back(network: nn.Module, say: Callable[[str], None]) -> None:
    """Compile a network's forward pass in place, at its first call; names of its tensors stay.

    Parameters
    ----------
    network
        Called as a module; methods that are called by name stay as they are.
    say
        Called with one sentence if compilation fails; the network then runs as written.
    """
    network.compile()
    compiled: Callable[..., Any] = network._compiled_call_impl  # type: ignore[assignment]

    def call(*arguments: object, **options: object) -> Any:  # noqa: ANN401 - whatever the network returns
        try:
            return compiled(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - the compiler's errors are of many kinds, and none is the network's
            network._compiled_call_impl = None
            reason = next(iter(str(error).splitlines()), "no reason given")
            say(f"torch.compile failed ({type(error).__name__}: {reason}); going on without it")
            return network(*arguments, **options)

    network._compiled_call_impl = call
