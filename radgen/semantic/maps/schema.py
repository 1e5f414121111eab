"""What the ids of label maps mean: the schema file, and the way between stored ids and consecutive classes.

The file is JSON, as the `labels.json` of an annotation pack, which is a schema as it stands::

    {"labels": [{"id": 0, "name": "background", "colour": "#000000"}, {"id": 5, "name": "liver", "colour": "#d55e00"}],
     "background": 0, "unlabelled": 255}

`background` (left out: 0) is the id of what lies outside everything; it is a class like any other, learnt and scored.
`unlabelled` (left out: null) is the id of pixels that nobody labelled; it is no class, and no loss counts such pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radgen.annotation.schema import Label, label_schema
from radgen.errors import InputError
from radgen.provenance import write_json

STORED_IDS = 256  # of uint8 maps
UNLABELLED = -1  # the class of a pixel that nobody labelled
UNLABELLED_COLOUR = (128, 128, 128)
UNKNOWN = -2


@dataclass(frozen=True)
class MapSchema:
    """The labels of maps; class k of a map is `labels[k]`.

    Parameters
    ----------
    labels
        Stored id, name and colour of each class, in the order of their ids.
    background
        Stored id of the background, one of the labels.
    unlabelled
        Stored id of pixels without a label, none of the labels; None where every pixel has one.
    where
        What messages call the schema: its file, or the section it comes from.
    """

    labels: tuple[Label, ...]
    background: int = 0
    unlabelled: int | None = None
    where: str = "the label schema"

    def __post_init__(self) -> None:
        """Refuse ids and names that occur twice, a background that is no label, and an unlabelled id that is one."""
        ids, names = [label.id for label in self.labels], [label.name for label in self.labels]
        for what, values in (("id", [str(number) for number in ids]), ("name", names)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                msg = f"{self.where}: {what} {twice[0]} stands for two labels; give each its own"
                raise InputError(msg)
        outside = [number for number in [*ids, self.unlabelled or 0] if not 0 <= number < STORED_IDS]
        if outside:
            msg = f"{self.where}: id {outside[0]} does not fit in 8 bits; ids run from 0 to {STORED_IDS - 1}"
            raise InputError(msg)
        if self.background not in ids:
            msg = f"{self.where}: background is {self.background}, but labels are {self.known}; name it as a label too"
            raise InputError(msg)
        if self.unlabelled in ids:
            name = names[ids.index(self.unlabelled)]
            msg = (
                f"{self.where}: unlabelled is {self.unlabelled}, but that is the label {name}; background is a label "
                "like any other, and only pixels that nobody labelled are unlabelled"
            )
            raise InputError(msg)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(label.name for label in self.labels)

    @property
    def background_class(self) -> int:
        """The class of the background."""
        return [label.id for label in self.labels].index(self.background)

    @property
    def known(self) -> str:
        """All ids in one line, for messages."""
        ids = ", ".join(str(label.id) for label in self.labels)
        return ids if self.unlabelled is None else f"{ids} and {self.unlabelled} (unlabelled)"

    @cached_property
    def _class_of_id(self) -> NDArray[np.int64]:
        table = np.full(STORED_IDS, UNKNOWN, dtype=np.int64)
        table[[label.id for label in self.labels]] = np.arange(self.classes)
        if self.unlabelled is not None:
            table[self.unlabelled] = UNLABELLED
        return table

    def to_classes(self, stored: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Turn stored ids, of any shape, into classes 0 to K - 1 and -1 for unlabelled.

        Raises
        ------
        InputError
            An id is none of the schema's.
        """
        classes: NDArray[np.int64] = self._class_of_id[stored]
        if classes.size and classes.min() == UNKNOWN:
            unknown = int(stored[classes == UNKNOWN].flat[0])
            msg = (
                f"{self.where}: a map holds id {unknown}, but labels are {self.known}; count its labels before using it"
            )
            raise InputError(msg)
        return classes

    def to_stored(self, classes: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Turn classes back into stored ids.

        Raises
        ------
        InputError
            A pixel is unlabelled, and the schema has no id for that.
        """
        if self.unlabelled is None and bool(np.any(classes == UNLABELLED)):
            msg = f"{self.where}: a map has unlabelled pixels, but unlabelled is null; give it an id"
            raise InputError(msg)
        table = np.array([*(label.id for label in self.labels), self.unlabelled or 0], dtype=np.uint8)
        return np.asarray(table[classes])  # unlabelled is -1, the table's last place

    def paint(self, classes: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return maps [..., H, W] of classes in their colours: uint8 [..., H, W, 3], unlabelled grey."""
        table = np.array([*(label.colour for label in self.labels), UNLABELLED_COLOUR], dtype=np.uint8)
        return np.asarray(table[classes])

    @classmethod
    def of_structures(
        cls, structures: Sequence[str], colours: Sequence[str] = (), where: str = "structures"
    ) -> MapSchema:
        """Return the schema of a study's masks: background 0, then its structures; every pixel is labelled."""
        return cls(label_schema(structures, colours), where=where)


def read_schema(path: Path) -> MapSchema:
    """Read a schema file.

    Raises
    ------
    InputError
        The file is missing, no JSON or of another form, or labels contradict each other.
    """
    try:
        return schema_of_plain(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = (
            f"{path}: not a label schema ({type(error).__name__}: {error}); give JSON of labels (id, name, colour as "
            "#rrggbb), background and unlabelled"
        )
        raise InputError(msg) from error


def schema_of_plain(said: dict[str, Any], where: str = "the label schema") -> MapSchema:
    """Return the schema that `plain_schema` gave, or a file holds.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        It is none.
    InputError
        Labels contradict each other.
    """
    labels = sorted((_label(row) for row in said["labels"]), key=lambda label: label.id)
    background, unlabelled = said.get("background", 0), said.get("unlabelled")
    strange = sorted(set(said) - {"labels", "background", "unlabelled"})
    if strange or type(background) is not int or type(unlabelled) not in (int, type(None)):
        msg = f"unknown key {strange[0]!r}" if strange else "background and unlabelled are ids"
        raise ValueError(msg)
    return MapSchema(tuple(labels), background, unlabelled, where)


def write_schema(path: Path, schema: MapSchema) -> None:
    """Write a schema file."""
    write_json(path, plain_schema(schema))


def plain_schema(schema: MapSchema) -> dict[str, Any]:
    """Return what a schema file says."""
    labels = [
        {"id": label.id, "name": label.name, "colour": "#" + bytes(label.colour).hex()} for label in schema.labels
    ]
    return {"labels": labels, "background": schema.background, "unlabelled": schema.unlabelled}


def _label(row: Any) -> Label:  # noqa: ANN401 - any JSON
    red, green, blue = bytes.fromhex(row["colour"].removeprefix("#"))
    if type(row["id"]) is not int or not isinstance(row["name"], str):
        msg = f"a label's id is a whole number and its name a text, not {row['id']!r} and {row['name']!r}"
        raise TypeError(msg)
    return Label(row["id"], row["name"], (red, green, blue))
