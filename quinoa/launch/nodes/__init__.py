"""A role as a process of its own, with its heartbeat: one module a role."""
