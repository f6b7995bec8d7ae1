"""Work beside a run, in a thread of its own: the run waits for it at its end alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def beside(
    work: Callable[[threading.Event], None],
    name: str,
    *,
    close_s: float,
    on_late: Callable[[], None],
) -> Iterator[None]:
    """Does work in a thread for as long as the context lasts.

    Args:
        work: gets an event that is set at the end of the context, and ends soon after that.
        name: of the thread.
        close_s: seconds that the end of the context waits for that.
        on_late: called where they do not suffice.
    """
    done = threading.Event()
    # A daemon: an upload that hangs must not keep the program from ending.
    thread = threading.Thread(target=work, args=(done,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(close_s)
        if thread.is_alive():
            on_late()
