"""What runs in each process of a run, one module a role."""
