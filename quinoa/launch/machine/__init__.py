"""This computer and the processes on it: sizes, environment variables, folders, interpreters."""
