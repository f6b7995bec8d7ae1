"""The process of one run of a sweep, whose arguments are `PARENT train FLAGS`."""

from __future__ import annotations

import os
import signal
import sys

from quinoa.launch import cli
from quinoa.launch.engines import parent


def main() -> int:
    """Runs the command line in a process group of its own, asked to stop if its parent is gone."""
    parent_pid, *arguments = sys.argv[1:]
    # Or Ctrl-C in the terminal would reach it as well as the sweep, which hands it on.
    os.setpgrp()
    parent.die_with(int(parent_pid), signal.SIGTERM)
    # What the run notes as its command line.
    sys.argv = [cli.__file__, *arguments]
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
