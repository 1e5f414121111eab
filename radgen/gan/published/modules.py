"""The module tree of a published network, as records."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from radgen.errors import CheckpointError
from radgen.gan.published.inert import PERSISTENT, Record
from radgen.gan.published.tensors import tensor_of

STRUCT_CODES = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "b1": "<?"}


@dataclass(frozen=True)
class Module:
    """One module: its place in the file, and the attributes it would have had.

    Attributes
    ----------
    where
        File and dotted path, for messages.
    state
        Attributes by name, parameters, buffers and inner modules under PyTorch's own names among them.
    """

    where: str
    state: Mapping[str, Any]

    @classmethod
    def of(cls, value: Any, where: str) -> Module:  # noqa: ANN401 - whatever stands in a file
        """Read a record as a module.

        Raises
        ------
        CheckpointError
            It is none.
        """
        state = value.state if isinstance(value, Record) else None
        if isinstance(value, Record) and value.name == PERSISTENT and len(value.arguments) == 1:
            meta = value.arguments[0]
            state = meta.get("state") if isinstance(meta, Mapping) else None
        if not isinstance(state, Mapping):
            msg = f"{where}: a network is expected, and there is none; give a StyleGAN-XL or StyleGAN3 checkpoint"
            raise CheckpointError(msg)
        return cls(where, state)

    def inner(self, name: str) -> Module:
        """Return an inner module."""
        return Module.of(self._group("_modules").get(name), f"{self.where}.{name}")

    def has(self, name: str) -> bool:
        """Tell whether there is an inner module of that name."""
        return isinstance(self._group("_modules").get(name), Record)

    def tensor(self, name: str) -> Tensor:
        """Return a parameter or buffer, float32."""
        value = self._group("_parameters").get(name)
        return tensor_of(self._group("_buffers").get(name) if value is None else value, f"{self.where}.{name}")

    def has_tensor(self, name: str) -> bool:
        """Tell whether there is a parameter or buffer of that name."""
        return any(isinstance(self._group(group).get(name), Record) for group in ("_parameters", "_buffers"))

    def number(self, name: str, default: float | None = None) -> float:
        """Return an attribute that is a number.

        Raises
        ------
        CheckpointError
            It is missing without default, or something else.
        """
        value = _scalar(self.state.get(name, default))
        if not isinstance(value, int | float):
            msg = f"{self.where}: {name} is {value!r}, a number is expected; this is no checkpoint of such a generator"
            raise CheckpointError(msg)
        return value

    def whole(self, name: str) -> int:
        """Return an attribute that is a whole number of 0 to a million."""
        value = self.number(name)
        if value != int(value) or not 0 <= value <= 1_000_000:
            msg = f"{self.where}: {name} is {value}, a whole number is expected"
            raise CheckpointError(msg)
        return int(value)

    def _group(self, name: str) -> Mapping[str, Any]:
        group = self.state.get(name)
        return group if isinstance(group, Mapping) else {}


def _scalar(value: Any) -> Any:  # noqa: ANN401 - whatever stands in a file
    """Return the number that a record of a NumPy scalar describes; other values as they are."""
    if isinstance(value, Record) and value.name.endswith(".multiarray.scalar") and len(value.arguments) == 2:
        kind, data = value.arguments
        code = kind.arguments[0] if isinstance(kind, Record) and kind.name == "numpy.dtype" and kind.arguments else ""
        form = STRUCT_CODES.get(code) if isinstance(code, str) else None
        if form is not None and isinstance(data, bytes) and len(data) == struct.calcsize(form):
            return struct.unpack(form, data)[0]
    return value
