"""The fields of a configuration for people to read: what its class says of each."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from quinoa.config.fields import fields_of, items_of, optional_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Setting(NamedTuple):
    """One field of a configuration.

    Attributes:
        name: the field's name.
        kind: what it may be, in few words: `float`, `int,...`, `true or false`, `one of a, b`.
        bounds: what a number must be besides, in few words; empty where it may be any.
        default: of the class.
        value: of the configuration at hand, which a preset may have changed.
        about: what it is, a sentence or a few; empty where the source has none, or is not there.
        owner: the class that has it first: the configuration's own, or one that it derives from.
    """

    name: str
    kind: str
    bounds: str
    default: Any
    value: Any
    about: str
    owner: type


def described(config: DataclassInstance) -> list[Setting]:
    """The fields, those of the class itself before those of what it derives from.

    Args:
        config: whose class can be made from its defaults.
    """
    config_class = type(config)
    defaults = config_class()
    lineage = [base for base in config_class.__mro__ if dataclasses.is_dataclass(base)]
    about = sentences(config_class)
    found = []
    for name, field in fields_of(config_class).items():
        owner = [base for base in lineage if name in fields_of(base)][-1]
        each = "each " if items_of(field.hint) else ""
        bounds = "" if field.bounds is None else f"{each}{field.bounds}"
        found.append(
            Setting(
                name,
                _kind(field.hint, field.choice_names),
                bounds,
                getattr(defaults, name),
                getattr(config, name),
                about.get(name, ""),
                owner,
            )
        )
    return sorted(found, key=lambda setting: lineage.index(setting.owner))


def _kind(hint: Any, choices: tuple[str, ...]) -> str:
    if choices:
        return f"one of {', '.join(choices)}"
    if hint is bool:
        return "true or false"
    if (item := items_of(hint)) is not None:
        return f"{_kind(item, ())},..."
    if (inner := optional_of(hint)) is not None:
        return f"{_kind(inner, ())} or none"
    return hint.__name__ if isinstance(hint, type) else str(hint)


def sentences(config_class: type[DataclassInstance]) -> dict[str, str]:
    """The text below each field in the source of a class or those that it derives from, by name.

    A field whose source has none, or is not there, is left out.
    """
    lineage = [base for base in config_class.__mro__ if dataclasses.is_dataclass(base)]
    return {name: text for base in reversed(lineage) for name, text in _own_sentences(base).items()}


@functools.cache
def _own_sentences(config_class: type) -> Mapping[str, str]:
    module = sys.modules.get(config_class.__module__)
    try:
        tree: ast.AST = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return {}  # A class that was not read from a file, as in a notebook, has no text to show.
    for part in config_class.__qualname__.split("."):
        found = (
            node
            for node in ast.iter_child_nodes(tree)
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == part
        )
        if (inner := next(found, None)) is None:
            return {}
        tree = inner
    body = list(ast.iter_child_nodes(tree))
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr)
        if isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
