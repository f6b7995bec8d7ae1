"""Items of a dataset, drawn by a thread of its own, one of them ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

import tensorflow as tf

# How long the caller's thread waits at a time: Python's signal handlers run in between.
_WAIT_S = 0.1
# How long to wait for the thread that draws, once it has been told to end.
_CLOSE_S = 2.0


def drawn_ahead(
    make: Callable[[tf.Variable], tf.data.Dataset], should_stop: Callable[[], bool] | None
) -> Generator[Any, None, None]:
    """Draws items while the caller works on the last one.

    TensorFlow waits for data without letting Python's signal handlers run, so a thread of its own
    does that. Once told to stop, it ends at the rate limiter's next timeout, or with the item that
    it is filling; it is a daemon, as Reverb tries for ever to reach a server that has died.

    Args:
        make: makes the dataset from a variable, bool []; when that is true, the dataset ends.
        should_stop: asked before every item, and every 0.1 s while there is none; when it is true,
            the iterator ends.

    Returns:
        An iterator of items. Where it is left before its end, its `close()` ends the thread.

    Raises:
        Exception: what the dataset raises.
    """
    with tf.device("CPU"):
        stopped = tf.Variable(False, trainable=False, name="stopped")
    iterator = iter(make(stopped))
    taken = threading.Semaphore(0)
    drawn: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def draw() -> None:
        try:
            for item in iterator:
                drawn.put(item)
                taken.acquire()
                if stopped.numpy():
                    return
        except Exception as error:
            drawn.put(error)

    thread = threading.Thread(target=draw, name="drawn_ahead", daemon=True)
    thread.start()
    try:
        while should_stop is None or not should_stop():
            try:
                item = drawn.get(timeout=_WAIT_S)
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                raise item
            taken.release()
            yield item
    finally:
        stopped.assign(True)
        taken.release()
        thread.join(_CLOSE_S)
