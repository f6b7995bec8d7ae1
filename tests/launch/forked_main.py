"""The main program of what `forked` forks processes from: a warm parent that has imported more."""

from __future__ import annotations

import os
import signal

from quinoa.launch.engines.local import warm_parent_main

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    # What commands import at their end, for tables and pictures.
    from quinoa.launch.machine import lean_imports

    lean_imports.import_tensorflow()
    import tensorflow as tf

    # As in the tests' own process, by tests/conftest.py.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    import quinoa.launch.analysis.plots
    import quinoa.launch.cli
    import quinoa.launch.commands.train  # noqa: F401

    warm_parent_main.main()
    os._exit(0)
