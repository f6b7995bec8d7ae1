"""What runs in each process of a run, one module a role."""

import signal

# The exit status of an actor that is told to stop while the run goes on. Who told it, and whether
# that was to be, its engine knows; to which the actor's module would bring TensorFlow.
TOLD_TO_STOP = 128 + signal.SIGTERM

# The exit status of an actor that stops because the run is over, as its counter has told it. It is
# not 0: what an environment calls may end a process with that at any time, by a library's exit(0).
RUN_IS_OVER = 72

# The exit status of a node whose failure another start would not mend: it ends the run at once.
FATAL = 70
