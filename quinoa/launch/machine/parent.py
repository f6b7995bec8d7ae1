"""A process's tie to the one that started it.

As a main program, with the arguments `PARENT MODULE ARGUMENTS...`, it runs another module in a
process group of its own, which is asked to stop when its parent is gone.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Has the kernel send this process a signal when its parent is gone, however that went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:
        os._exit(1)


def _main() -> None:
    parent, module, *arguments = sys.argv[1:]
    # Or Ctrl-C in the terminal would reach it as well as its parent, which hands it on.
    os.setpgrp()
    die_with(int(parent), signal.SIGTERM)
    # With `alter_sys`, the module's file is put before them.
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
