"""Initial parameters that follow from a seed, whatever else the process does."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import tensorflow as tf

_lock = threading.RLock()


@contextlib.contextmanager
def alone(seed: int | None = None) -> Iterator[None]:
    """A context in which no other thread makes networks.

    Initial parameters are drawn one after another from TensorFlow's one global generator: two
    threads that made networks at the same time would each get some of the other's.

    Args:
        seed: sets TensorFlow's global seed; None leaves the generator as it is.
    """
    with _lock:
        if seed is not None:
            tf.random.set_seed(seed)
        yield
