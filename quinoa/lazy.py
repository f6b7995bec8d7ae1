"""Lazily imported attributes of packages (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any


def attributes(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Makes the `__getattr__` of a package whose modules are slow to import.

        if TYPE_CHECKING:
            from my_package.heavy import Thing
        __getattr__ = lazy.attributes(__name__, {"Thing": "my_package.heavy"})

    Args:
        package: the package's `__name__`.
        modules: the module that each attribute is imported from, by the attribute's name.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(modules[name]), name)
        setattr(sys.modules[package], name, found)  # So that Python does not call this again.
        return found

    return get
