"""The window in which a peer is timed, by its own counters of steps and of gradient steps."""

import argparse
import sys
import time
from collections.abc import Callable

import matrix_products
import psutil

# Gradient steps that are counted after the window for the matrix products in them: a multiple of
# every period that a peer has, such as an actor learned at every second or third step.
_COUNTED_UPDATES = 12
# Gradient steps before the window: everything is compiled by then.
_WARM_UP_UPDATES = 50


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds those that every peer's script has: of the window, and PyTorch's threads."""
    parser.add_argument("--learning_starts", type=int, required=True, help="steps before learning")
    parser.add_argument("--seconds", type=float, required=True, help="how long to measure")
    parser.add_argument("--settle", type=float, default=5.0, help="seconds of learning before it")
    parser.add_argument(
        "--count_products",
        action="store_true",
        help="count the matrix products of a gradient step, which takes JAX tens of seconds",
    )
    parser.add_argument("--threads", type=int, help="PyTorch's threads (default: its own choice)")
    parser.add_argument(
        "--steps_per_update", type=int, default=1, help="environment steps for each gradient step"
    )


class Window:
    """Waits until a peer has warmed up, and times it; counts its matrix products where asked."""

    def __init__(self, flags: argparse.Namespace, updates: Callable[[], int]):
        """Starts to wait.

        Args:
            flags: those of `add_flags`.
            updates: the peer's counter of gradient steps. It is read at both ends of the window
                alone, since to read it can be to wait for the last gradient step.
        """
        self._seconds, self._settle, self._updates = flags.seconds, flags.settle, updates
        self._warm = flags.learning_starts + _WARM_UP_UPDATES * flags.steps_per_update
        self._learning_since = self._begin = None
        self._products = matrix_products.Counter() if flags.count_products else None
        self._count_from = None
        self._counted_steps = _COUNTED_UPDATES * flags.steps_per_update
        self.figures = {}

    def is_over(self, steps: int) -> bool:
        """Hears of the peer's number of environment steps, after each; whether it may stop.

        Then `figures` has `steps_per_second` and `updates_per_second` (gradient steps), `seconds`
        and `steps` of the window, `resident_mb` (MiB, at its end) and, where they are counted,
        `gflop` (of the matrix products of a gradient step and its environment steps).
        """
        now = time.monotonic()
        if self._count_from is not None:
            if steps < self._count_from + self._counted_steps:
                return False
            flop = self._products.stop() / _COUNTED_UPDATES
            self.figures["gflop"] = flop / 1e9
            return True
        if steps < self._warm:
            return False
        if self._learning_since is None:
            self._learning_since = now
        if self._begin is None:
            if now >= self._learning_since + self._settle:
                self._begin = steps, self._updates(), time.monotonic()
                print(f"timed from step {steps}", file=sys.stderr)
            return False
        begin_steps, begin_updates, begin = self._begin
        if now < begin + self._seconds:
            return False
        updates = self._updates()
        elapsed = time.monotonic() - begin
        self.figures = {
            "steps_per_second": (steps - begin_steps) / elapsed,
            "updates_per_second": (updates - begin_updates) / elapsed,
            "seconds": elapsed,
            "steps": steps - begin_steps,
            "resident_mb": psutil.Process().memory_info().rss / 2**20,
        }
        if self._products is None:
            return True
        self._count_from = steps
        self._products.start()
        return False
