"""TensorFlow in a process of the user's: as runs have it, and nothing else changed."""

from __future__ import annotations

import os
import sys
import threading

from quinoa.launch import process_environment

_lock = threading.Lock()


def import_tensorflow() -> None:
    """Imports and starts TensorFlow on the CPU with one thread, unless it was imported before.

    So what is computed is the same each time. The environment variables that say so are put back
    as they were: a GPU stays to other libraries of the process.
    """
    with _lock:
        if "tensorflow" in sys.modules:
            return
        before = dict(os.environ)
        process_environment.set_for_this_process(tries_drawing=False, needs_room=False)
        try:
            import tensorflow as tf

            # It reads the variables when it starts.
            tf.config.list_logical_devices()
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)
