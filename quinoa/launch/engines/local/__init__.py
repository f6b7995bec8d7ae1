"""The engine for this machine: one process for each node of the program."""
