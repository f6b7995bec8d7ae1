"""When a process ends: with its parent, or in order on SIGTERM and SIGHUP.

As a main program, with the arguments `PARENT MODULE ARGUMENTS...`, it runs another module in a
process group of its own, which gets SIGTERM when its parent is gone.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def die_with(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Has the kernel send this process a signal when its parent ends, even if that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:
        os._exit(1)


def exit_on_signals() -> None:
    """Makes SIGTERM and SIGHUP raise `SystemExit`, so that `finally` clauses end what was started.

    Further signals are ignored, as they would interrupt those clauses.
    """

    def exit_(number: int, frame: FrameType | None) -> None:
        del frame
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for each in _SIGNALS:
        signal.signal(each, exit_)


def _main() -> None:
    parent, module, *arguments = sys.argv[1:]
    # Otherwise Ctrl-C would reach this process directly, besides the signal that the parent sends.
    os.setpgrp()
    die_with(int(parent), signal.SIGTERM)
    # `alter_sys` puts the module's file at sys.argv[0].
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
