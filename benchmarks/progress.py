"""The parts that a command of benchmarks consists of, and how far along it is."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from benchmarks.measure import Comparison
from quinoa.launch.terminal import numbers


class Part(NamedTuple):
    """Some rows of the table that are measured together.

    Attributes:
        name: what is measured.
        run: measures it.
    """

    name: str
    run: Callable[[], Iterable[Comparison]]


def parts_of(benchmark: str) -> Sequence[Part]:
    """The parts of the module `benchmarks.BENCHMARK`.

    A benchmark of several has a function `parts`; one of a single part, a function `run`.
    """
    module = importlib.import_module(f"benchmarks.{benchmark}")
    parts: Sequence[Part] = (
        module.parts() if hasattr(module, "parts") else [Part(benchmark, module.run)]
    )
    return parts


def run_all(parts: Sequence[Part]) -> Iterator[Comparison]:
    """Measures all, and says on the standard error what begins, and how long all took."""
    start = time.monotonic()

    def elapsed() -> str:
        return numbers.duration(time.monotonic() - start)

    for index, part in enumerate(parts, start=1):
        _say(f"{index} of {len(parts)}, after {elapsed()}: {part.name}")
        yield from part.run()
    _say(f"{numbers.count(len(parts), 'part')} took {elapsed()}.")


def _say(text: str) -> None:
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
