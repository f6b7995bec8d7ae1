"""The engine for many machines: the processes of a run on the hosts of a Ray cluster.

Ray decides where each node runs and says when a host is gone. What runs there, and what starts it
again, is the same as on one machine.
"""
