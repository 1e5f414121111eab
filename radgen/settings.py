"""How a section of settings is declared: a frozen dataclass whose fields carry their own help text.

Standard library only, because training code runs where pydantic is not installed.
`radgen.config` validates user files with pydantic; `build` rebuilds a section from the JSON a rule hands to a stage.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, dataclass_transform

from radgen.errors import ConfigError

T = TypeVar("T")


def setting(default: Any, text: str) -> Any:  # noqa: ANN401 - stands in for a value of the field's type
    """Declare one field of a section with its default and the sentence that explains it.

    A list or dict default is copied for each instance, as dataclasses demand.
    """
    if isinstance(default, list | dict):
        return dataclasses.field(default_factory=default.copy, metadata={"help": text})
    return dataclasses.field(default=default, metadata={"help": text})


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a word that is none of those allowed, with a ValueError that names them all."""
    if value not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}, not {value!r}"
        raise ValueError(msg)


def above_zero(**values: float) -> None:
    """Refuse the first number that is not above 0 with a ValueError; NaN is not."""
    for name, value in values.items():
        if not value > 0:
            msg = f"{name} must be above 0, not {value}"
            raise ValueError(msg)


def at_least(**values: tuple[float, float]) -> None:
    """Refuse the first number that is not at least the one given beside it with a ValueError; NaN is not.

    >>> at_least(repeats=(5, 1), folds=(1, 2))
    Traceback (most recent call last):
    ValueError: folds is 1, but must be at least 2
    """
    for name, (value, least) in values.items():
        if not value >= least:
            msg = f"{name} is {value}, but must be at least {least}"
            raise ValueError(msg)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,))
def section(cls: type[T]) -> type[T]:
    """Make a class a section of settings: frozen, keyword-only, unknown keys refused by pydantic."""
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)


def is_section(kind: object) -> bool:
    """Tell whether a type was declared with `section`."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def as_plain(value: Any) -> Any:  # noqa: ANN401 - walks any settings value
    """Turn a section into plain dicts, lists and scalars that JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(item) for item in value]
    return value


def build(kind: type[T], data: Mapping[str, Any], where: str = "settings") -> T:
    """Rebuild a section from plain data, refusing unknown keys.

    Parameters
    ----------
    kind
        A class declared with `section`.
    data
        What `as_plain` gave.
    where
        Named in the error message.

    Raises
    ------
    ConfigError
        A key is unknown, or a value is refused by the section.
    """
    hints = typing.get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - names)
    if unknown:
        msg = f"{where}: unknown key {unknown[0]!r}; known keys are {', '.join(sorted(names))}"
        raise ConfigError(msg)
    try:
        return kind(**{name: _convert(hints[name], value, f"{where}.{name}") for name, value in data.items()})
    except (TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from error


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - any annotated type
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return _convert(options[0], value, where) if len(options) == 1 else value
    if is_section(hint):
        return build(hint, value, where)
    if origin is tuple:
        inner = typing.get_args(hint)
        kinds = [inner[0]] * len(value) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
        return tuple(_convert(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    if origin is list:
        return [_convert(typing.get_args(hint)[0], item, where) for item in value]
    if origin is dict:
        inner = typing.get_args(hint)
        return {key: _convert(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    return float(value) if hint is float and isinstance(value, int) else value
