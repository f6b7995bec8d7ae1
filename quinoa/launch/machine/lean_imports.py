"""TensorFlow without what it would import on the side.

TensorFlow 2.12 imports these where they are installed, for conversions that no process of a run
makes: a fifth of what an actor would take in memory, and half a second of its start. An agent or
environment that uses one of them imports it afterwards as ever.

The garbage collector rests meanwhile: it would walk through a million new objects time and again,
none of which is garbage, for another half second.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence

_LEFT_OUT = ("jax", "pandas", "h5py", "PIL")


def import_tensorflow() -> None:
    """Imports it, unless it is there."""
    install()
    importlib.import_module("tensorflow")


def install() -> None:
    """Has it imported so whenever whoever is the first to import it does."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow where it is, and changes what happens while it is imported."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Called by Python for each module that is not there yet."""
        if fullname != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_alone(module: types.ModuleType) -> None:
                with _left_out(), _uncollected():
                    execute(module)

            spec.loader.exec_module = execute_alone  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _left_out() -> Iterator[None]:
    left_out = [name for name in _LEFT_OUT if name not in sys.modules]
    for name in left_out:
        # Makes an import of it fail, which TensorFlow takes as its not being installed.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
