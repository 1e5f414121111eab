"""The labels a person may paint: id, name and colour, in the order of the study's structures."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radgen.errors import AnnotationError
from radgen.provenance import write_json

MAX_LABELS = 256  # an 8-bit mask holds no more
GOLDEN_ANGLE = 0.381966  # share of the colour circle: neighbouring ids get hues far apart


@dataclass(frozen=True)
class Label:
    """One label of a mask: its id in the mask's pixels, its name, its colour as 8-bit (red, green, blue)."""

    id: int
    name: str
    colour: tuple[int, int, int]


def label_schema(structures: Sequence[str], colours: Sequence[str] = ()) -> tuple[Label, ...]:
    """Return background (0, black) and the structures (1..K, one colour each: the given #rrggbb, else a fixed one).

    Raises
    ------
    AnnotationError
        There are more structures than an 8-bit mask can hold, or a name occurs twice.

    Examples
    --------
    >>> [(label.id, label.name) for label in label_schema(["liver", "spleen"])]
    [(0, 'background'), (1, 'liver'), (2, 'spleen')]
    """
    names = ("background", *structures)
    if len(names) > MAX_LABELS:
        msg = f"structures: {len(structures)} names, but an 8-bit mask holds {MAX_LABELS - 1} labels; drop some"
        raise AnnotationError(msg)
    if len(set(names)) < len(names):
        msg = f"structures: a name occurs twice in {', '.join(names)} (background is always label 0); rename one"
        raise AnnotationError(msg)
    given = [(0, 0, 0), *map(_parse_colour, colours)] if colours else [_colour(number) for number in range(len(names))]
    return tuple(Label(number, name, given[number]) for number, name in enumerate(names))


def _colour(number: int) -> tuple[int, int, int]:
    if number == 0:
        return (0, 0, 0)
    hue = (0.02 + (number - 1) * GOLDEN_ANGLE) % 1.0
    value = 1.0 if number % 2 else 0.8
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, value)
    return (round(red * 255), round(green * 255), round(blue * 255))


def palette(labels: Sequence[Label]) -> list[int]:
    """Return the flat palette of an indexed PNG: 256 colours, black beyond the labels."""
    flat = [channel for label in labels for channel in label.colour]
    return flat + [0] * (3 * MAX_LABELS - len(flat))


def write_labels(path: Path, labels: Sequence[Label]) -> None:
    """Write labels.json: a list of id, name and colour as #rrggbb."""
    rows = [
        {"id": label.id, "name": label.name, "colour": "#" + bytes(label.colour).hex()}
        for label in sorted(labels, key=lambda label: label.id)
    ]
    write_json(path, {"labels": rows})


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read labels.json.

    Raises
    ------
    AnnotationError
        The file is missing or was changed beyond reading.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["labels"]
        return tuple(Label(int(row["id"]), str(row["name"]), _parse_colour(row["colour"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"{path}: not a readable label table ({error}); make the pack again"
        raise AnnotationError(msg) from error


def _parse_colour(text: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return (red, green, blue)
