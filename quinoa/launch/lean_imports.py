"""TensorFlow without what it would import on the side.

TensorFlow 2.12 imports these where they are installed, for conversions that no process of a run
makes: a fifth of what an actor would take in memory, and half a second of its start. An agent or
environment that uses one of them imports it afterwards as ever.
"""

from __future__ import annotations

import importlib
import sys

_LEFT_OUT = ("jax", "pandas", "h5py", "PIL")


def import_tensorflow() -> None:
    """Imports it, unless it is there."""
    left_out = [name for name in _LEFT_OUT if name not in sys.modules]
    for name in left_out:
        # Makes an import of it fail, which TensorFlow takes as its not being installed.
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        importlib.import_module("tensorflow")
    finally:
        for name in left_out:
            del sys.modules[name]
