"""TensorFlow inside a user's program, set up as in runs, without changing the program otherwise."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from quinoa.launch.machine import mujoco_renderer, process_environment

# Reentrant, as code within `tensorflow_may_be_imported` may call `import_tensorflow`.
_lock = threading.RLock()


def import_tensorflow() -> None:
    """Imports and starts TensorFlow on the CPU with one thread, unless it was imported before.

    With one thread, results are reproducible. The environment variables for this are restored
    afterwards, so that other libraries of the process can still use a GPU.
    """
    with tensorflow_may_be_imported():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def tensorflow_may_be_imported() -> Iterator[None]:
    """As `import_tensorflow`, if code in the context imports TensorFlow; a user's agent may."""
    with _lock:
        if "tensorflow" in sys.modules:
            yield
            return
        before = dict(os.environ)
        process_environment.set_for_this_process(tries_drawing=False, needs_room=False)
        # MuJoCo reads this when it is imported, and the program may want to draw.
        _restore(mujoco_renderer.VARIABLE, before.get(mujoco_renderer.VARIABLE))
        try:
            yield
            if "tensorflow" in sys.modules:
                import tensorflow as tf

                # TensorFlow reads the variables when it starts its devices.
                tf.config.list_logical_devices()
        finally:
            for name in {*os.environ, *before}:
                _restore(name, before.get(name))


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
