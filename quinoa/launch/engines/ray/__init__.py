"""The engine for many machines, which Ray joins to a cluster."""
