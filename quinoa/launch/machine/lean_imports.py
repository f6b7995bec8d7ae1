"""Imports TensorFlow without its optional dependencies.

TensorFlow 2.12 imports JAX, pandas, h5py and PIL if they are installed, for conversions that no
process of a run makes. They would be a fifth of an actor's memory and half a second of its start.
An agent or environment that uses one of them can still import it afterwards.

The garbage collector rests meanwhile, and afterwards leaves out what was imported: it would walk
through a million objects time and again, none of which is garbage, for another second and a half.
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
    """Imports TensorFlow, unless it has been imported."""
    install()
    importlib.import_module("tensorflow")


def install() -> None:
    """Makes the first import of TensorFlow in this process, by any code, a lean one."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as usual, and hides its optional dependencies while it is imported."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Called by Python for each module that has not been imported yet."""
        if fullname != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_lean(module: types.ModuleType) -> None:
                with _hidden(), _uncollected():
                    execute(module)

            spec.loader.exec_module = execute_lean  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    hidden = [name for name in _LEFT_OUT if name not in sys.modules]
    for name in hidden:
        # Makes importing it raise ImportError, as if it were not installed.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
