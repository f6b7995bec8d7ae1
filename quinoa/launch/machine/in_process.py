"""TensorFlow in a process of the user's: as runs have it, and nothing else changed."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from quinoa.launch.machine import mujoco_renderer, process_environment

# What is made within may import TensorFlow by either function.
_lock = threading.RLock()


def import_tensorflow() -> None:
    """Imports and starts TensorFlow on the CPU with one thread, unless it was imported before.

    So what is computed is the same each time. The environment variables that say so are put back
    as they were: a GPU stays to other libraries of the process.
    """
    with tensorflow_may_be_imported():
        import tensorflow  # noqa: F401


@contextlib.contextmanager
def tensorflow_may_be_imported() -> Iterator[None]:
    """The same for what may import it or not, as an agent in a file of the user's may."""
    with _lock:
        if "tensorflow" in sys.modules:
            yield
            return
        before = dict(os.environ)
        process_environment.set_for_this_process(tries_drawing=False, needs_room=False)
        # MuJoCo reads it when it is imported: the program may want to draw.
        _put_back(mujoco_renderer.VARIABLE, before.get(mujoco_renderer.VARIABLE))
        try:
            yield
            if "tensorflow" in sys.modules:
                import tensorflow as tf

                # It reads the variables when it starts.
                tf.config.list_logical_devices()
        finally:
            for name in {*os.environ, *before}:
                _put_back(name, before.get(name))


def _put_back(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
