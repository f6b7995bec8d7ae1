"""Flags from the fields of a configuration: their names, types, defaults, bounds and texts."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from quinoa.config import descriptions, parsing
from quinoa.config.fields import ConfigError, Field, fields_of, optional_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def define(
    values: flags.FlagValues,
    config_class: type[DataclassInstance],
    *,
    only: Collection[str] | None = None,
) -> None:
    """Defines a flag for each field that has one.

    A field that is itself made of fields, or of values by name, has a flag that may be given
    several times, `NAME=VALUE` each.

    Args:
        values: flags to add them to.
        config_class: the class of the configuration.
        only: the names of the fields to define flags for, if not for all.
    """
    texts = descriptions.sentences(config_class)
    for name, field in with_flags(config_class):
        if only is not None and name not in only:
            continue
        flag, default, text = field.flag_name, field.flag_default, texts.get(name, "")
        if flag in values:
            # Of another class that derives the field from the same one, as engines do.
            continue
        if is_several(field):
            flags.DEFINE_multi_string(flag, [], text, flag_values=values)
        elif field.hint is bool:
            flags.DEFINE_boolean(flag, default, text, flag_values=values)
        elif field.choices:
            flags.DEFINE_enum(flag, default, field.choices, text, flag_values=values)
        elif (optional_of(field.hint) or field.hint) is str:
            flags.DEFINE_string(flag, default, text, flag_values=values)
        else:
            serializer: flags.ArgumentSerializer[Any] = flags.ArgumentSerializer()
            flags.DEFINE(Parser(field), flag, default, text, values, serializer)


def given(
    values: flags.FlagValues, config_class: type[DataclassInstance], *, left_out: bool
) -> dict[str, Any]:
    """The values of a configuration's fields, as parsed flags have them.

    Fields whose flags are given as `NAME=VALUE` are left out, as reading them takes more.

    Args:
        values: parsed flags, with those that `define` makes.
        config_class: the class of the configuration.
        left_out: whether to include the defaults of flags that were not given.

    Returns:
        The values by the names of the fields.
    """
    return {
        name: values[field.flag_name].value
        for name, field in with_flags(config_class)
        if not is_several(field) and (left_out or values[field.flag_name].present)
    }


def with_flags(config_class: type[DataclassInstance]) -> Iterator[tuple[str, Field]]:
    """The fields of a configuration that have a flag, by name."""
    return ((name, field) for name, field in fields_of(config_class).items() if field.flag_name)


def is_several(field: Field) -> bool:
    """Whether a field's flag is given as `NAME=VALUE`, several times."""
    kind = typing.get_origin(field.hint) or field.hint
    return isinstance(kind, type) and (issubclass(kind, Mapping) or dataclasses.is_dataclass(kind))


class Parser(flags.ArgumentParser[Any]):
    """Reads a flag's value as its field's type and bounds have it."""

    def __init__(self, field: Field):
        super().__init__()
        # A flag that is not given is None without being parsed, and nobody types it.
        self._field = field._replace(
            hint=optional_of(field.hint) or field.hint, bounds=field.flag.bounds or field.bounds
        )
        self.syntactic_help = parsing.described(self._field)

    def parse(self, argument: Any) -> Any:
        """Reads it; raises `ValueError`."""
        if not isinstance(argument, str):
            return argument
        try:
            value = parsing.parse(self._field, argument)
        except ConfigError:
            value = None
        if value is None or not self._field.holds(value):
            raise ValueError(f"it must be {parsing.described(self._field)}")
        return value

    def flag_type(self) -> str:
        """What absl calls it."""
        return str(getattr(self._field.hint, "__name__", self._field.hint))
