"""A process that shares a host's parameters and asks for them: `asking.py DESCRIPTOR WHAT`.

It is executed and not forked, as a fork of a process with threads may hang wherever one of them
was. It prints a line when it asks first.
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np
import numpy.typing as npt

from quinoa.launch.nodes.host_parameters import HostParameters

SIZE = 100_000


def never_answered(descriptor: int) -> None:
    """Asks the learner once, which does not answer."""

    def get(known_version: int) -> None:
        del known_version
        print("asking", flush=True)
        time.sleep(1000)

    HostParameters(get, descriptor, period_s=0.0)(-1)


def always_new(descriptor: int) -> None:
    """Asks all the time, and gets new parameters each time: all of them the version's number."""
    versions = itertools.count()

    def get(known_version: int) -> tuple[int, npt.NDArray[np.float32]]:
        del known_version
        version = next(versions)
        if version == 0:
            print("asking", flush=True)
        return version, np.full(SIZE, version, np.float32)

    parameters, known = HostParameters(get, descriptor, period_s=0.0), -1
    while True:
        if (newest := parameters(known)) is not None:
            known = newest[0]


if __name__ == "__main__":
    {"never_answered": never_answered, "always_new": always_new}[sys.argv[2]](int(sys.argv[1]))
