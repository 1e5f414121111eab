"""Tensors out of inert records, every declared size checked against the bytes that are there."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from radgen.errors import CheckpointError
from radgen.gan.published.inert import LOAD_BYTES, Record, read_sequence

MAGIC = 0x1950A86A20F9469CFC6C  # first number of PyTorch's format before 1.6, in which storages are pickled
FORMAT_VERSION = 1001
PICKLES_BEFORE_DATA = 5  # magic, version, system, storage, keys
COUNT_BYTES = 8
REBUILD_TENSOR = frozenset({"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"})
REBUILD_PARAMETER = "torch._utils._rebuild_parameter"
DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
}


def tensor_of(value: Any, where: str) -> Tensor:  # noqa: ANN401 - whatever stands in a file
    """Return the tensor, float32 and contiguous, that a record describes.

    Parameters
    ----------
    value
        A record of a tensor or parameter.
    where
        File and tensor, for messages.

    Raises
    ------
    CheckpointError
        It is no tensor of floating numbers, or its size does not fit its bytes.
    """
    if isinstance(value, Record) and value.name == REBUILD_PARAMETER and value.arguments:
        value = value.arguments[0]
    if not isinstance(value, Record) or value.name not in REBUILD_TENSOR or len(value.arguments) < 4:
        msg = f"{where}: a tensor is expected, not {_words(value)}; this is no checkpoint of a generator"
        raise CheckpointError(msg)
    storage, offset, size, stride = value.arguments[:4]
    numbers = _storage(storage, where)
    are_tuples = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)
    lengths = (offset, *size, *stride) if are_tuples else (-1,)
    if not all(type(length) is int and length >= 0 for length in lengths):
        msg = f"{where}: a tensor of size {size}, strides {stride} and offset {offset}; fetch the file again"
        raise CheckpointError(msg)
    count = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    # No number may serve twice: a view of stride 0 would claim more memory than the file has.
    if count == 0 or count > len(numbers) or last >= len(numbers):
        msg = f"{where}: a tensor of size {size} out of {len(numbers)} stored numbers; fetch the file again"
        raise CheckpointError(msg)
    return numbers.as_strided(size, stride, offset).float().contiguous()


def _storage(record: object, where: str) -> Tensor:
    """Return a storage's numbers, flat; layout of the bytes as `torch.save` wrote it before version 1.6."""
    if not isinstance(record, Record) or record.name != LOAD_BYTES or not _is_bytes(record.arguments):
        msg = f"{where}: a storage of numbers is expected, not {_words(record)}; this is no checkpoint of a generator"
        raise CheckpointError(msg)
    (magic, version, system, named, _), data = read_sequence(record.arguments[0], PICKLES_BEFORE_DATA, where)
    if (magic, version) != (MAGIC, FORMAT_VERSION) or not isinstance(system, dict) or not system.get("little_endian"):
        msg = f"{where}: numbers in format {version} of an unknown writer; PyTorch's, little-endian, is read"
        raise CheckpointError(msg)
    kind = named[1] if isinstance(named, tuple) and len(named) >= 5 and named[0] == "storage" else None
    dtype = DTYPES.get(getattr(kind, "name", ""))
    if dtype is None:
        msg = f"{where}: numbers of type {getattr(kind, 'name', 'unknown')}; floating numbers are expected"
        raise CheckpointError(msg)
    count = int.from_bytes(data[:COUNT_BYTES], "little", signed=True)
    if count < 1 or count != named[4] or COUNT_BYTES + count * dtype.itemsize != len(data):
        msg = f"{where}: {named[4]} numbers declared, {len(data) - COUNT_BYTES} bytes there; fetch the file again"
        raise CheckpointError(msg)
    return torch.frombuffer(bytearray(data), dtype=dtype, offset=COUNT_BYTES)


def _is_bytes(arguments: tuple[Any, ...]) -> bool:
    return len(arguments) == 1 and isinstance(arguments[0], bytes)


def _words(value: object) -> str:
    return value.name if isinstance(value, Record) else type(value).__name__
