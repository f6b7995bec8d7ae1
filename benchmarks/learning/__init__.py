"""How soon a policy is good: the return over time and over steps, ours beside the peers'.

Each system learns the same tasks on all cores of this machine, one after the other.
"""
