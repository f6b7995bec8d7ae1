"""This computer and its processes: sizing, environment variables, folders, child processes."""
