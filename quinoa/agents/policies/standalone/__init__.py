"""Policies that need only NumPy: actors act with them, and an export has them in one file.

`base` has what they share, and one module each a kind of policy. The modules import nothing but
NumPy, the standard library and `base`, so that `one_file` can join them.
"""

from __future__ import annotations

import ast
import inspect
import types

from quinoa.agents.policies.standalone import (
    base,
    finite_set,
    flows,
    multicategorical,
    sampled,
    tanh_gaussian,
)
from quinoa.agents.policies.standalone.base import Policy

__all__ = ["Policy", "one_file"]


def one_file() -> str:
    """The source of a module that has every kind of policy and needs no part of this package."""
    kinds = (multicategorical, finite_set, tanh_gaussian, flows, sampled)
    return "\n\n".join([inspect.getsource(base), *map(_without_imports, kinds)])


def _without_imports(module: types.ModuleType) -> str:
    """The source of a module after its imports, which are all at its start."""
    source = inspect.getsource(module)
    imports = [
        node.end_lineno or node.lineno
        for node in ast.parse(source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(source.splitlines()[max(imports) :]).strip("\n") + "\n"
