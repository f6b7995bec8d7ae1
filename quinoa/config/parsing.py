"""Values of a configuration's fields, from texts as people type them and from JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from quinoa.config import other_libraries
from quinoa.config.fields import (
    ConfigError,
    Field,
    fields_of,
    is_choice,
    items_of,
    optional_of,
    refusal,
    shown,
)
from quinoa.suggestions import did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ConfigT = TypeVar("ConfigT", bound="DataclassInstance")


def override(config: ConfigT, assignments: Mapping[str, str]) -> ConfigT:
    """Changes fields of a configuration by what was typed on a command line.

    Args:
        config: what to start from; left as it is.
        assignments: from names of fields to texts, see `parse`.

    Raises:
        ConfigError: there is no such field, or its text cannot be read, or the value cannot work.
    """
    fields = fields_of(type(config))
    values = {}
    for name, text in assignments.items():
        _check_known(name, type(config))
        values[name] = parse(fields[name], text)
    return _construct(lambda: dataclasses.replace(config, **values))


def parse(field: Field, text: str) -> Any:
    """Reads a text as a field's type has it; the bounds are not checked.

    Args:
        field: of a configuration.
        text: `0.1`, `1e6`, `true`, `64,64` for a tuple, `none` and `inf` where they are allowed.

    Raises:
        ConfigError: it cannot be read, or the type is none that a text can be read as.
    """
    return _converted(
        field, text, lambda: _parse(text.strip(), field.hint, _may_be_infinite(field))
    )


def to_json(config: DataclassInstance) -> dict[str, Any]:
    """The fields of a configuration as JSON holds them (tuples as lists)."""
    fields: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), allow_nan=False))
    return fields


def from_json(config_class: type[ConfigT], values: Mapping[str, Any]) -> ConfigT:
    """Makes the configuration that `to_json` gave `values` of; see `fields.Absent`.

    Raises:
        ConfigError: a field is unknown, missing, of another type, or cannot work.
    """
    fields = fields_of(config_class)
    for name in values:
        _check_known(name, config_class)
    values = {**absent_values(config_class), **values}
    missing = [name for name in fields if name not in values]
    if missing:
        raise ConfigError(f"{_name(config_class)} lacks {', '.join(missing)}.")
    restored = {name: restore(fields[name], value) for name, value in values.items()}
    return _construct(lambda: config_class(**restored))


def absent_values(config_class: type[DataclassInstance]) -> dict[str, Any]:
    """What fields are where JSON was written before there were such fields, by name."""
    known = fields_of(config_class)
    return {name: field.absent.value for name, field in known.items() if field.absent is not None}


def restore(field: Field, value: Any) -> Any:
    """What JSON holds, as a field's type has it; the bounds are not checked.

    Raises:
        ConfigError: it is of another type.
    """
    return _converted(field, value, lambda: _restore(value, field.hint))


def _converted(field: Field, given: Any, convert: Callable[[], Any]) -> Any:
    try:
        return convert()
    except ConfigError:
        raise
    except (ValueError, OverflowError):
        raise refusal(field.name, given, described(field)) from None


def _name(config_class: type[DataclassInstance]) -> str:
    return f"{config_class.__module__}.{config_class.__qualname__}"


def _check_known(name: str, config_class: type[DataclassInstance]) -> None:
    known = fields_of(config_class)
    if name not in known:
        if (here := other_libraries.setting(name, known)) is not None:
            near = other_libraries.sentence(name, here)
        elif (flag := other_libraries.flag(name, other_libraries.FLAGS.values())) is not None:
            near = other_libraries.sentence(name, f"the flag --{flag}")
        else:
            near = did_you_mean(name, list(known)) or f" It has {', '.join(known)}."
        raise ConfigError(f"{_name(config_class)} has no field {name!r}.{near}")


def _construct(make: Callable[[], ConfigT]) -> ConfigT:
    """Calls `make`, so that whatever a configuration objects to is a `ConfigError`."""
    try:
        return make()
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from error


_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _may_be_infinite(field: Field) -> bool:
    return field.bounds is not None and field.bounds.may_be_infinite


def _parse(text: str, hint: Any, may_be_infinite: bool) -> Any:
    """Reads a text as a type; raises `ValueError` where it is none."""
    if (inner := optional_of(hint)) is not None:
        return None if text.lower() == "none" else _parse(text, inner, may_be_infinite)
    if (item := items_of(hint)) is not None:
        if text[:1] + text[-1:] in ("()", "[]"):
            text = text[1:-1]
        parts = text.rstrip().removesuffix(",").split(",") if text.strip() else []
        return tuple(_parse(part.strip(), item, may_be_infinite) for part in parts)
    if hint is bool:
        if text.lower() not in _BOOLS:
            raise ValueError(text)
        return _BOOLS[text.lower()]
    if typing.get_origin(hint) is typing.Literal and bool in map(type, typing.get_args(hint)):
        return _restore(_BOOLS.get(text.lower(), text), hint)
    if hint is int:
        return _to_int(text)
    if hint is float:
        number = float(text)
        return number if may_be_infinite and math.isinf(number) else _restore(number, float)
    return _restore(text, hint)


def _to_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # 1e6 is meant as an integer.
        if not number.is_integer():
            raise ValueError(text) from None
        return int(number)


def _restore(value: Any, hint: Any) -> Any:
    """Checks what JSON holds against a type; raises `ValueError` where it does not fit."""
    if (inner := optional_of(hint)) is not None:
        return None if value is None else _restore(value, inner)
    if (item := items_of(hint)) is not None:
        if not isinstance(value, (list, tuple)):
            raise ValueError(value)
        return tuple(_restore(part, item) for part in value)
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(value)
        if not math.isfinite(value):
            raise ValueError(value)
        return float(value)
    if hint in (bool, int, str):
        if type(value) is not hint:
            raise ValueError(value)
        return value
    if typing.get_origin(hint) is typing.Literal:
        if not is_choice(value, typing.get_args(hint)):
            raise ValueError(value)
        return value
    raise ConfigError(
        f"A configuration's field may be an int, float, bool, str, Literal, tuple[T, ...] or "
        f"Optional of one, not {hint}."
    )


def described(field: Field) -> str:
    """What a field may be, in few words: `a whole number, at least 1`."""
    kind = _described(field.hint, "a number" if _may_be_infinite(field) else "a finite number")
    return kind if field.bounds is None else f"{kind}, {field.bounds}"


def _described(hint: Any, number: str) -> str:
    if (inner := optional_of(hint)) is not None:
        return f"{_described(inner, number)}, or none"
    if (item := items_of(hint)) is not None:
        return f"several of these, separated by commas: {_described(item, number)}"
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(map(shown, typing.get_args(hint)))}"
    names_ = {int: "a whole number", float: number, bool: "true or false", str: "a text"}
    return names_.get(hint, str(hint))
