"""Pickles read into plain values and inert records: whatever a pickle asks to call is noted by name and never called.

Only names that weights of published networks hold are noted; any other is refused with its name.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, ClassVar

from radgen.errors import CheckpointError
from radgen.gan.published.scan import scan

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"
LOAD_BYTES = "torch.storage._load_from_bytes"
# Real classes, harmless to make and fill.
PLAIN: dict[str, type] = {
    "collections.OrderedDict": OrderedDict,
    "dnnlib.util.EasyDict": dict,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "__builtin__.set": set,
    "__builtin__.frozenset": frozenset,
}
NOTED = frozenset(
    {
        PERSISTENT,
        LOAD_BYTES,
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
        "torch.device",
        "numpy.dtype",
        "numpy.ndarray",
        *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
        *(
            f"torch.{kind}Storage"
            for kind in ["Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"]
        ),
        # A discriminator's frozen feature networks hold bound methods and bound arguments.
        "builtins.getattr",
        "__builtin__.getattr",
        "functools.partial",
    }
)
# Parts of networks that lie beside the generator in the same file.
NOTED_PACKAGES = ("torch.nn.", "timm.", "torchvision.", "pg_modules.", "feature_networks.", "training.")


class Record:
    """What a pickle wanted built: the name, what it would have been called with, and the state it would have had.

    Attributes
    ----------
    name
        Dotted name of the function or class.
    arguments
        Positional arguments.
    state
        What would have been set, None without.
    """

    name: ClassVar[str] = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any, **_named: Any) -> Record:  # noqa: ANN401 - whatever stands in a file
        """Note the arguments."""
        record = super().__new__(cls)
        record.arguments = arguments
        record.state = None
        return record

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - whatever stands in a file
        """Note the state."""
        self.state = state


class InertUnpickler(pickle.Unpickler):
    """Unpickler that builds records instead of objects.

    Parameters
    ----------
    file
        Scanned before.
    where
        Name of the file, for messages.
    """

    def __init__(self, file: IO[bytes], where: str) -> None:
        super().__init__(file)
        self._where = where
        self._known: dict[str, type] = dict(PLAIN)

    def find_class(self, module: str, name: str) -> type:
        """Return the class that stands for a name.

        Raises
        ------
        CheckpointError
            The name is none that weights hold.
        """
        dotted = f"{module}.{name}"
        if dotted not in self._known:
            if dotted not in NOTED and not dotted.startswith(NOTED_PACKAGES):
                msg = (
                    f"{self._where}: asks for {dotted}, which weights of a generator do not need; nothing of it was "
                    f"run. Get the checkpoint from its authors again"
                )
                raise CheckpointError(msg)
            self._known[dotted] = type("Noted", (Record,), {"name": dotted})
        return self._known[dotted]

    def persistent_load(self, identity: Any) -> Any:  # noqa: ANN401 - whatever stands in a file
        """Return what names a storage as it stands."""
        return identity


def read_inert(path: Path) -> Any:  # noqa: ANN401 - whatever stands in a file
    """Read a pickle file that holds nothing else.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, not a pickle, or asks for something that weights do not need.
    """
    try:
        with path.open("rb") as file:
            scan(file, path.name)
            if file.read(1):
                msg = f"{path.name}: bytes behind the end of the pickle; fetch the file again"
                raise CheckpointError(msg)
            file.seek(0)
            return load_inert(file, path.name)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give the published .pkl file"
        raise CheckpointError(msg) from error


def load_inert(file: IO[bytes], where: str) -> Any:  # noqa: ANN401 - whatever stands in a file
    """Read one scanned pickle from an open file.

    Raises
    ------
    CheckpointError
        It is damaged, or asks for something that weights do not need.
    """
    try:
        return InertUnpickler(file, where).load()
    except (pickle.UnpicklingError, EOFError, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{where}: damaged as a pickle ({error}); fetch the file again"
        raise CheckpointError(msg) from error


def read_sequence(data: bytes, count: int, where: str) -> tuple[list[Any], bytes]:
    """Read several pickles that follow each other, and return the bytes behind them."""
    file = io.BytesIO(data)
    values = []
    for _ in range(count):
        start = file.tell()
        scan(file, where)
        file.seek(start)
        values.append(load_inert(file, where))
    return values, file.read()
