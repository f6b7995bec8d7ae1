"""What tests of threads within one process wait with."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object]) -> None:
    """Waits for a condition, which fails the test where it does not come to hold within 10 s."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
